"""What SCIM asks of the directory, in the directory's own words: attributes, conditions, resources. No tables here.

The wire format, its grammar and its schemas belong to `api.scim`; how conditions become SQL, to `service.scim_filters`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from opsteward.core.errors import Conflict, Invalid
from opsteward.core.json_types import Json

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Kind(StrEnum):
    """The types of resource that there are."""

    USER = "User"
    GROUP = "Group"


class StaleVersion(Conflict):
    """The resource has another version by now than the one that the request is for."""

    code = "stale_version"
    http_status = 412
    title = "Changed in the meantime"


class BadFilter(Invalid):
    """A filter or an order over attributes that can't be compared so."""

    code = "bad_filter"
    http_status = 400
    title = "The filter can't be used"


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """Where a value stands: `("name", "familyName")`; what belongs to an extension has its URN first.

    `type` is string, boolean, datetime, binary or complex; `many` says that the first part is a list.
    """

    path: tuple[str, ...]
    type: str = "string"
    exact: bool = False
    many: bool = False


#: What an attribute is compared with, as the type of the attribute has it.
Operand: TypeAlias = str | bool | int | float | bytes | datetime | None


@dataclass(frozen=True)
class Compare:
    """An attribute against a value: eq ne co sw ew gt ge lt le."""

    attribute: Attribute
    op: str
    value: Operand


@dataclass(frozen=True)
class Present:
    """The attribute has a value that is not empty."""

    attribute: Attribute


@dataclass(frozen=True)
class Not:
    """The opposite."""

    term: Term


@dataclass(frozen=True)
class Both:
    """All of these."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Either:
    """One of these at least."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Within:
    """One entry of a list fits; the attributes in `term` are those of the entry."""

    attribute: Attribute
    term: Term


@dataclass(frozen=True)
class Never:
    """Fits nothing: an attribute that resources of this type have not."""


Term = Compare | Present | Not | Both | Either | Within | Never


@dataclass(frozen=True, kw_only=True)
class Search:
    """What to find of one type. `order` is None for the order of the names."""

    kind: Kind
    where: Term | None = None
    order: Attribute | None = None


@dataclass(frozen=True, kw_only=True)
class Membership:
    """A group that a user is in, by itself (direct) or by a group within it."""

    group_id: UUID
    display: str
    direct: bool


@dataclass(frozen=True, kw_only=True)
class Member:
    """Who is in a group: a user, or a group with all of its own."""

    id: UUID
    kind: Kind
    display: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserResource:
    """A user as SCIM sees it. `document` are the attributes that have no column of their own."""

    id: UUID
    username: str
    full_name: str
    email: str | None
    status: str
    department: str | None
    manager_id: UUID | None
    external_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    scim: Mapping[str, Json] | None
    groups: Sequence[Membership] = ()
    kind: Kind = Kind.USER


@dataclass(frozen=True, kw_only=True)
class GroupResource:
    """A group as SCIM sees it; `members` is None where nobody asked for them."""

    id: UUID
    display_name: str
    external_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    scim: Mapping[str, Json] | None
    members: Sequence[Member] | None = ()
    kind: Kind = Kind.GROUP


Resource = UserResource | GroupResource


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of what was found, and how much there is."""

    total: int
    resources: Sequence[Resource]


@dataclass(frozen=True, kw_only=True)
class UserState:
    """What a client wants a user to be. `manager` is a user's id where it names one, else it is only kept.

    `active` None leaves the status as it is; `role` None leaves the role. `scim` is stored as it is: `doc` has the
    attributes without a column, `named` and `mail` what the columns full_name and email were made of.
    """

    username: str
    full_name: str
    email: str | None
    department: str | None
    external_id: str | None
    manager_id: UUID | None
    active: bool | None
    role: str | None
    scim: Mapping[str, Json]
    emails: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class GroupState:
    """What a client wants a group to be."""

    display_name: str
    external_id: str | None
    scim: Mapping[str, Json]
    members: Sequence[Member] = field(default_factory=tuple)

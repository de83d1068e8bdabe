"""Where SCIM's attributes of users and groups stand in their tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from opsteward.core.name_keys import email_key
from opsteward.directory.models import User
from opsteward.directory.scim.filter_sql import (
    Entry,
    Sql,
    Value,
    as_key,
    as_text,
    as_time,
    as_truth,
    compared,
    condition,
    listed,
    some_entry,
)
from opsteward.directory.scim.models import ScimEmail, ScimGroup, ScimGroupMember
from opsteward.directory.scim.types import (
    ENTERPRISE,
    GROUP,
    USER,
    Attribute,
    BadFilter,
    Both,
    Compare,
    Present,
    Term,
    Within,
)

#: A user in one of these has not been put away: `active` is true.
STANDING = ("active", "pending")


def _list(*texts: str) -> Sql:
    return sa.func.jsonb_build_array(*(sa.cast(text, sa.Text) for text in texts), type_=JSONB)


def _one_id(term: Compare | Present | Within, path: tuple[str, ...]) -> str | None:
    """The operand, where the term asks for one value of just this attribute."""
    match term:
        case Compare(attribute, "eq", str(value)) if attribute.path == path:
            return value
    return None


def _uuid(value: str) -> UUID | None:
    # only the form that we give ids: another one is another string
    try:
        found = UUID(value)
    except ValueError:
        return None
    return found if str(found) == value else None


class _Row:
    """What users and groups have in common: id, externalId, meta and a document."""

    _table: Any
    _collection: str

    def __init__(self, tenant_id: UUID, base: str) -> None:
        """`base`: where SCIM is served; the addresses of resources begin with it."""
        self._tenant = tenant_id
        self._base = base

    def special(self, term: Compare | Present | Within) -> Sql | None:
        """An id is compared as one."""
        wanted = _one_id(term, ("id",))
        if wanted is not None:
            found = _uuid(wanted)
            return sa.false() if found is None else self._table.id == found
        return None

    def value(self, attribute: Attribute) -> Value:
        """A column, or a value of the document."""
        table = self._table
        match attribute.path:
            case ("id",):
                return as_text(sa.cast(table.id, sa.Text), attribute)
            case ("externalId",):
                return as_text(table.external_id, attribute)
            case ("meta", "created"):
                return as_time(table.created_at)
            case ("meta", "lastModified"):
                return as_time(table.updated_at)
            case ("meta", "version"):
                return as_text(sa.func.concat('W/"', table.version, '"'), attribute)
            case ("meta", "resourceType"):
                return as_text(sa.literal(self._collection.removesuffix("s")), attribute)
            case ("meta", "location"):
                return as_text(sa.func.concat(f"{self._base}/{self._collection}/", table.id), attribute)
        return Entry(self._document()).value(attribute)

    def node(self, path: tuple[str, ...]) -> Sql:
        """That part of the document."""
        return Entry(self._document()).node(path)

    def _document(self) -> Sql:
        return sa.func.jsonb_extract_path(self._table.scim, "doc", type_=JSONB)


class UserRow(_Row):
    """A row of users."""

    _table = User
    _collection = "Users"

    def value(self, attribute: Attribute) -> Value:
        """A column, or a value of the document."""
        match attribute.path:
            case ("userName",):
                return as_key(User.username_key)
            case ("displayName",):
                return as_text(sa.func.opsteward.scim_display_name(User.scim, User.full_name), attribute)
            case ("active",):
                return as_truth(User.status.in_(STANDING))
            case (urn, "department") if urn == ENTERPRISE:
                return as_text(User.department, attribute)
            case (urn, "manager", "value") if urn == ENTERPRISE:
                kept = Entry(self._document()).value(Attribute(path=attribute.path, exact=True)).sql
                return as_text(sa.func.coalesce(sa.cast(User.manager_id, sa.Text), kept), attribute)
            case (urn, "manager", "$ref") if urn == ENTERPRISE:
                kept = Entry(self._document()).value(Attribute(path=attribute.path, exact=True)).sql
                place = sa.literal(f"{self._base}/Users/") + sa.cast(User.manager_id, sa.Text)
                return as_text(sa.func.coalesce(place, kept), attribute)
        return super().value(attribute)

    def node(self, path: tuple[str, ...]) -> Sql:
        """A list or a container: of the document, with what has a column."""
        match path:
            case ("emails",):
                return sa.func.opsteward.scim_emails_of(User.scim, User.email, type_=JSONB)
            case ("schemas",):
                kept = super().node((ENTERPRISE,))
                more = sa.or_(User.department.is_not(None), User.manager_id.is_not(None), kept.is_not(None))
                return sa.case((more, _list(USER, ENTERPRISE)), else_=_list(USER))
            case (urn, "manager") if urn == ENTERPRISE:
                return sa.func.jsonb_build_array(User.manager_id, super().node(path), type_=JSONB)
        return super().node(path)

    def special(self, term: Compare | Present | Within) -> Sql | None:
        """What has an index: an address; and membership, which is in tables of its own."""
        address = _one_id(term, ("emails", "value"))
        if address is not None:
            return self._has_address(address)
        if isinstance(term, Within) and term.attribute.path == ("emails",):
            return self._narrowed(term)
        if isinstance(term, Compare) and term.attribute.path == ("emails", "value"):
            first = self._may_have(term)
            return None if first is None else sa.and_(first, listed(term, self))
        if term.attribute.path[0] == "groups":
            return _of_groups(term, lambda fits: User.id.in_(self._members_of(fits)))
        return super().special(term)

    def _has_address(self, address: str) -> Sql:
        try:
            key = email_key(address)
        except ValueError:
            return sa.false()
        own = sa.select(User.id).where(User.tenant_id == self._tenant, User.email_key == key, User.holds_names)
        more = sa.select(ScimEmail.user_id).where(ScimEmail.tenant_id == self._tenant, ScimEmail.email_key == key)
        return User.id.in_(own.correlate(None).union_all(more))

    def _narrowed(self, term: Within) -> Sql | None:
        """Of the entries of emails: first those users who can have the address that is asked for."""
        terms = term.term.terms if isinstance(term.term, Both) else (term.term,)
        for one in terms:
            if not isinstance(one, Compare) or one.attribute.path != ("value",):
                continue
            address = _one_id(one, ("value",))
            first = self._may_have(one) if address is None else self._has_address(address)
            if first is not None:
                fits = some_entry(self.node(("emails",)), lambda entry: condition(term.term, Entry(entry)))
                return sa.and_(first, fits)
        return None

    def _may_have(self, term: Compare) -> Sql | None:
        """Who has no second address has the one in its row: that is looked at sooner than a list in a document."""
        if term.value is None or term.op == "ne":
            return None
        several = sa.func.jsonb_array_length(sa.func.jsonb_extract_path(User.scim, "doc", "emails")) > 1
        return sa.or_(compared(as_text(User.email, term.attribute), term.op, term.value), several)

    def _members_of(self, fits: Sql) -> Any:
        """The ids of all users in the groups that fit, and in the groups within those."""
        member = ScimGroupMember
        within = (
            sa.select(member.member_id, member.kind)
            .join(ScimGroup, sa.and_(ScimGroup.tenant_id == member.tenant_id, ScimGroup.id == member.group_id))
            .where(member.tenant_id == self._tenant, fits)
            .cte(recursive=True)
        )
        deeper = sa.select(member.member_id, member.kind).where(
            member.tenant_id == self._tenant, member.group_id == within.c.member_id, within.c.kind == "Group"
        )
        within = within.union(deeper)
        return sa.select(within.c.member_id).where(within.c.kind == "User")


class GroupRow(_Row):
    """A row of groups."""

    _table = ScimGroup
    _collection = "Groups"

    def value(self, attribute: Attribute) -> Value:
        """A column, or a value of the document."""
        if attribute.path == ("displayName",):
            return as_key(ScimGroup.display_key)
        return super().value(attribute)

    def node(self, path: tuple[str, ...]) -> Sql:
        """A part of the document; its schema is the one that all groups have."""
        if path == ("schemas",):
            return _list(GROUP)
        return super().node(path)

    def special(self, term: Compare | Present | Within) -> Sql | None:
        """Membership is in a table of its own, where a member is found by the index."""
        if term.attribute.path[0] != "members":
            return super().special(term)
        return _of_groups(term, self._holding, _MemberRow(self._base))

    def _holding(self, fits: Sql) -> Sql:
        member = ScimGroupMember
        return ScimGroup.id.in_(sa.select(member.group_id).where(member.tenant_id == self._tenant, fits))


class _MemberRow:
    """A row of members, as an entry of `members`."""

    def __init__(self, base: str) -> None:
        self._base = base

    def special(self, term: Compare | Present | Within) -> Sql | None:
        """A member's id is compared as one."""
        wanted = _one_id(term, ("value",))
        if wanted is not None:
            found = _uuid(wanted)
            return sa.false() if found is None else ScimGroupMember.member_id == found
        return None

    def value(self, attribute: Attribute) -> Value:
        """A column."""
        member = ScimGroupMember
        match attribute.path:
            case ("value",):
                return as_text(sa.cast(member.member_id, sa.Text), attribute)
            case ("type",):
                return as_text(member.kind, attribute)
            case ("display",):
                return as_text(member.display, attribute)
            case ("$ref",):
                return as_text(sa.func.concat(f"{self._base}/", member.kind, "s/", member.member_id), attribute)
        raise BadFilter.field("filter", f"{'.'.join(attribute.path)} can't be compared", "compare value")

    def node(self, path: tuple[str, ...]) -> Sql:
        """There is nothing below a member's attributes."""
        raise BadFilter.field("filter", f"{'.'.join(path)} has no entries", "compare value")


class _GroupOfUser:
    """A row of groups, as an entry of a user's `groups`."""

    def special(self, term: Compare | Present | Within) -> Sql | None:
        """A group's id is compared as one."""
        wanted = _one_id(term, ("value",))
        if wanted is not None:
            found = _uuid(wanted)
            return sa.false() if found is None else ScimGroup.id == found
        return None

    def value(self, attribute: Attribute) -> Value:
        """A column."""
        match attribute.path:
            case ("value",):
                return as_text(sa.cast(ScimGroup.id, sa.Text), attribute)
            case ("display",):
                return as_key(ScimGroup.display_key)
        raise BadFilter.field("filter", f"groups.{attribute.path[0]} can't be compared", "compare value or display")

    def node(self, path: tuple[str, ...]) -> Sql:
        """There is nothing below a membership's attributes."""
        raise BadFilter.field("filter", f"groups.{path[0]} has no entries", "compare value or display")


def _of_groups(term: Compare | Present | Within, holding: Callable[[Sql], Sql], place: _MemberRow | None = None) -> Sql:
    """A term about memberships, by the rows that fit what is said of one of them."""
    entry = place or _GroupOfUser()
    rest = Attribute(path=term.attribute.path[1:] or ("value",), type=term.attribute.type, exact=term.attribute.exact)
    inner: Term
    match term:
        case Within(_, inner):
            return holding(condition(inner, entry))
        case Present():
            return holding(sa.true())
        case Compare(_, op, None):
            return holding(sa.true()) if op == "ne" else sa.not_(holding(sa.true()))
        case Compare(_, op, operand):
            asked = Compare(rest, "eq" if op == "ne" else op, operand)
            fits = entry.special(asked)
            found = holding(compared(entry.value(rest), asked.op, operand) if fits is None else fits)
            return sa.not_(found) if op == "ne" else found

"""What the API takes and answers about administration, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor
from opsteward.core.json_types import Json


class AuditEntryInFull(TypedDict):
    """An entry with who acted by name, and the reason, where one was given."""

    id: str
    seq: int | None
    at: str
    actor: str
    token_id: str | None
    verb: str
    object_type: str
    object_id: str
    correlation_id: str
    detail: dict[str, Json]
    who: Actor
    reason: str | None


class IssuedToken(TypedDict):
    """A new token with its secret, which is shown this once."""

    id: str
    token: str
    scopes: list[str] | None
    expires_at: str | None


class Me(TypedDict):
    """Who a credential is, and what it may do. `scopes` null: all that its operator may."""

    operator: str
    operator_id: str
    tenant: str
    tenant_id: str
    roles: list[str]
    scopes: list[str] | None
    expires_at: str | None
    permissions: list[str]


class NewTenant(TypedDict):
    """A tenant with the secret of its first operator's token, seen this once."""

    id: str
    name: str
    operator_id: str
    token: str


class OperatorChange(TypedDict):
    """What is not given stays as it is."""

    roles: NotRequired[list[str] | None]
    status: NotRequired[Literal["active", "inactive"] | None]


class OperatorIn(TypedDict):
    name: str
    roles: list[str]


class OperatorInfo(TypedDict):
    id: str
    name: str
    roles: list[str]
    status: str
    created_at: str
    creator: NotRequired[Actor | None]


class PasswordIn(TypedDict):
    old_password: str
    new_password: str


class PasswordLink(TypedDict):
    """A link that sets a password, once."""

    id: str
    url: str
    expires_at: str | None


class SignInLink(TypedDict):
    """A link that signs its maker in to the console, once."""

    url: str
    expires_at: str | None


class TenantIn(TypedDict):
    name: str
    operator: NotRequired[str]


class TenantInfo(TypedDict):
    id: str
    name: str
    status: str
    created_at: str


class TokenIn(TypedDict):
    """A token for an operator of this tenant, by name; for oneself when none is named."""

    operator: NotRequired[str | None]
    name: NotRequired[str]
    scopes: NotRequired[list[str] | None]
    expires_in: NotRequired[int | None]
    days: NotRequired[int | None]


class TokenInfo(TypedDict):
    """A credential without its secret, whose it is and who issued it."""

    id: str
    operator_id: str
    operator: str
    issuer: Actor
    kind: str
    name: str
    scopes: list[str] | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class VerifiedAudit(TypedDict):
    """What was found in the chain; `ok`: nothing is altered, missing or added. `problems` names each that is."""

    ok: bool
    sealed: int
    pending: int
    problems: list[str]
    witnesses: list[WitnessReport]


class WitnessReport(TypedDict):
    """How far one witness and the chain say the same: up to entry `agrees_to` of the `newest` that it saw."""

    name: str
    agrees_to: NotRequired[int]
    newest: NotRequired[int]
    newest_at: NotRequired[str | None]

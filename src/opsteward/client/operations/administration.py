"""What each route about administration is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types


def list_tenants() -> Call[Page[types.TenantInfo]]:
    """All tenants of this installation."""
    return Call("GET", "/api/v1/tenants")


def create_tenant(**fields: Unpack[types.TenantIn]) -> Call[types.NewTenant]:
    """A new tenant with its first operator, whose token is shown this once."""
    return Call("POST", "/api/v1/tenants", fields)


def list_audit(
    *,
    before: str | None = None,
    limit: int | None = None,
    object_id: str | None = None,
    object_type: str | None = None,
    actor: str | None = None,
    verb: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Call[Page[types.AuditEntryInFull]]:
    """Newest first, with who acted by name."""
    return Call(
        "GET",
        "/api/v1/audit",
        params={
            "before": before,
            "limit": limit,
            "object_id": object_id,
            "object_type": object_type,
            "actor": actor,
            "verb": verb,
            "since": since,
            "until": until,
        },
    )


def export_audit(
    *,
    object_id: str | None = None,
    object_type: str | None = None,
    actor: str | None = None,
    verb: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Call[str]:
    """All entries that fit, newest first, as NDJSON: one entry a line."""
    return Call(
        "GET",
        "/api/v1/audit/export",
        params={
            "object_id": object_id,
            "object_type": object_type,
            "actor": actor,
            "verb": verb,
            "since": since,
            "until": until,
        },
        text=True,
    )


def verify_audit() -> Call[types.VerifiedAudit]:
    """Walk the whole chain and compare it with what was seen of it outside the database; every altered, missing or
    added entry is named."""
    return Call("GET", "/api/v1/audit/verify")


def me() -> Call[types.Me]:
    """Who this credential is, and what it may do."""
    return Call("GET", "/api/v1/me")


def create_sign_in_link() -> Call[types.SignInLink]:
    """A link, shown this once, that signs one in to the console; it works once, within 15 minutes, and may no more
    than the token that asks."""
    return Call("POST", "/api/v1/me/sign-in-link")


def change_password(**fields: Unpack[types.PasswordIn]) -> Call[None]:
    """Another password for oneself; one's other browser sessions end. The first comes by a password link."""
    return Call("PUT", "/api/v1/me/password", fields)


def list_operators(
    *,
    role: str | None = None,
    status: Literal["active", "inactive"] | None = None,
    ref: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.OperatorInfo]]:
    """Who works with Opsteward in this tenant, by name; `after`: `next` of the page before."""
    return Call(
        "GET", "/api/v1/operators", params={"role": role, "status": status, "ref": ref, "after": after, "limit": limit}
    )


def create_operator(**fields: Unpack[types.OperatorIn]) -> Call[types.OperatorInfo]:
    """Add an operator; give a token with POST /tokens, or a password link."""
    return Call("POST", "/api/v1/operators", fields)


def change_operator(operator_id: str | UUID, **fields: Unpack[types.OperatorChange]) -> Call[types.OperatorInfo]:
    """Other roles, or `inactive` and `active` again; a change ends their browser sessions. Nobody gives roles beyond
    their own, and the last owner stays one."""
    return Call("PUT", f"/api/v1/operators/{path_id(operator_id)}", fields)


def deactivate_operator(operator_id: str | UUID) -> Call[None]:
    """Shut an operator out at once; what they did stays theirs. PUT with status `active` lets them in again."""
    return Call("DELETE", f"/api/v1/operators/{path_id(operator_id)}")


def create_password_link(operator_id: str | UUID) -> Call[types.PasswordLink]:
    """A link, shown this once, with which the operator sets a password and signs in; it works once, for an hour."""
    return Call("POST", f"/api/v1/operators/{path_id(operator_id)}/password-link")


def list_tokens(
    *, ref: str | None = None, before: str | None = None, limit: int | None = None
) -> Call[Page[types.TokenInfo]]:
    """One's own API tokens; all of the tenant for who may write tokens. Newest first, never their secrets."""
    return Call("GET", "/api/v1/tokens", params={"ref": ref, "before": before, "limit": limit})


def create_token(**fields: Unpack[types.TokenIn]) -> Call[types.IssuedToken]:
    """A new API token; its secret is shown this once. It may no more, and lives no longer, than the token that
    asks."""
    return Call("POST", "/api/v1/tokens", fields)


def revoke_token(token_id: str | UUID) -> Call[None]:
    """End a token at once. A token with scopes, without `tokens.write` among them, ends itself only."""
    return Call("DELETE", f"/api/v1/tokens/{path_id(token_id)}")

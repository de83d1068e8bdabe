"""What an operator may give to another, or to a token: nothing beyond their own. It stores nothing."""

from __future__ import annotations

from collections.abc import Sequence

from opsteward.accounts.permissions import ALL, INSTALLATION, ROLES, covers, permissions_of
from opsteward.accounts.types import Identity
from opsteward.core.errors import Denied, Invalid


def check_roles(roles: Sequence[str], *, by: Identity | None = None) -> None:
    """Raises Invalid for what is no role, Denied for roles that permit more than who gives them may."""
    if unknown := [role for role in roles if role not in ROLES]:
        raise Invalid.field("roles", f"{unknown[0]!r:.40} is no role", f"use some of {', '.join(ROLES)}")
    if not roles:
        raise Invalid.field("roles", "is empty", f"use some of {', '.join(ROLES)}")
    if by is not None:
        beyond = sorted(INSTALLATION.intersection(roles))
        if beyond and not by.may("tenants.manage"):
            raise Denied(f"only a platform operator gives the role {beyond[0]}")
        require_power_over(by, roles)


def require_power_over(by: Identity, roles: Sequence[str]) -> None:
    """Nobody gives, takes or speaks with roles beyond their own. Raises Denied."""
    if "owner" in roles and "owner" not in by.roles:
        raise Denied("only an owner gives or changes the role owner")
    if not permissions_of(list(roles)) <= by.permissions:
        raise Denied("these roles permit more than you may")


def check_scopes(scopes: Sequence[str], *, by: Identity | None = None) -> list[str]:
    """The scopes, each once. Raises Invalid for one that reaches nothing, Denied for one beyond the asker's own."""
    for scope in scopes:
        reached = {permission for permission in ALL if covers(scope, permission)}
        if not reached:
            raise Invalid.field("scopes", f"{scope!r:.60} is no permission", "see docs/reference/permissions.md")
        if by is not None and by.scopes is not None and not any(covers(own, scope) for own in by.scopes):
            raise Denied("a token gives no scope beyond its own")
    return sorted(set(scopes))

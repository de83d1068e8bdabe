"""What each operator role may do. This page is the whole of it: every route names one permission."""

from __future__ import annotations

from collections.abc import Iterable

READ = frozenset(
    {
        "events.read",
        "incidents.read",
        "systems.read",
        "actions.read",
        "approvals.read",
        "standing_orders.read",
        "troubleshooting.read",
        "tasks.read",
        "controls.read",
        "metrics.read",
        "agents.read",
        "users.read",
        "enrollments.read",
        "access_reviews.read",
        "oncall.read",
        "crew.read",
        "help.read",
    }
)
AUDIT = frozenset({"audit.read", "operators.read"})
OPERATE = frozenset(
    {
        "events.write",
        "incidents.write",
        "systems.write",
        "actions.request",
        "troubleshooting.run",
        "freezes.lift",
        "tasks.write",
        "controls.write",
        "agents.write",
        "users.write",
        "oncall.write",
        "crew.run",
        "help.write",
    }
)
APPROVE = frozenset({"approvals.decide", "enrollments.decide"})
ADMINISTER = frozenset(
    {
        "standing_orders.write",
        "enrollment_rules.write",
        "access_reviews.write",
        "operators.write",
        "tokens.write",
        "notifications.write",
    }
)

#: For the token of an identity provider that keeps users and groups here.
SCIM = frozenset({"scim.read", "scim.write"})

#: The figures of all tenants together, and of the processes: for the token of a monitoring system.
METRICS = frozenset({"metrics.read", "metrics.installation"})
#: Roles that reach beyond their tenant: only a platform operator gives them.
INSTALLATION = frozenset({"platform", "metrics"})

#: Names a permission needs nothing more than a valid credential for.
SIGNED_IN = "signed_in"

ROLES: dict[str, frozenset[str]] = {
    "owner": READ | AUDIT | OPERATE | APPROVE | ADMINISTER | SCIM,
    "admin": READ | AUDIT | OPERATE | APPROVE | ADMINISTER | SCIM,
    "operator": READ | OPERATE,
    "approver": READ | APPROVE,
    "auditor": READ | AUDIT,
    "viewer": READ,
    "provisioner": SCIM,
    "platform": frozenset({"tenants.manage", "controls.everything", "controls.read"}) | METRICS,
    "metrics": METRICS,
}

ALL: frozenset[str] = frozenset().union(*ROLES.values())


def permissions_of(roles: list[str]) -> frozenset[str]:
    """All that these roles may do together; an unknown role gives nothing."""
    return frozenset({SIGNED_IN}).union(*(ROLES.get(role, frozenset()) for role in roles))


def covers(scope: str, permission: str) -> bool:
    """Whether a scope (a permission, or the beginning of some: `users` of `users.read`) reaches a permission."""
    return permission == scope or permission.startswith(f"{scope}.")


def within_scopes(permissions: frozenset[str], scopes: Iterable[str] | None) -> frozenset[str]:
    """Those that the scopes reach; a credential without scopes has no limit. To be signed in is always within."""
    if scopes is None:
        return permissions
    known = tuple(scopes)
    return frozenset(p for p in permissions if p == SIGNED_IN or any(covers(scope, p) for scope in known))

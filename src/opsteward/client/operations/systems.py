"""What each route about systems is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def plan_systems(**fields: Unpack[types.DeclaredSystems]) -> Call[types.SystemsPlan]:
    """How the inventory differs from what is declared, and what applying it would do; changes nothing."""
    return Call("POST", "/api/v1/systems/plan", fields)


def apply_systems(**fields: Unpack[types.DeclaredSystems]) -> Call[types.SystemsPlan]:
    """Make the inventory as it is declared, all of it or nothing; gives what was done."""
    return Call("POST", "/api/v1/systems/apply", fields)


def check_system_access(system_id: str | UUID) -> Call[types.AccessCheck]:
    """Try a system now: what works with its account, and which permission is missing, with what grants it."""
    return Call("POST", f"/api/v1/systems/{path_id(system_id)}/access-check")


def change_system(system_id: str | UUID, **fields: Unpack[types.SystemChangeIn]) -> Call[types.SystemInfo]:
    """Change a system, or take it out of use (`enabled`: false): it is neither watched nor worked on then."""
    return Call("PATCH", f"/api/v1/systems/{path_id(system_id)}", fields)


def get_system(system_id: str | UUID) -> Call[types.SystemInfo]:
    """One system."""
    return Call("GET", f"/api/v1/systems/{path_id(system_id)}")


def remove_system(system_id: str | UUID) -> Call[None]:
    """Forget a system and its credentials."""
    return Call("DELETE", f"/api/v1/systems/{path_id(system_id)}")


def register_system(**fields: Unpack[types.SystemIn]) -> Call[types.SystemInfo]:
    """Register a system; it is watched from now on."""
    return Call("POST", "/api/v1/systems", fields)


def list_systems(
    *,
    status: str | None = None,
    type: str | None = None,
    criticality: str | None = None,
    search: str | None = None,
    ref: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.SystemInfo]]:
    """With their present health, by name; `after`: `next` of the page before."""
    return Call(
        "GET",
        "/api/v1/systems",
        params={
            "status": status,
            "type": type,
            "criticality": criticality,
            "search": search,
            "ref": ref,
            "after": after,
            "limit": limit,
        },
    )


def system_health(system_id: str | UUID) -> Call[types.SystemHealth]:
    """Its health as last measured."""
    return Call("GET", f"/api/v1/systems/{path_id(system_id)}/health")


def system_health_history(
    system_id: str | UUID, *, since: str | None = None, until: str | None = None, points: int | None = None
) -> Call[types.HealthHistory]:
    """Response times and availability over a period, summed up into about so many points of whole minutes."""
    return Call(
        "GET",
        f"/api/v1/systems/{path_id(system_id)}/health/history",
        params={"since": since, "until": until, "points": points},
    )


def list_maintenance_windows(
    *, system_id: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.MaintenanceWindow]]:
    """Windows in which trouble raises no alert, newest first; `after`: `next` of the page before."""
    return Call("GET", "/api/v1/maintenance-windows", params={"system_id": system_id, "after": after, "limit": limit})


def plan_maintenance_window(**fields: Unpack[types.WindowIn]) -> Call[types.MaintenanceWindow]:
    """Plan a window: what fails in it is recorded, but nobody is alerted unless it still fails afterwards."""
    return Call("POST", "/api/v1/maintenance-windows", fields)


def end_maintenance_window(window_id: str | UUID) -> Call[None]:
    """Remove a window, open or not; what still fails is alerted from now on."""
    return Call("DELETE", f"/api/v1/maintenance-windows/{path_id(window_id)}")


def system_uptime(
    system_id: str | UUID, *, days: int | None = None, objective: float | None = None
) -> Call[types.Uptime]:
    """Availability day by day, and what is left of the error budget of an objective."""
    return Call("GET", f"/api/v1/systems/{path_id(system_id)}/uptime", params={"days": days, "objective": objective})


def list_early_warnings(
    *, system_id: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.EarlyWarning]]:
    """What systems will have used up soon, by the trend of their figures; `after`: `next` of the page before."""
    return Call("GET", "/api/v1/early-warnings", params={"system_id": system_id, "after": after, "limit": limit})


def get_system_analytics(*, days: int | None = None) -> Call[types.SystemAnalytics]:
    """Figures of all systems: how many are healthy, how fast they answer, how available they were."""
    return Call("GET", "/api/v1/analytics/systems", params={"days": days})


def find_excess_access(system_id: str | UUID) -> Call[Page[types.ExcessAccess]]:
    """Look now who has access by the system's `access_role`, and not by enrolment or grant."""
    return Call("POST", f"/api/v1/systems/{path_id(system_id)}/excess-access")


def remove_excess_access(system_id: str | UUID, **fields: Unpack[types.ExcessRemoval]) -> Call[types.ActionView]:
    """Ask for the approval to take their access."""
    return Call("POST", f"/api/v1/systems/{path_id(system_id)}/excess-access/remove", fields)


def adopt_excess_access(system_id: str | UUID, **fields: Unpack[types.ExcessAdoption]) -> Call[types.GrantInfo]:
    """Give the user of this name the system by a grant: what it has there is right."""
    return Call("POST", f"/api/v1/systems/{path_id(system_id)}/excess-access/adopt", fields)


def register_heartbeat(**fields: Unpack[types.HeartbeatIn]) -> Call[types.HeartbeatKey]:
    """Expect a call from now on; it is also a system, with health and history. The key is seen this once."""
    return Call("POST", "/api/v1/heartbeats", fields)


def list_heartbeats(*, after: str | None = None, limit: int | None = None) -> Call[Page[types.HeartbeatInfo]]:
    """What must call us, newest first; `after`: `next` of the page before."""
    return Call("GET", "/api/v1/heartbeats", params={"after": after, "limit": limit})


def get_heartbeat(heartbeat_id: str | UUID) -> Call[types.HeartbeatInfo]:
    """One heartbeat."""
    return Call("GET", f"/api/v1/heartbeats/{path_id(heartbeat_id)}")


def remove_heartbeat(heartbeat_id: str | UUID) -> Call[None]:
    """Expect no call any more: the heartbeat, and the system that it is, are forgotten."""
    return Call("DELETE", f"/api/v1/heartbeats/{path_id(heartbeat_id)}")


def new_heartbeat_key(heartbeat_id: str | UUID) -> Call[types.HeartbeatKey]:
    """A new key in the place of the old one, which is taken no more."""
    return Call("POST", f"/api/v1/heartbeats/{path_id(heartbeat_id)}/key")

"""What each route about oncall is asked, written from the OpenAPI document by
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


def who_is_on_call() -> Call[Page[types.ScheduleView]]:
    """Each schedule with who is on call now, who comes next, and when nobody is."""
    return Call("GET", "/api/v1/oncall/now")


def save_oncall_schedule(name: str | UUID, **fields: Unpack[types.OncallScheduleIn]) -> Call[types.ScheduleView]:
    """Make the schedule of this name, or change it."""
    return Call("PUT", f"/api/v1/oncall/schedules/{path_id(name)}", fields)


def remove_oncall_schedule(oncall_schedule_id: str | UUID) -> Call[None]:
    """With its overrides."""
    return Call("DELETE", f"/api/v1/oncall/schedules/{path_id(oncall_schedule_id)}")


def add_oncall_override(oncall_schedule_id: str | UUID, **fields: Unpack[types.OverrideIn]) -> Call[types.ScheduleView]:
    """Somebody else is on call for a while."""
    return Call("POST", f"/api/v1/oncall/schedules/{path_id(oncall_schedule_id)}/overrides", fields)


def remove_oncall_override(override_id: str | UUID) -> Call[None]:
    """The rotation counts again."""
    return Call("DELETE", f"/api/v1/oncall/overrides/{path_id(override_id)}")


def list_escalation_policies() -> Call[Page[types.PolicyView]]:
    """In the order in which they are tried; the first that matches an incident counts."""
    return Call("GET", "/api/v1/oncall/policies")


def save_escalation_policy(name: str | UUID, **fields: Unpack[types.PolicyIn]) -> Call[types.PolicyView]:
    """Make the policy of this name, or change it; escalations under way go on as they began."""
    return Call("PUT", f"/api/v1/oncall/policies/{path_id(name)}", fields)


def remove_escalation_policy(policy_id: str | UUID) -> Call[None]:
    """Escalations under way go on."""
    return Call("DELETE", f"/api/v1/oncall/policies/{path_id(policy_id)}")


def list_escalations(*, incident_id: str | None = None) -> Call[Page[types.EscalationView]]:
    """Those under way, the next step first; or all of one incident, newest first."""
    return Call("GET", "/api/v1/oncall/escalations", params={"incident_id": incident_id})

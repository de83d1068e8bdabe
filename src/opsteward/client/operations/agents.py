"""What each route about agents is asked, written from the OpenAPI document by
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


def get_system_status(*, limit: int | None = None) -> Call[types.AgentsStatus]:
    """All agents with their state, the processes that run them, and the queue of tasks."""
    return Call("GET", "/api/agents/status", params={"limit": limit})


def list_agents(
    *, after: str | None = None, ref: str | None = None, limit: int | None = None
) -> Call[Page[types.AgentInfo]]:
    """By name; `next` is the `after` of the next page."""
    return Call("GET", "/api/v1/agents", params={"after": after, "ref": ref, "limit": limit})


def register_agent(**fields: Unpack[types.AgentIn]) -> Call[types.AgentInfo]:
    """Register an agent; it is started within a second."""
    return Call("POST", "/api/v1/agents", fields)


def agent_kinds() -> Call[Page[types.KindInfo]]:
    """What can be registered, with the schema of its parameters."""
    return Call("GET", "/api/v1/agents/kinds")


def agent_metrics(*, name: str | None = None, window: float | None = None) -> Call[Page[types.MetricHistory]]:
    """Figures with their percentiles over the last `window` seconds, all of them over a week at most; of a named one
    its course as well, over any time that is kept."""
    return Call("GET", "/api/v1/agents/metrics", params={"name": name, "window": window})


def get_agent(agent_id: str | UUID) -> Call[types.AgentWithMessages]:
    """One agent, with the newest messages to it."""
    return Call("GET", f"/api/v1/agents/{path_id(agent_id)}")


def remove_agent(agent_id: str | UUID) -> Call[None]:
    """Stop an agent and forget it."""
    return Call("DELETE", f"/api/v1/agents/{path_id(agent_id)}")


def start_agent(agent_id: str | UUID) -> Call[types.AgentInfo]:
    """Run a stopped agent again."""
    return Call("PUT", f"/api/v1/agents/{path_id(agent_id)}/start")


def stop_agent(agent_id: str | UUID) -> Call[types.AgentInfo]:
    """End it until it is started again."""
    return Call("PUT", f"/api/v1/agents/{path_id(agent_id)}/stop")


def restart_agent(agent_id: str | UUID) -> Call[types.AgentInfo]:
    """Begin it anew, whatever it does now."""
    return Call("PUT", f"/api/v1/agents/{path_id(agent_id)}/restart")


def pause_agent(agent_id: str | UUID) -> Call[types.AgentInfo]:
    """Begin no further run; what it keeps in memory stays."""
    return Call("PUT", f"/api/v1/agents/{path_id(agent_id)}/pause")


def resume_agent(agent_id: str | UUID) -> Call[types.AgentInfo]:
    """Go on after a pause."""
    return Call("PUT", f"/api/v1/agents/{path_id(agent_id)}/resume")

"""What the API takes and answers about controls, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor


class ControlIn(TypedDict):
    """What to pause or resume in this tenant; `target` names the task type or the action."""

    reason: NotRequired[str]
    scope: Literal["tenant", "task_type", "action"]
    target: NotRequired[str]


class EverythingIn(TypedDict):
    """Why the whole installation is stopped, or goes on."""

    reason: NotRequired[str]


class PauseInfo(TypedDict):
    """A pause in force. `scope`: everything, tenant, task_type or action; `target` is the type's or action's name."""

    scope: str
    target: str
    reason: str
    paused_by: str
    paused_at: str
    tenant_id: str
    pauser: NotRequired[Actor | None]


class Pauses(TypedDict):
    """The pauses in force; `paused`: there is one."""

    paused: bool
    pauses: list[PauseInfo]

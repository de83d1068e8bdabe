"""`opsteward pause | resume | status`: the emergency controls, and how the instance stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict, TypeVar, cast

import typer

from opsteward.cli.listing import Json

if TYPE_CHECKING:
    from opsteward.cli.client import Client
    from opsteward.client.choices import Scope
    from opsteward.client.connection import Call
    from opsteward.client.types import PauseInfo

Answered = TypeVar("Answered")

pause = typer.Typer(help="Begin nothing new: everything, this tenant, a task type, an action.", no_args_is_help=True)
resume = typer.Typer(help="Go on where it was paused.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Shown to everybody while it is paused.")]
TaskType = Annotated[str, typer.Argument(metavar="TYPE", help="See `opsteward tasks types`.")]
Action = Annotated[str, typer.Argument(metavar="ACTION", help="See docs/reference/actions.md.")]


@pause.command("everything")
def pause_everything(reason: Reason = "", as_json: Json = False) -> None:
    """The whole installation, all tenants; for platform operators."""
    _set("everything", reason=reason, as_json=as_json)


@pause.command("tenant")
def pause_tenant(reason: Reason = "", as_json: Json = False) -> None:
    """All tasks and actions of your tenant."""
    _set("tenant", reason=reason, as_json=as_json)


@pause.command("task-type")
def pause_task_type(task_type: TaskType, reason: Reason = "", as_json: Json = False) -> None:
    """The tasks of one type in your tenant."""
    _set("task_type", task_type, reason=reason, as_json=as_json)


@pause.command("action")
def pause_action(action: Action, reason: Reason = "", as_json: Json = False) -> None:
    """One action in your tenant."""
    _set("action", action, reason=reason, as_json=as_json)


@resume.command("everything")
def resume_everything(as_json: Json = False) -> None:
    """The whole installation, but for what is paused by itself; for platform operators."""
    _lift("everything", as_json=as_json)


@resume.command("tenant")
def resume_tenant(as_json: Json = False) -> None:
    """Your tenant."""
    _lift("tenant", as_json=as_json)


@resume.command("task-type")
def resume_task_type(task_type: TaskType, as_json: Json = False) -> None:
    """The tasks of one type."""
    _lift("task_type", task_type, as_json=as_json)


@resume.command("action")
def resume_action(action: Action, as_json: Json = False) -> None:
    """One action."""
    _lift("action", action, as_json=as_json)


def status(as_json: Json = False) -> None:
    """How the instance stands: what is up, what is paused, what waits. Exit code 1 when it is not ready."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = _standing(Client())
    if as_json:
        show.as_json(found)
    else:
        _show(found)
    raise typer.Exit(0 if found["ready"] else 1)


def _set(scope: Scope, target: str = "", *, reason: str, as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client import calls

    made = cast("PauseInfo", Client().send(calls.pause(scope, target, reason=reason)))
    words = f"{_named(scope, target)} is paused since {made['paused_at'][:19]}; what runs waits before its next step"
    show.done(made, words, json_wanted=as_json)


def _lift(scope: Scope, target: str = "", *, as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client import calls

    Client().send(calls.resume(scope, target))
    answer = {"scope": scope, "target": target, "paused": False}
    show.done(answer, f"{_named(scope, target)} goes on", json_wanted=as_json)


def _named(scope: str, target: str) -> str:
    from opsteward.cli import show

    words = {"everything": "Everything", "tenant": "This tenant", "task_type": "Task type", "action": "Action"}
    return f"{words[scope]} {show.plain(target)}".strip()


class Standing(TypedDict):
    """How the instance stands, as far as this operator may see it; None for what they may not."""

    ready: bool
    parts: dict[str, bool]
    paused: list[PauseInfo] | None
    tasks: dict[str, int] | None
    agents: dict[str, int] | None
    open_incidents: int | None
    waiting_approvals: int | None


def _standing(client: Client) -> Standing:
    from opsteward.cli.client import CallFailed
    from opsteward.client.operations import actions, agents, controls, events, probes, tasks

    try:
        ready: object = client.send(probes.readyz())
    except CallFailed as failed:
        if "parts" not in failed.problem:
            raise
        ready = failed.problem
    parts = cast("dict[str, dict[str, bool]]", ready)["parts"]
    paused, status = _seen(client, controls.list_pauses()), _seen(client, agents.get_system_status(limit=1))
    incidents = _seen(client, events.list_incidents(status=[*_OPEN], limit=_MAX))
    approvals = _seen(client, actions.list_approvals())
    return {
        "ready": all(parts.values()),
        "parts": parts,
        "paused": paused["pauses"] if paused else None,
        "tasks": _seen(client, tasks.count_tasks()),
        "agents": status["summary"] if status else None,
        "open_incidents": len(incidents["items"]) if incidents else None,
        "waiting_approvals": len(approvals["items"]) if approvals else None,
    }


def _seen(client: Client, call: Call[Answered]) -> Answered | None:
    from opsteward.cli.client import CallFailed

    try:
        return client.send(call)
    except CallFailed as failed:
        if failed.status != 403:
            raise
        return None


_OPEN: tuple[Literal["open", "acknowledged", "diagnosing", "remediating", "verifying", "escalated"], ...] = (
    "open",
    "acknowledged",
    "diagnosing",
    "remediating",
    "verifying",
    "escalated",
)
_MAX = 500


def _show(found: Standing) -> None:
    from opsteward.cli import show

    starting = [name for name, up in found["parts"].items() if not up]
    show.say("Ready" if found["ready"] else f"Not ready: {', '.join(starting)}")
    for one in found["paused"] or ():
        because = f": {show.plain(one['reason'])}" if one["reason"] else ""
        who = f"since {one['paused_at'][:19]} by {show.plain(one['paused_by'])}"
        show.say(f"PAUSED: {_named(one['scope'], one['target'])} {who}{because}")
    if found["paused"] == []:
        show.say("Nothing is paused")
    for name, numbers in (("tasks", found["tasks"]), ("agents", found["agents"])):
        if numbers is not None:
            counts = [f"{number} {what.replace('_', ' ')}" for what, number in numbers.items() if number]
            show.say(f"{name.capitalize()}: {', '.join(counts) or 'none'}")
    if found["open_incidents"] is not None:
        more = " or more" if found["open_incidents"] == _MAX else ""
        show.say(f"Open incidents: {found['open_incidents']}{more}")
    if found["waiting_approvals"] is not None:
        show.say(f"Waiting approvals: {found['waiting_approvals']}")

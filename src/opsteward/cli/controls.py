"""`opsteward pause | resume | status`: the emergency controls, and how the instance stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from opsteward.cli.listing import Json

pause = typer.Typer(help="Begin nothing new: everything, this tenant, a task type, an action.", no_args_is_help=True)
resume = typer.Typer(help="Go on where it was paused.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Shown to everybody while it is paused.")]
TaskType = Annotated[str, typer.Argument(metavar="TYPE", help="See `opsteward tasks types`.")]
Action = Annotated[str, typer.Argument(metavar="ACTION", help="See docs/reference/actions.md.")]
_PATH = "/api/v1/controls"


@pause.command("everything")
def pause_everything(reason: Reason = "") -> None:
    """The whole installation, all tenants; for platform operators."""
    _set("everything", reason=reason)


@pause.command("tenant")
def pause_tenant(reason: Reason = "") -> None:
    """All tasks and actions of your tenant."""
    _set("tenant", reason=reason)


@pause.command("task-type")
def pause_task_type(task_type: TaskType, reason: Reason = "") -> None:
    """The tasks of one type in your tenant."""
    _set("task_type", task_type, reason=reason)


@pause.command("action")
def pause_action(action: Action, reason: Reason = "") -> None:
    """One action in your tenant."""
    _set("action", action, reason=reason)


@resume.command("everything")
def resume_everything() -> None:
    """The whole installation, but for what is paused by itself; for platform operators."""
    _lift("everything")


@resume.command("tenant")
def resume_tenant() -> None:
    """Your tenant."""
    _lift("tenant")


@resume.command("task-type")
def resume_task_type(task_type: TaskType) -> None:
    """The tasks of one type."""
    _lift("task_type", task_type)


@resume.command("action")
def resume_action(action: Action) -> None:
    """One action."""
    _lift("action", action)


def status(as_json: Json = False) -> None:
    """How the instance stands: what is up, what is paused, what waits. Exit code 1 when it is not ready."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = _standing(Client())
    if as_json:
        show.as_json(found)
    else:
        _tell(found)
    raise typer.Exit(0 if found["ready"] else 1)


def _set(scope: str, target: str = "", *, reason: str) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client

    if scope == "everything":
        made = Client().post(f"{_PATH}/everything/pause", {"reason": reason})
    else:
        made = Client().post(f"{_PATH}/pause", {"scope": scope, "target": target, "reason": reason})
    show.say(f"{_named(made)} is paused since {made['paused_at'][:19]}; what runs waits before its next step")


def _lift(scope: str, target: str = "") -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client

    if scope == "everything":
        Client().post(f"{_PATH}/everything/resume")
    else:
        Client().post(f"{_PATH}/resume", {"scope": scope, "target": target})
    show.say(f"{_named({'scope': scope, 'target': target})} goes on")


def _named(pause: dict[str, Any]) -> str:
    from opsteward.cli import show

    words = {"everything": "Everything", "tenant": "This tenant", "task_type": "Task type", "action": "Action"}
    return f"{words[pause['scope']]} {show.plain(pause['target'])}".strip()


def _standing(client: Any) -> dict[str, Any]:
    """What this operator may see of it; None for what they may not."""
    from opsteward.cli.client import CallFailed

    def seen(path: str, **params: Any) -> Any:
        try:
            return client.get(path, **params)
        except CallFailed as failed:
            if failed.status != 403:
                raise
            return None

    try:
        parts = client.get("/readyz")["parts"]
    except CallFailed as failed:
        if "parts" not in failed.problem:
            raise
        parts = failed.problem["parts"]
    controls, agents = seen(_PATH), seen("/api/agents/status", limit=1)
    incidents = seen("/api/v1/incidents", status=_OPEN, limit=_MAX)
    approvals = seen("/api/v1/approvals")
    return {
        "ready": all(parts.values()),
        "parts": parts,
        "paused": controls["pauses"] if controls else None,
        "tasks": seen("/api/v1/tasks/counts"),
        "agents": agents["summary"] if agents else None,
        "open_incidents": len(incidents["items"]) if incidents else None,
        "waiting_approvals": len(approvals["items"]) if approvals else None,
    }


_OPEN = ["open", "acknowledged", "diagnosing", "remediating", "verifying", "escalated"]
_MAX = 500


def _tell(found: dict[str, Any]) -> None:
    from opsteward.cli import show

    starting = [name for name, up in found["parts"].items() if not up]
    show.say("Ready" if found["ready"] else f"Not ready: {', '.join(starting)}")
    for one in found["paused"] or ():
        said = f": {show.plain(one['reason'])}" if one["reason"] else ""
        show.say(f"PAUSED: {_named(one)} since {one['paused_at'][:19]} by {show.plain(one['paused_by'])}{said}")
    if found["paused"] == []:
        show.say("Nothing is paused")
    for name in ("tasks", "agents"):
        if found[name] is not None:
            counts = [f"{number} {what.replace('_', ' ')}" for what, number in found[name].items() if number]
            show.say(f"{name.capitalize()}: {', '.join(counts) or 'none'}")
    if found["open_incidents"] is not None:
        more = " or more" if found["open_incidents"] == _MAX else ""
        show.say(f"Open incidents: {found['open_incidents']}{more}")
    if found["waiting_approvals"] is not None:
        show.say(f"Waiting approvals: {found['waiting_approvals']}")

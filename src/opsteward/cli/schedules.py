"""`opsteward schedules`: tasks that are submitted again and again, at the times of a cron expression."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="Tasks submitted again and again, by cron expression.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its name, or its id.")]
Timezone = Annotated[str, typer.Option(help="An IANA name, such as Europe/Vienna.")]


@app.command("list")
def list_schedules(limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """All schedules with their next time."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import tasks

    show_pages(
        tasks.list_schedules,
        ["name", "cron", "timezone", "task_type", "next", "last", "last_error"],
        empty="There is no schedule (opsteward schedules create)",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "name"),
        whole=("cron", "next", "last"),
        rows=lambda one: {
            **one,
            "task_type": one["task"]["task_type"],
            "next": "paused" if one["paused"] else one["next_at"],
            "last": one["last_at"],
        },
    )


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="How it is called from now on.")],
    cron: Annotated[
        str, typer.Argument(help="Minute hour day month weekday, in one argument: '*/15 6-20 * * mon-fri'.")
    ],
    task_type: Annotated[str, typer.Argument(metavar="TYPE", help="The task that it submits.")],
    params: Annotated[
        list[str] | None, typer.Option(help="A JSON object, @FILE with one, or key=value; as for a task.")
    ] = None,
    timezone: Timezone = "UTC",
    priority: Annotated[str, typer.Option(help="critical, high, normal, low or background.")] = "normal",
    dedup_key: Annotated[
        str | None, typer.Option(help="While the last one with this key waits or runs, no further one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Submit a task at the times of a cron expression."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.task_input import parameters
    from opsteward.client.connection import Call
    from opsteward.client.types import ScheduleInfo

    task: dict[str, object] = {"task_type": task_type, "parameters": parameters(params or []), "priority": priority}
    if dedup_key is not None:
        task["dedup_key"] = dedup_key
    body = {"name": name, "cron": cron, "timezone": timezone, "task": task}
    made = Client().send(Call[ScheduleInfo]("POST", "/api/v1/schedules", body))
    words = f"{made['name']} fires next at {made['next_at']} ({made['id']})"
    show.done(made, words, json_wanted=as_json)


@app.command("pause")
def pause(schedule: Which, as_json: Json = False) -> None:
    """Let it fire no more until it is resumed."""
    _change(schedule, "pause", as_json=as_json)


@app.command("resume")
def resume(schedule: Which, as_json: Json = False) -> None:
    """Let it fire again from its next time on."""
    _change(schedule, "resume", as_json=as_json)


@app.command("remove")
def remove(schedule: Which, as_json: Json = False) -> None:
    """Forget it; the tasks that it submitted stay."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import tasks

    client = Client()
    found = id_of(client, "schedule", schedule)
    client.send(tasks.remove_schedule(found))
    show.done({"id": found, "removed": True}, f"{schedule} is removed", json_wanted=as_json)


@app.command("preview")
def preview(
    cron: Annotated[str, typer.Argument(help="Minute hour day month weekday, in one argument.")],
    timezone: Timezone = "UTC",
    as_json: Json = False,
) -> None:
    """The next five times of a cron expression."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import tasks

    found = Client().send(tasks.preview_schedule(cron=cron, timezone=timezone))
    if as_json:
        show.as_json(found)
        return
    for time in found["times"]:
        show.say(time)


def _change(schedule: str, change: str, *, as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import tasks

    client = Client()
    call = tasks.pause_schedule if change == "pause" else tasks.resume_schedule
    found = client.send(call(id_of(client, "schedule", schedule)))
    now = "is paused" if found["paused"] else f"fires next at {found['next_at']}"
    show.done(found, f"{found['name']} {now}", json_wanted=as_json)

"""`opsteward tasks`: submit durable tasks, see what became of them, cancel them, drive them again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.client.types import TaskWithNeighbours
    from opsteward.core.json_types import JsonObject

app = typer.Typer(help="Durable tasks: submit, follow, cancel, drive again.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="TASK", help="Its id, the end of it that lists show, or its name.")]
#: What is shown of one task, as far as it is there.
_SHOWN = (
    "progress_message", "error", "result_data", "parameters", "priority", "retry_count", "max_retries", "run_at",
    "created_at", "started_at", "ended_at", "requested_by", "dedup_key", "schedule_id", "metadata",
)  # fmt: skip


@app.command("submit")
def submit(
    task_type: Annotated[str, typer.Argument(metavar="TYPE", help="See `opsteward tasks types`.")],
    params: Annotated[
        list[str] | None,
        typer.Option(help="A JSON object, @FILE with one, or key=value (JSON where it reads as such, else text)."),
    ] = None,
    name: Annotated[str, typer.Option(help="How people call it; its type by default.")] = "",
    priority: Annotated[str, typer.Option(help="critical, high, normal, low or background.")] = "normal",
    delay: Annotated[float | None, typer.Option(help="Seconds from now until it may start.")] = None,
    at: Annotated[str | None, typer.Option(help="When it may start (ISO 8601; local time unless it says).")] = None,
    depends_on: Annotated[list[str] | None, typer.Option(help="Id or name of a task that must complete first.")] = None,
    dedup_key: Annotated[str | None, typer.Option(help="While a task with this key waits or runs, no second.")] = None,
    max_retries: Annotated[int | None, typer.Option(help="Tries after the first; its type's by default.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Longest run in seconds; its type's by default.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end; exit code 1 if it fails.")] = False,
    as_json: Json = False,
) -> None:
    """Submit one task."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.cli.task_input import parameters
    from opsteward.client import calls

    optional: JsonObject = {"dedup_key": dedup_key, "max_retries": max_retries, "timeout": timeout}
    client = Client()
    call = calls.create_task(
        task_type,
        parameters(params or []),
        name=name,
        priority=priority,
        dependencies=[id_of(client, "task", one) for one in depends_on or []],
        delay=delay,
        run_at=_instant(at),
        idempotency_key=None,
        **{key: value for key, value in optional.items() if value is not None},
    )
    submitted = client.send(call)
    if not wait:
        same = "an equal task waits or runs already: " if submitted["deduplicated"] else ""
        show.done(submitted, f"{same}{submitted['id']} {submitted['status']}", json_wanted=as_json)
        return
    from opsteward.cli.task_following import follow

    task = follow(client, submitted["id"])
    if as_json:
        show.as_json(task)
    else:
        _say_end(task)
    raise typer.Exit(0 if task["status"] == "completed" else 1)


@app.command("submit-file")
def submit_file(
    file: Annotated[Path, typer.Argument(help="Tasks: a JSON array, or one a line.")],
    part: Annotated[int, typer.Option(min=1, help="Most tasks of one request; each goes in whole or not at all.")] = (
        10_000
    ),
    key: Annotated[str | None, typer.Option(help="Sent again with the same key, nothing is submitted twice.")] = None,
    as_json: Json = False,
) -> None:
    """Submit a file of tasks; they may depend on each other by `ref`."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.task_input import submit_parts, tasks_of

    answer = submit_parts(Client(), tasks_of(file), part=part, key=key)
    equal = f", {answer['deduplicated']} stood already" if answer["deduplicated"] else ""
    show.done(answer, f"{answer['submitted']} submitted{equal}", json_wanted=as_json)


@app.command("list")
def list_tasks(
    status: Annotated[
        str | None, typer.Option(help="pending, in_progress, completed, failed, cancelled or dead_letter.")
    ] = None,
    task_type: Annotated[str | None, typer.Option("--type", help="Only this type.")] = None,
    priority: Annotated[str | None, typer.Option(help="Only this priority.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Only those of this schedule, by name or id.")] = None,
    before: Annotated[str | None, typer.Option(help="Older than the task of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Newest first."""
    from opsteward.cli.actors import told
    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import tasks

    schedule_id = id_of(Client(), "schedule", schedule) if schedule is not None else None
    show_pages(
        tasks.list_tasks,
        ["id", "name", "status", "priority", "progress", "created", "asked_by"],
        params={
            "status": status,
            "task_type": task_type,
            "priority": priority,
            "schedule_id": schedule_id,
            "before": before,
        },
        empty="No task fits. Submit one: opsteward tasks submit opsteward.echo --wait",
        limit=limit,
        every=every,
        as_json=as_json,
        whole=("status", "priority", "created"),
        rows=lambda task: {
            **task,
            "progress": f"{task['progress']} %",
            "created": task["created_at"],
            "asked_by": told(task.get("requester")),
        },
    )


@app.command("show")
def show_task(task: Which, as_json: Json = False) -> None:
    """One task with its parameters, result, and the tasks before and after it."""
    from opsteward.cli import actors, show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import tasks

    client = Client()
    found = client.send(tasks.get_task(id_of(client, "task", task)))
    if as_json:
        show.as_json(found)
        return
    show.say(f"{found['name']} ({found['task_type']}) is {found['status']}, {found['progress']} %")
    fields: Mapping[str, object] = {**found, "requested_by": actors.told(found.get("requester"))}
    show.record((key, fields[key]) for key in ("id", *_SHOWN) if fields[key] not in (None, "", {}))
    for words, others in (("Waits for", found["depends_on"]), ("Waited for by", found["dependents"])):
        if others:
            show.say(f"{words}:")
            show.table(others, ["id", "name", "status"], empty="", whole=("status",))


@app.command("cancel")
def cancel(
    task: Which, reason: Annotated[str, typer.Option(help="Kept with the task.")] = "", as_json: Json = False
) -> None:
    """Cancel a waiting task with all that waits for it, or a running one."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import tasks

    client = Client()
    found = client.send(tasks.cancel_task(id_of(client, "task", task), reason=reason))
    now = "is cancelled" if found["status"] == "cancelled" else "runs, and is told to stop"
    show.done(found, f"{found['id']} {now}", json_wanted=as_json)


@app.command("redrive")
def redrive(
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="Its id, an end of it, or its name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of a status, up to 10,000 at once.")] = False,
    status: Annotated[str, typer.Option(help="With --all: dead_letter, failed or cancelled.")] = "dead_letter",
    task_type: Annotated[str | None, typer.Option("--type", help="With --all: only this type.")] = None,
    as_json: Json = False,
) -> None:
    """Run a failed, dead or cancelled task anew, or all of them."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.operations import tasks
    from opsteward.client.types import Redriven

    if (task is None) is not every:
        raise typer.BadParameter("name one task, or give --all", param_hint="TASK")
    client = Client()
    if task is not None:
        found = client.send(tasks.redrive_task(id_of(client, "task", task)))
        show.done(found, f"{found['id']} is {found['status']} again", json_wanted=as_json)
    else:
        body = {"status": status} | ({"task_type": task_type} if task_type else {})
        answer = client.send(Call[Redriven]("POST", "/api/v1/tasks/redrive", body))
        show.done(answer, f"{answer['count']} are driven again", json_wanted=as_json)


@app.command("types")
def types(
    task_type: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="One of them, with its parameters.")] = None,
    as_json: Json = False,
) -> None:
    """What can be submitted, and the parameters it takes."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.task_input import rows_of_schema
    from opsteward.client.operations import tasks

    page = Client().send(tasks.list_task_types())
    if task_type is None:
        if as_json:
            show.as_json(page)
        else:
            rows = [
                {**one, "parameters": ", ".join(str(row["parameter"]) for row in rows_of_schema(one["parameters"]))}
                for one in page["items"]
            ]
            show.table(rows, ["task_type", "purpose", "parameters"], empty="There is none.")
        return
    found = next((one for one in page["items"] if one["task_type"] == task_type), None)
    if found is None:
        raise typer.BadParameter(f"there is no task type {task_type}; see `opsteward tasks types`", param_hint="TYPE")
    if as_json:
        show.as_json(found)
        return
    show.say(f"{found['task_type']}: {show.plain(found['purpose'])}")
    columns = ["parameter", "type", "required", "default", "description"]
    show.table(rows_of_schema(found["parameters"]), columns, empty="It takes no parameters.")


@app.command("limits")
def limits(
    task_type: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="A type, or `all` for all types together.")
    ] = None,
    most: Annotated[int | None, typer.Argument(metavar="[N]", min=0, help="The most that run at once.")] = None,
    lift: Annotated[bool, typer.Option("--lift", help="No limit any more.")] = False,
    as_json: Json = False,
) -> None:
    """How many tasks of this tenant may run at once: show, set, lift."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import tasks

    if task_type is None:
        found = Client().send(tasks.list_limits())
    elif (most is None) is not lift:
        raise typer.BadParameter("give a number, or --lift", param_hint="N")
    else:
        which = "" if task_type == "all" else task_type
        found = Client().send(tasks.set_limit(task_type=which, max_running=most))
    if as_json:
        show.as_json(found)
        return
    rows = [{"task_type": kind or "all together", "at_once": number} for kind, number in sorted(found.items())]
    show.table(rows, ["task_type", "at_once"], empty="There is no limit.")


def _say_end(task: TaskWithNeighbours) -> None:
    from opsteward.cli import show

    show.say(f"{task['id']} {task['status']}")
    if task["error"]:
        show.say(f"error: {show.plain(task['error'])}")
    if task["result_data"] is not None:
        show.say(f"result: {show.plain(task['result_data'])}")


def _instant(given: str | None) -> datetime | None:
    """As the API takes it. Raises typer.BadParameter."""
    if given is None:
        return None
    try:
        return datetime.fromisoformat(given).astimezone()
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no time like 2031-05-17T08:30", param_hint="--at") from None

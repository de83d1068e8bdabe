"""`opsteward systems`: the inventory, what is declared of it in a file, health and its history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="The systems that are watched.", no_args_is_help=True)

System = Annotated[str, typer.Argument(metavar="SYSTEM", help="Its name, or its id.")]


@app.command("list")
def list_systems(
    search: Annotated[str | None, typer.Option(help="With this in its name.")] = None,
    status: Annotated[str | None, typer.Option(help="Of this health: healthy, degraded, down or unknown.")] = None,
    system_type: Annotated[str | None, typer.Option("--type", help="Of this type.")] = None,
    criticality: Annotated[str | None, typer.Option(help="critical, standard or backup.")] = None,
    after: Annotated[str | None, typer.Option(help="Behind the system of this name.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Systems with their health, by name."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import systems as requests

    show_pages(
        requests.list_systems,
        ["name", "type", "health", "criticality", "endpoint", "checked_at", "id"],
        params={"search": search, "status": status, "type": system_type, "criticality": criticality, "after": after},
        empty="No system is like that."
        if search or status or system_type or criticality
        else "No system is registered yet: opsteward systems register FILE",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "name"),
        page_size=1000,
        whole=("health", "checked_at"),
        rows=lambda one: {**one, "health": one["health"]["status"], "checked_at": one["health"]["checked_at"]},
    )


@app.command("show")
def show_system(system: System, as_json: Json = False) -> None:
    """One system with its health."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import systems as requests

    client = Client()
    found = client.send(requests.get_system(id_of(client, "system", system)))
    if as_json:
        show.as_json(found)
        return
    fields = {key: value for key, value in found.items() if key != "health"}
    health = {f"health_{key}" if key == "status" else key: value for key, value in found["health"].items()}
    show.record({**fields, **health})


@app.command("history")
def system_history(
    system: System,
    over: Annotated[str, typer.Option(help="So long up to now: 1h, 24h, 30d.")] = "24h",
    points: Annotated[int, typer.Option(min=1, max=1000, help="Sum up into about so many points.")] = 24,
    as_json: Json = False,
) -> None:
    """Response times and availability over a period; what was not checked has no line."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.durations import instant_before
    from opsteward.cli.references import id_of

    client = Client()
    path = f"/api/v1/systems/{id_of(client, 'system', system)}/health/history"
    found = client.get(path, since=instant_before(over), points=points)
    if as_json:
        show.as_json(found)
        return
    columns = ["at", "availability_percent", "response_time", "response_time_max", "checks", "failed"]
    show.table(found["points"], columns, empty=f"It was not checked within {over}.", whole=("at",))
    if found["checks"]:
        response = f", {found['response_time']:.3f} s on average" if found["response_time"] is not None else ""
        show.say(f"{found['availability_percent']} % available in {found['checks']} checks{response}")


@app.command("check")
def check_system(system: System, as_json: Json = False) -> None:
    """Run all checks of a system now. Exit code 1 where it is down or degraded, or the checks could not run."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import Failure
    from opsteward.cli.references import id_of
    from opsteward.cli.task_following import follow

    client = Client()
    params = {"system_id": id_of(client, "system", system)}
    submitted = client.post("/api/v1/tasks", {"task_type": "systems.check", "parameters": params})
    task = follow(client, submitted["id"])
    if task["status"] != "completed":
        raise Failure(f"the checks ended as {task['status']}: {task['error'] or 'see opsteward tasks'}")
    seen: Any = task["result_data"]
    if as_json:
        show.as_json(seen)
    else:
        show.table(seen["evidence"], ["check", "status", "seconds", "summary"], empty="No check fits its endpoint.")
        show.say(f"{seen['system']} is {seen['health']}")
    raise typer.Exit(1 if seen["health"] in ("down", "degraded") else 0)


@app.command("uptime")
def system_uptime(
    system: System,
    days: Annotated[int, typer.Option(min=1, max=366, help="The last so many days.")] = 90,
    objective: Annotated[float, typer.Option(help="Availability that is promised, percent.")] = 99.9,
    as_json: Json = False,
) -> None:
    """Availability day by day, and what is left of the error budget."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    path = f"/api/v1/systems/{id_of(client, 'system', system)}/uptime"
    found = client.get(path, days=days, objective=objective)
    if as_json:
        show.as_json(found)
        return
    columns = ["day", "availability_percent", "checks", "failed"]
    show.table(found["by_day"], columns, empty=f"It was not checked within {days} days.", whole=("day",))
    if found["checks"]:
        left = 100 * found["error_budget_left"]
        show.say(f"{found['availability_percent']} % available; {left:.1f} % of the error budget is left")


@app.command("warnings")
def early_warnings(
    system: Annotated[str | None, typer.Argument(metavar="[SYSTEM]", help="Its name, or its id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What will have run out soon (disk, connections, certificates), by the trend of what was measured."""
    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import systems as requests

    show_pages(
        requests.list_early_warnings,
        ["system_id", "name", "urgency", "runs_out_at", "soonest_at", "latest_at", "level", "limit", "per_day"],
        params={"system_id": id_of(Client(), "system", system) if system else None},
        empty="Nothing will run out soon, as far as is known.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        page_size=1000,
        whole=("runs_out_at", "soonest_at", "latest_at"),
    )


@app.command("register")
def register_system(
    file: Annotated[Path, typer.Argument(help="A JSON file with one system or a list, or NDJSON.")],
    as_json: Json = False,
) -> None:
    """Register systems from a file; credentials stay out of the command line. Each one that can't be taken is named;
    the others are registered."""
    from opsteward.cli import show
    from opsteward.cli.client import CallFailed, Client
    from opsteward.cli.failures import REFUSED, Failure, call_lines
    from opsteward.cli.input_files import read_objects
    from opsteward.client.connection import Call
    from opsteward.client.types import SystemInfo

    client = Client()
    problems: list[str] = []
    made: list[SystemInfo] = []
    for place, system in read_objects(file):
        try:
            added = client.send(Call[SystemInfo]("POST", "/api/v1/systems", system))
        except CallFailed as failed:
            if failed.status not in (400, 409, 422):
                raise
            where = f"{file}: {place + ': ' if place else ''}"
            problems += [f"{where}{line}" for line in call_lines(failed)]
        else:
            made.append(added)
            if not as_json:
                show.say(f"Registered {added['name']} as {added['id']}")
    if as_json:
        show.as_json({"items": made})
    if problems:
        raise Failure(*problems, code=REFUSED)


@app.command("change")
def change_system(
    system: System,
    file: Annotated[Path, typer.Argument(help="A JSON or YAML file with the fields to change; others stay.")],
    as_json: Json = False,
) -> None:
    """Change a system; credentials come from the file, not the command line."""
    from opsteward.cli import declared_systems

    declared_systems.change(system, file, as_json=as_json)


@app.command("disable")
def disable_system(system: System, as_json: Json = False) -> None:
    """Take a system out of use: it is neither watched nor worked on until it is enabled."""
    from opsteward.cli import declared_systems

    declared_systems.enable(system, False, as_json=as_json)


@app.command("enable")
def enable_system(system: System, as_json: Json = False) -> None:
    """Take a disabled system into use again."""
    from opsteward.cli import declared_systems

    declared_systems.enable(system, True, as_json=as_json)


@app.command("access")
def check_access(system: System, as_json: Json = False) -> None:
    """Try a system now: what works with its account, which permission is missing, and what grants it."""
    from opsteward.cli import declared_systems

    declared_systems.access(system, as_json=as_json)


Declared = Annotated[Path, typer.Argument(help="A YAML or JSON file: systems: [...], each as it would be registered.")]
Prune = Annotated[bool, typer.Option("--prune", help="Remove the systems that the file does not name.")]


@app.command("plan")
def plan_systems(file: Declared, prune: Prune = False, as_json: Json = False) -> None:
    """How the registered systems differ from a file, and what applying it would do; changes nothing."""
    from opsteward.cli import declared_systems

    declared_systems.plan(file, prune=prune, as_json=as_json)


@app.command("apply")
def apply_systems(file: Declared, prune: Prune = False, as_json: Json = False) -> None:
    """Make the registered systems as the file declares them, all of it or nothing."""
    from opsteward.cli import declared_systems

    declared_systems.apply(file, prune=prune, as_json=as_json)


@app.command("remove")
def remove_system(system: System, as_json: Json = False) -> None:
    """Forget a system and its credentials; its history stays."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import systems as requests

    client = Client()
    found = id_of(client, "system", system)
    client.send(requests.remove_system(found))
    show.done({"id": found, "removed": True}, f"Removed {system}", json_wanted=as_json)

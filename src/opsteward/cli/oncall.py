"""`opsteward oncall`: who is on call, swaps, and the policies by which incidents are escalated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from opsteward.cli.listing import Json

app = typer.Typer(help="Who is on call, and whom incidents are escalated to.", no_args_is_help=True)


@app.command("now")
def now(as_json: Json = False) -> None:
    """Who is on call in each schedule, until when, and who comes next."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/oncall/now")["items"]
    if as_json:
        show.as_json(found)
        return
    rows = [
        {
            "schedule": one["name"],
            "on call": (one["now"] or {}).get("name") or "NOBODY",
            "until": one["until"],
            "then": _next(one),
            "gaps": len(one["gaps"]) or None,
        }
        for one in found
    ]
    show.table(rows, ["schedule", "on call", "until", "then", "gaps"], empty="There is no on-call schedule.")
    for one in found:
        for gap in one["gaps"][:3]:
            show.note(f"{one['name']}: nobody from {gap['starts_at']} to {gap['ends_at']}")
        if one["unreachable"]:
            names = ", ".join(one["unreachable"])
            show.note(f"{one['name']}: {names} can't be paged: opsteward notifications save NAME --operator ...")


def _next(one: dict[str, Any]) -> str | None:
    if len(one["shifts"]) < 2:
        return None
    return (one["shifts"][1]["operator"] or {}).get("name") or "NOBODY"


@app.command("save")
def save(
    name: Annotated[str, typer.Argument(help="What the schedule is called.")],
    people: Annotated[list[str], typer.Argument(help="Operators, in the order of their turns.")],
    unit: Annotated[str, typer.Option(help="day or week: how long a turn is.")] = "week",
    every: Annotated[int, typer.Option(help="So many of them.")] = 1,
    handover: Annotated[str, typer.Option(help="When turns change, as 09:00.")] = "09:00",
    timezone: Annotated[str, typer.Option(help="Of the hand-over: Europe/Vienna.")] = "UTC",
    starts_on: Annotated[str | None, typer.Option("--from", help="The first day, as 2026-01-31; today.")] = None,
    as_json: Json = False,
) -> None:
    """Make a schedule of one rotation, or change it; for several use `apply`."""
    from datetime import UTC, datetime

    from opsteward.cli import show
    from opsteward.cli.client import Client

    turn = {"name": "primary", "participants": people, "unit": unit, "every": every, "handover": handover}
    turn["starts_on"] = starts_on or datetime.now(UTC).date().isoformat()
    made = Client().put(f"/api/v1/oncall/schedules/{_in_path(name)}", {"timezone": timezone, "rotations": [turn]})
    who = (made["now"] or {}).get("name") or "nobody"
    show.done(made, f"Saved; {who} is on call now", json_wanted=as_json)


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON: schedules, policies and routes by name.")],
    as_json: Json = False,
) -> None:
    """Save the routes, schedules and policies of a file, in this order."""
    import yaml

    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import Failure
    from opsteward.cli.input_files import read_bytes

    try:
        wanted = yaml.safe_load(read_bytes(file))
    except yaml.YAMLError as error:
        raise Failure(f"{file}: is no YAML: {str(error).splitlines()[0]}") from None
    kinds = {"routes": "notifications/routes", "schedules": "oncall/schedules", "policies": "oncall/policies"}
    if not isinstance(wanted, dict) or not all(isinstance(wanted.get(kind, {}), dict) for kind in kinds):
        raise Failure(f"{file}: needs `routes`, `schedules` or `policies`, each with names and what they are")
    if strange := sorted(set(wanted) - set(kinds)):
        raise Failure(f"{file}: {strange[0]} is none of routes, schedules, policies")
    client = Client()
    saved = [
        {"kind": kind, **client.put(f"/api/v1/{path}/{_in_path(str(name))}", body)}
        for kind, path in kinds.items()
        for name, body in wanted.get(kind, {}).items()
    ]
    show.done(saved, f"Saved {len(saved)}: {', '.join(str(one['name']) for one in saved)}", json_wanted=as_json)


@app.command("override")
def override(
    schedule: Annotated[str, typer.Argument(help="Its name.")],
    operator: Annotated[str, typer.Argument(help="Who is on call instead.")],
    lasting: Annotated[str, typer.Option("--for", help="How long from now, or from --from: 8h, 2d.")] = "8h",
    begins: Annotated[str | None, typer.Option("--from", help="From this instant on (ISO 8601 with its zone).")] = None,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Let somebody else be on call for a while."""
    from datetime import UTC, datetime, timedelta

    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.durations import seconds_of
    from opsteward.cli.references import one_of

    try:
        start = datetime.fromisoformat(begins) if begins else datetime.now(UTC)
    except ValueError:
        raise typer.BadParameter(f"{begins} is no instant: write 2026-01-31T18:00:00+01:00") from None
    client = Client()
    found = one_of(client.get("/api/v1/oncall/now")["items"], schedule, what="schedule", command="oncall now")
    end = start + timedelta(seconds=seconds_of(lasting))
    body = {"operator": operator, "starts_at": start.isoformat(), "ends_at": end.isoformat(), "reason": reason}
    made = client.post(f"/api/v1/oncall/schedules/{found}/overrides", body)
    show.done(made, f"{operator} is on call in {made['name']} until {end.isoformat()}", json_wanted=as_json)


@app.command("policies")
def list_policies(as_json: Json = False) -> None:
    """The escalation policies, in the order in which they are tried."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/oncall/policies")["items"]
    if as_json:
        show.as_json(found)
        return
    rows = [
        {
            "name": one["name"],
            "for": ", ".join(one["matchers"]) or "all incidents",
            "begins": one["begins"],
            "steps": "; then ".join(_step(step) for step in one["steps"]),
            "rounds": one["repeats"] + 1,
        }
        for one in found
    ]
    show.table(rows, ["name", "for", "begins", "steps", "rounds"], empty="There is no escalation policy.")


def _step(step: dict[str, Any]) -> str:
    whom = [*step["schedules"], *step["operators"], *step["routes"]]
    return f"{', '.join(whom)} ({step['wait_minutes']:g} min)"


@app.command("escalations")
def list_escalations(as_json: Json = False) -> None:
    """What is being escalated now, and when the next step comes."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/oncall/escalations")["items"]
    if as_json:
        show.as_json(found)
        return
    show.table(
        found, ["incident_id", "policy", "step", "steps", "round", "rounds", "next_at"], empty="Nothing is escalated."
    )


@app.command("remove")
def remove(
    what: Annotated[str, typer.Argument(help="schedule or policy.")],
    name: Annotated[str, typer.Argument(help="Its name, its id, or an end of it.")],
    as_json: Json = False,
) -> None:
    """Remove a schedule or a policy."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import one_of

    lists = {"schedule": ("/api/v1/oncall/now", "schedules"), "policy": ("/api/v1/oncall/policies", "policies")}
    if what not in lists:
        raise typer.BadParameter(f"{what} is neither schedule nor policy")
    client, (path, plural) = Client(), lists[what]
    command = "oncall now" if what == "schedule" else "oncall policies"
    found = one_of(client.get(path)["items"], name, what=what, command=command)
    client.delete(f"/api/v1/oncall/{plural}/{found}")
    show.done({"id": found, "removed": True}, "Removed", json_wanted=as_json)


def _in_path(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")

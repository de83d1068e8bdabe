"""`opsteward events` and `opsteward incidents`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

events = typer.Typer(help="Send events and see what became of them.", no_args_is_help=True)
incidents = typer.Typer(help="See incidents and their timelines.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@events.command("send")
def send_event(
    message: Annotated[str, typer.Argument(help="What happened.")],
    source: Annotated[str, typer.Option(help="Who tells it: a system's name, for instance.")] = "",
    error_type: Annotated[str | None, typer.Option(help="The error's type, such as TimeoutError.")] = None,
    severity: Annotated[str | None, typer.Option(help="low, medium, high, or a vendor's word.")] = None,
    resolved: Annotated[bool, typer.Option(help="Say that it is over.")] = False,
    as_json: Json = False,
) -> None:
    """Send one event."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    body: dict[str, Any] = {"message": message, "source": source, "resolved": resolved}
    body |= {k: v for k, v in {"error_type": error_type, "severity": severity}.items() if v is not None}
    answer = Client().post("/api/v1/events", body)
    if as_json:
        show.as_json(answer)
    else:
        _show_events(answer)


@events.command("load")
def load_events(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A JSON array, or NDJSON (.ndjson, .jsonl).")
    ],
    as_json: Json = False,
) -> None:
    """Send a file of events."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    kind = "application/x-ndjson" if file.suffix in (".ndjson", ".jsonl") else "application/json"
    answer = Client().post("/api/v1/events", content=file.read_bytes(), kind=kind)
    if as_json:
        show.as_json(answer)
    else:
        _show_events(answer)


def _show_events(answer: dict[str, Any]) -> None:
    from opsteward.cli import show

    show.table(
        answer["events"], ["category", "severity", "action", "priority", "incident_id"], empty="no event was taken"
    )
    if answer["rejected"]:
        show.table(answer["rejected"], ["row", "field", "reason"], empty="")
    show.say(f"{answer['accepted']} accepted, {len(answer['rejected'])} problems")


@incidents.command("list")
def list_incidents(
    status: Annotated[list[str] | None, typer.Option(help="Only these statuses.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: Json = False,
) -> None:
    """Newest first."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    page = Client().get("/api/v1/incidents", status=status, limit=limit)
    if as_json:
        show.as_json(page)
        return
    show.table(
        page["items"],
        ["number", "status", "severity", "title", "source", "event_count", "opened_at"],
        empty="No incident: nothing is wrong, or nothing was reported yet (opsteward events send)",
    )


@incidents.command("show")
def show_incident(
    incident: Annotated[str, typer.Argument(help="Its id, or its number.")], as_json: Json = False
) -> None:
    """One incident with its timeline."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    found = client.get(f"/api/v1/incidents/{_id_of(client, incident)}")
    if as_json:
        show.as_json(found)
        return
    show.say(f"Incident {found['number']}: {show.plain(found['title'])}")
    show.say(f"{found['status']}, {found['severity']}, {found['event_count']} events, opened {found['opened_at']}")
    if found["resolution"]:
        show.say(f"Resolution: {show.plain(found['resolution'])}")
    lines = [{"time": line["at"][11:23], **line} for line in found["timeline"]]
    show.table(lines, ["time", "kind", "title"], empty="Its timeline is empty.")


def _id_of(client: Any, incident: str) -> str:
    """A number is looked up; anything else is taken for an id."""
    if not incident.isdigit():
        return incident
    page = client.get("/api/v1/incidents", before=int(incident) + 1, limit=1)
    found = page["items"]
    if not found or found[0]["number"] != int(incident):
        raise typer.BadParameter(f"there is no incident {incident}")
    return str(found[0]["id"])


@incidents.command("acknowledge")
def acknowledge(incident: Annotated[str, typer.Argument(help="Its id, or its number.")]) -> None:
    """Say that somebody has seen it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    found = client.post(f"/api/v1/incidents/{_id_of(client, incident)}/acknowledge")
    show.say(f"Incident {found['number']} is {found['status']}")


@incidents.command("resolve")
def resolve(
    incident: Annotated[str, typer.Argument(help="Its id, or its number.")],
    reason: Annotated[str, typer.Option(help="Why it is over.")] = "",
) -> None:
    """Close it by hand."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    found = client.post(f"/api/v1/incidents/{_id_of(client, incident)}/resolve", {"reason": reason})
    show.say(f"Incident {found['number']} is {found['status']}")


@incidents.command("troubleshoot")
def troubleshoot(incident: Annotated[str, typer.Argument(help="Its id, or its number.")]) -> None:
    """Start a troubleshooting session for it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    started = client.post(f"/api/v1/incidents/{_id_of(client, incident)}/troubleshoot")
    show.say(f"Session {started['id']} has begun")

"""`opsteward events` and `opsteward incidents`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from opsteward.cli import incident_handling
from opsteward.cli.listing import LIMIT, All, Json, Limit

events = typer.Typer(help="Send events and see what became of them.", no_args_is_help=True)
incidents = typer.Typer(help="See incidents and their timelines.", no_args_is_help=True)
incident_handling.add_to(incidents)

Which = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its number, or its id.")]


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


@events.command("list")
def list_events(
    source: Annotated[str | None, typer.Option(help="Of this source.")] = None,
    category: Annotated[str | None, typer.Option(help="Judged so: system_error, security_issue, ...")] = None,
    severity: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    search: Annotated[str | None, typer.Option(help="With this in the message.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """The events as they came in, newest first; a filter looks at the newest 20,000."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/events",
        ["received_at", "source", "severity", "category", "message", "incident_number"],
        params={"source": source, "category": category, "severity": severity, "search": search},
        empty="No event.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("before", "id"),
        page_size=500,
        whole=("received_at",),
    )


@events.command("patterns")
def show_patterns(
    days: Annotated[float, typer.Option(help="Of so many last days.")] = 7.0,
    search: Annotated[str | None, typer.Option(help="With this in the title, the error type or the source.")] = None,
    limit: Limit = LIMIT,
    as_json: Json = False,
) -> None:
    """Groups that recur: their trend, what they coincide with, and what to do."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/patterns", days=days, search=search, limit=limit)
    if as_json:
        show.as_json(found)
        return
    rows = [{**one, "to_do": one["recommendations"][0]["text"]} for one in found["items"]]
    show.table(
        rows,
        ["title", "trend", "events", "begun", "incidents", "to_do", "first_seen", "last_seen", "source"],
        empty="Nothing recurred.",
        whole=("trend",),
    )
    show.note(f"of {found['events']} events since {found['since']}; --json tells all figures")


@events.command("load")
def load_events(
    file: Annotated[Path, typer.Argument(help="A JSON array, or NDJSON (.ndjson, .jsonl).")],
    as_json: Json = False,
) -> None:
    """Send a file of events."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import read_bytes

    kind = "application/x-ndjson" if file.suffix.lower() in (".ndjson", ".jsonl") else "application/json"
    answer = Client().post("/api/v1/events", content=read_bytes(file).removeprefix(b"\xef\xbb\xbf"), kind=kind)
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
    status: Annotated[
        list[str] | None,
        typer.Option(help="open, acknowledged, diagnosing, remediating, verifying, escalated or resolved; repeatable."),
    ] = None,
    severity: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    source: Annotated[str | None, typer.Option(help="Of this source, such as a system's name.")] = None,
    system: Annotated[str | None, typer.Option(help="Of this system, by name or id.")] = None,
    search: Annotated[str | None, typer.Option(help="Words in its title or source, of the newest 20,000.")] = None,
    since: Annotated[str | None, typer.Option(help="Opened from this instant on (ISO 8601 with its zone).")] = None,
    until: Annotated[str | None, typer.Option(help="Opened before this instant.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="By age alone, the newest first.")] = False,
    oldest: Annotated[bool, typer.Option("--oldest", help="By age alone, the oldest first.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Assigned to me, or acknowledged by me alone.")] = False,
    muted: Annotated[bool | None, typer.Option("--muted/--not-muted", help="Kept quiet, or not.")] = None,
    before: Annotated[int | None, typer.Option(help="Behind the incident of this number.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """The most urgent first: what is open before what is resolved, the severe first, then the newest."""
    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_list
    from opsteward.cli.references import id_of

    show_list(
        "/api/v1/incidents",
        ["number", "status", "severity", "title", "source", "events", "opened_at", "resolved_at", "resolved_by"],
        params={
            "status": status,
            "severity": severity,
            "source": source,
            "system_id": id_of(Client(), "system", system) if system is not None else None,
            "search": search,
            "since": since,
            "until": until,
            "order": "newest" if newest else "oldest" if oldest else None,
            "mine": "true" if mine else None,
            "muted": None if muted is None else str(muted).lower(),
            "before": before,
        },
        empty="No incident: nothing is wrong, or nothing was reported yet (opsteward events send)",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("before", "number"),
        page_size=500,
        whole=("number", "status", "severity"),
        rows=lambda one: {**one, "events": one["event_count"], "resolved_by": (one["resolved_by"] or {}).get("name")},
    )


@incidents.command("show")
def show_incident(
    incident: Which,
    include_routine: Annotated[
        bool, typer.Option("--include-routine", help="With every step of what only writes something down.")
    ] = False,
    as_json: Json = False,
) -> None:
    """One incident: who did what and when, where its time went, and what was not done and why."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    path = f"/api/v1/incidents/{id_of(client, 'incident', incident)}"
    found = client.get(path, include_routine="true" if include_routine else None)
    if as_json:
        show.as_json(found)
        return
    show.say(f"Incident {found['number']}: {found['title']}")
    show.say(f"{found['status']}, {found['severity']}, {found['event_count']} events, opened {found['opened_at']}")
    if found["muted"]:
        show.say(f"Kept quiet by {found['muted']['by']}: {found['muted']['reason']}; nothing is done, nobody is told")
    if found["assigned_to"]:
        show.say(f"Assigned to {found['assigned_to']['name']}")
    if found["acknowledged_by"]:
        show.say(f"Acknowledged by {found['acknowledged_by']['name']} at {found['acknowledged_at']}")
    if found["resolution"]:
        by = f" (by {found['resolved_by']['name']} at {found['resolved_at']})" if found["resolved_by"] else ""
        show.say(f"Resolution: {found['resolution']}{by}")
    show.say(_times(found["times"]))
    for one in found["not_done"]:
        on = f" on {one['system']}" if one["system"] else ""
        show.say(f"Not done: {one['action']}{on}: {one['reason']}")
    lines = [{**line, "who": (line["actor"] or {}).get("name")} for line in found["timeline"]]
    show.table(lines, ["at", "kind", "title", "who", "reason"], empty="Its timeline is empty.", whole=("at", "kind"))
    if found["routine_lines_hidden"]:
        show.note(f"{found['routine_lines_hidden']} routine lines are left out: --include-routine")


def _times(times: dict[str, Any]) -> str:
    """Where the time went, in words."""
    parts = [("detected after", "detect_seconds"), ("waited for a person", "waiting_seconds"),
             ("worked on", "working_seconds"), ("watched", "watching_seconds"),
             ("repaired after", "repair_seconds")]  # fmt: skip
    told = [f"{words} {times[field]:.1f} s" for words, field in parts if times[field] is not None]
    return f"Time: {', '.join(told)}"


Why = Annotated[str, typer.Option("--reason", help="Why.")]


@incidents.command("correct")
def correct(
    incident: Which,
    category: Annotated[str, typer.Argument(help="security_issue, system_error, validation_error or ignorable.")],
    reason: Why = "",
    as_json: Json = False,
) -> None:
    """Say what its events are; later ones like them are judged so."""
    _change(incident, "correct", {"category": category, "reason": reason}, as_json=as_json)


@incidents.command("merge")
def merge(
    incident: Which,
    into: Annotated[str, typer.Argument(help="The other incident, by number or id.")],
    reason: Why = "",
    as_json: Json = False,
) -> None:
    """Make it part of another incident."""
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    _change(incident, "merge", {"into": id_of(Client(), "incident", into), "reason": reason}, as_json=as_json)


@incidents.command("split")
def split(
    incident: Which,
    fingerprint: Annotated[str, typer.Argument(help="One of its groups, as `show --json` lists them.")],
    reason: Why = "",
    as_json: Json = False,
) -> None:
    """Let later events of one of its fingerprints stand apart."""
    _change(incident, "split", {"fingerprint": fingerprint, "reason": reason}, as_json=as_json)


@incidents.command("troubleshoot")
def troubleshoot(incident: Which, as_json: Json = False) -> None:
    """Start a troubleshooting session for it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    started = client.post(f"/api/v1/incidents/{id_of(client, 'incident', incident)}/troubleshoot")
    if as_json:
        show.as_json(started)
    else:
        show.say(f"Session {started['id']} has begun")


def _change(incident: str, what: str, body: dict[str, Any] | None = None, *, as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    found = client.post(f"/api/v1/incidents/{id_of(client, 'incident', incident)}/{what}", body)
    if as_json:
        show.as_json(found)
    else:
        show.say(f"Incident {found['number']} is {found['status']}")

"""What people do with incidents: acknowledge, assign, comment, resolve and reopen them."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import Json

Many = Annotated[list[str], typer.Argument(metavar="INCIDENT...", help="Their numbers, or ids.")]
Which = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its number, or its id.")]
Why = Annotated[str, typer.Option("--reason", help="Why.")]


def add_to(app: typer.Typer) -> None:
    """The commands below, as part of `opsteward incidents`."""
    app.command("acknowledge")(acknowledge)
    app.command("assign")(assign)
    app.command("comment")(comment)
    app.command("resolve")(resolve)
    app.command("reopen")(reopen)
    app.command("related")(related)


def acknowledge(incidents: Many, reason: Why = "", as_json: Json = False) -> None:
    """Say that you have seen them: nobody else is called."""
    _all(incidents, "acknowledge", reason, as_json=as_json)


def resolve(incidents: Many, reason: Why = "", as_json: Json = False) -> None:
    """Close them by hand."""
    _all(incidents, "resolve", reason, as_json=as_json)


def reopen(incidents: Many, reason: Why = "", as_json: Json = False) -> None:
    """They are not over after all: the same incidents go on."""
    _all(incidents, "reopen", reason, as_json=as_json)


def assign(
    incidents: Many,
    to: Annotated[str, typer.Option(help="An operator by name or id, `me`, or `nobody`.")] = "me",
    reason: Why = "",
    as_json: Json = False,
) -> None:
    """Say who is to work on them."""
    _all(incidents, "assign", reason, to=None if to == "nobody" else to, as_json=as_json)


def comment(
    incident: Which, text: Annotated[str, typer.Argument(help="What to write.")], as_json: Json = False
) -> None:
    """Write something into its timeline."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    found = client.post(f"/api/v1/incidents/{id_of(client, 'incident', incident)}/comments", {"text": text})
    show.done(found, f"Written to incident {found['number']}", json_wanted=as_json)


def related(incident: Which, as_json: Json = False) -> None:
    """Past incidents of the same kind, and what helped then."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    found = client.get(f"/api/v1/incidents/{id_of(client, 'incident', incident)}/related")
    if as_json:
        show.as_json(found)
        return
    rows = [
        {
            **one,
            "helped": "; ".join(
                f"{h['action']} on {h['system']}" if h["system"] else h["action"] for h in one["helped"]
            )
            or one["resolution"],
            "by": (one["resolved_by"] or {}).get("name"),
        }
        for one in found
    ]
    show.table(rows, ["number", "resolved_at", "title", "helped", "by"], empty="There was none like it.")


def _all(incidents: list[str], verb: str, reason: str, *, to: str | None = None, as_json: bool) -> None:
    """Each or none of them, in one request; those that stayed as they were are named, and the exit code says so."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import REFUSED
    from opsteward.cli.references import id_of

    client = Client()
    numbers = {id_of(client, "incident", one): one for one in incidents}
    body: dict[str, object] = {"verb": verb, "incident_ids": list(numbers), "reason": reason, "to": to}
    done = client.post("/api/v1/incidents/bulk", body)
    if as_json:
        show.as_json(done)
    else:
        past = {"acknowledge": "acknowledged", "resolve": "resolved", "reopen": "reopened", "assign": "assigned"}[verb]
        for one in done["changed"]:
            show.say(f"Incident {numbers[one]} is {past}")
        for left in done["unchanged"]:
            show.note(f"Incident {numbers[left['id']]}: {left['reason']}")
    if done["unchanged"]:
        raise typer.Exit(REFUSED)

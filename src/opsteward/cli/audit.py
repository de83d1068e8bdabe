"""`opsteward audit`: who did what, and whether the log is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="The audit log.", no_args_is_help=True)

Actor = Annotated[str | None, typer.Option(help="An operator's name, or a part of Opsteward (system:...).")]
Verb = Annotated[str | None, typer.Option(help="What was done, or its beginning: approval, task.submitted.")]
ObjectId = Annotated[str | None, typer.Option("--object", help="About the thing of this id.")]
ObjectType = Annotated[str | None, typer.Option("--type", help="About things of this kind: incident, action, system.")]
Since = Annotated[str | None, typer.Option(help="From this instant on (ISO 8601 with its zone).")]
Until = Annotated[str | None, typer.Option(help="Before this instant.")]


@app.command("list")
def list_audit(
    actor: Actor = None,
    verb: Verb = None,
    object_id: ObjectId = None,
    object_type: ObjectType = None,
    since: Since = None,
    until: Until = None,
    before: Annotated[str | None, typer.Option(help="Older than the entry of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Newest first."""
    from opsteward.cli.actors import told
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/audit",
        ["seq", "at", "who", "verb", "object_type", "object_id", "reason"],
        params=_wanted(actor, verb, object_id, object_type, since, until) | {"before": before},
        empty="No entry is like that.",
        limit=limit,
        every=every,
        as_json=as_json,
        page_size=1000,
        whole=("seq", "at"),
        rows=lambda one: {**one, "who": told(one["who"])},
    )


@app.command("export")
def export_audit(
    file: Annotated[Path, typer.Argument(help="An NDJSON file: one entry a line.")],
    actor: Actor = None,
    verb: Verb = None,
    object_id: ObjectId = None,
    object_type: ObjectType = None,
    since: Since = None,
    until: Until = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
    as_json: Json = False,
) -> None:
    """Write all entries that fit into a file, newest first."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.connection import Call

    wanted = {k: v for k, v in _wanted(actor, verb, object_id, object_type, since, until).items() if v is not None}
    call: Call[str] = Call("GET", "/api/v1/audit/export", params=wanted)
    size = Client(timeout=600).download(call, file, force=force)
    show.done({"file": str(file), "bytes": size}, f"Wrote {size} bytes to {file}", json_wanted=as_json)


def _wanted(
    actor: str | None,
    verb: str | None,
    object_id: str | None,
    object_type: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, str | None]:
    """The filter, as the API takes it."""
    return {
        "actor": actor,
        "verb": verb,
        "object_id": object_id,
        "object_type": object_type,
        "since": since,
        "until": until,
    }


@app.command("verify")
def verify_audit(as_json: Json = False) -> None:
    """Walk the whole chain, and what was seen of it outside the database; exit code 1 when an entry was altered, is
    missing or was added."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    verdict = Client(timeout=600).get("/api/v1/audit/verify")
    if as_json:
        show.as_json(verdict)
    else:
        for problem in verdict["problems"]:
            show.say(f"BROKEN  {problem}")
        word = "intact" if verdict["ok"] else "NOT intact"
        show.say(f"The audit log is {word}: {verdict['sealed']} sealed, {verdict['pending']} waiting for their seal")
        for one in verdict["witnesses"]:
            seen = f"it saw entry {one['newest']} last, at {one['newest_at']}" if one["newest"] else "it saw none yet"
            show.say(f"Witness {show.plain(one['name'])} agrees up to entry {one['agrees_to']}; {seen}")
    if not verdict["ok"]:
        raise typer.Exit(1)

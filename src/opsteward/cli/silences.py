"""`opsteward silences` and `opsteward inhibitions`: what is kept quiet."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

silences = typer.Typer(help="Keep alerts quiet for a time: recorded, not acted on, nobody told.", no_args_is_help=True)
inhibitions = typer.Typer(help="Rules by which one trouble keeps what follows from it quiet.", no_args_is_help=True)

Matchers = Annotated[list[str], typer.Argument(help="As severity=high, system=shop or 'instance=~db.*'.")]


@silences.command("list")
def list_silences(
    status: Annotated[str | None, typer.Option(help="active, pending or expired.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """The silences, newest first, with those that are over."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/silences",
        ["id", "status", "matchers", "ends_at", "muted_incidents", "by", "reason"],
        params={"status": status},
        empty="Nothing is silenced.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("status", "ends_at"),
        rows=lambda one: {**one, "matchers": ", ".join(one["matchers"]), "by": one["created_by"]["name"]},
    )


@silences.command("preview")
def preview(matchers: Matchers, as_json: Json = False) -> None:
    """How many open incidents would be kept quiet."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().post("/api/v1/silences/preview", {"matchers": matchers})
    if as_json:
        show.as_json(found)
        return
    show.table(found["incidents"], ["number", "severity", "source", "title"], empty="No open incident matches.")
    show.say(f"{found['matching']} of {found['examined']} open incidents would be kept quiet")


@silences.command("add")
def add(
    matchers: Matchers,
    reason: Annotated[str, typer.Option(help="Why; people see it.")],
    lasting: Annotated[str, typer.Option("--for", help="How long from now: 30m, 2h, 1d.")] = "2h",
    as_json: Json = False,
) -> None:
    """Keep what matches all of these quiet."""
    from datetime import UTC, datetime, timedelta

    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.durations import seconds_of

    ends_at = (datetime.now(UTC) + timedelta(seconds=seconds_of(lasting))).isoformat()
    made = Client().post("/api/v1/silences", {"matchers": matchers, "reason": reason, "ends_at": ends_at})
    quiet = made["muted_incidents"]
    show.done(
        made,
        f"Silenced until {made['ends_at']} as {made['id']}; {quiet} open incidents are kept quiet",
        json_wanted=as_json,
    )


@silences.command("end")
def end(silence: Annotated[str, typer.Argument(help="Its id, or an end of it.")], as_json: Json = False) -> None:
    """End it now: what it kept quiet and is open still is done and told."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import one_of

    client = Client()
    found = one_of(client.get("/api/v1/silences", limit=500)["items"], silence, what="silence", command="silences list")
    show.done(client.post(f"/api/v1/silences/{found}/end"), "Ended", json_wanted=as_json)


@inhibitions.command("list")
def list_inhibitions(
    removed: Annotated[bool, typer.Option("--removed", help="With those that were removed.")] = False,
    as_json: Json = False,
) -> None:
    """The rules, newest first."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/inhibitions", removed="true" if removed else None)["items"]
    if as_json:
        show.as_json(found)
        return
    rows = [
        {
            **one,
            "source": ", ".join(one["source"]),
            "target": ", ".join(one["target"]),
            "where": "dependents" if one["dependents"] else f"same {', '.join(one['equal'])}",
        }
        for one in found
    ]
    show.table(rows, ["id", "name", "source", "target", "where", "reason"], empty="There is no inhibition.")


@inhibitions.command("add")
def add_inhibition(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    source: Annotated[list[str], typer.Option(help="What keeps quiet, as severity=high; repeatable.")],
    target: Annotated[list[str], typer.Option(help="What is kept quiet; repeatable.")],
    dependents: Annotated[bool, typer.Option("--dependents", help="Only systems that need the source's.")] = False,
    equal: Annotated[list[str] | None, typer.Option(help="A label that must be the same; repeatable.")] = None,
    reason: Annotated[str, typer.Option(help="Why; people see it.")] = "",
    as_json: Json = False,
) -> None:
    """Let open incidents of one kind keep others quiet."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    body: dict[str, object] = {"name": name, "source": source, "target": target, "dependents": dependents}
    made = Client().post("/api/v1/inhibitions", body | {"equal": equal or [], "reason": reason})
    show.done(made, f"Added as {made['id']}", json_wanted=as_json)


@inhibitions.command("remove")
def remove_inhibition(
    inhibition: Annotated[str, typer.Argument(help="Its name, its id, or an end of it.")], as_json: Json = False
) -> None:
    """It keeps nothing quiet any more."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import one_of

    client = Client()
    items = client.get("/api/v1/inhibitions")["items"]
    found = one_of(items, inhibition, what="inhibition", command="inhibitions list")
    show.done(client.post(f"/api/v1/inhibitions/{found}/remove"), "Removed", json_wanted=as_json)

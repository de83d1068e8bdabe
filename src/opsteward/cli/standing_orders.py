"""`opsteward standing-orders check | back-test | apply | export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.client.types.standing_orders import BackTest, DecidedAs

app = typer.Typer(help="The rules that decide what may be done: check, try, apply, export.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A standing_orders.yaml.")]


@app.command("check")
def check(file: File, as_json: Json = False) -> None:
    """Check a file; each problem with its line and remedy."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import read_text
    from opsteward.client.operations import standing_orders

    answer = Client().send(standing_orders.check_standing_orders(text=read_text(file)))
    show.done(answer, f"{file} is sound: {len(answer['orders'])} orders", json_wanted=as_json)


@app.command("back-test")
def back_test(
    file: Annotated[Path | None, typer.Argument(help="The orders to try; those in force if it is left out.")] = None,
    since: Annotated[str | None, typer.Option(help="From this instant on; a week ago if it is left out.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this instant; now if it is left out.")] = None,
    as_json: Json = False,
) -> None:
    """What a file of orders and those in force would have decided over recorded events, side by side."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import read_text
    from opsteward.client.operations import standing_orders

    text = read_text(file) if file is not None else None
    found = Client().send(standing_orders.back_test(text=text, since=since, until=until))
    if as_json:
        show.as_json(found)
        return
    show.say(f"{found['events']} events from {found['since']} to {found['until']}")
    show.say(f"{found['as_recorded']} would be decided today as they were; {found['changed']} would change")
    show.table(_side_by_side(found), ["order", *_FIGURES], empty="No order.")
    for one in found["differences"]:
        example = one["examples"][0]["title"] if one["examples"] else ""
        show.say(f"{one['count']} x {_decision(one['today'])} -> {_decision(one['proposed'])}, as: {example}")


_FIGURES = ["matched", "run", "waiting", "denied", "would_match", "would_run", "would_wait", "would_be_denied"]


def _side_by_side(found: BackTest) -> list[dict[str, object]]:
    """A line for each order of either set: figures of today's, then of the proposed ones."""
    today: dict[str, Mapping[str, object]] = {one["name"]: one for one in found["today"]}
    proposed: dict[str, Mapping[str, object]] = {one["name"]: one for one in found["proposed"]}
    names = dict.fromkeys([*today, *proposed])
    keys = ("matched", "run", "waiting", "denied")
    lines = []
    for name in names:
        sides = [side.get(name, {}).get(key, "") for side in (today, proposed) for key in keys]
        lines.append({"order": name or "(no order)"} | dict(zip(_FIGURES, sides, strict=True)))
    return lines


def _decision(one: DecidedAs) -> str:
    asked = " after approval" if one["approval"] == "required" else ""
    return f"{one['action']}{asked} ({one['order'] or 'no order'})"


@app.command("apply")
def apply(file: File, as_json: Json = False) -> None:
    """Put a file in force for this tenant."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import read_text
    from opsteward.client.operations import standing_orders

    answer = Client().send(standing_orders.apply_standing_orders(text=read_text(file)))
    words = f"Version {answer['version']} is in force: {', '.join(answer['orders'])}"
    show.done(answer, words, json_wanted=as_json)


@app.command("show")
def show_orders(as_json: Json = False) -> None:
    """What is in force: its version, since when, and the orders by name."""
    from opsteward.cli import actors, show
    from opsteward.cli.client import Client
    from opsteward.client.operations import standing_orders

    client = Client()
    found = client.send(standing_orders.get_standing_orders())
    if as_json:
        show.as_json(found)
        return
    version = {key: value for key, value in found.items() if key not in ("text", "orders", "faulty", "problems")}
    show.record({k: actors.in_words(client, v) if isinstance(v, str) else v for k, v in version.items()})
    show.table([{"order": name} for name in found["orders"]], ["order"], empty="No order.")
    for one in found["faulty"]:
        show.say(f"faulty: {one['name']}: what it may have meant goes to a person ({one['problem']})")
    for each in found["problems"]:
        show.say(f"to mend: line {each['line']}, {each['field']}: {each['problem']}; {each['remedy']}")


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; printed when it is left out.")] = None,
    version: Annotated[int | None, typer.Option(help="This version; the one in force if it is left out.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Print the version in force or another one, as the file it was, or write it into a file."""
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import write_text

    text = Client().get("/api/v1/standing-orders/version", number=version)["text"]
    if file is None:
        typer.echo(text, nl=False)
    else:
        write_text(file, text, replace=force)


@app.command("versions")
def list_versions(
    before: Annotated[int | None, typer.Option(help="Older than this version.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Who changed the standing orders and when, the newest first; version 0 is what ships."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/standing-orders/versions",
        ["version", "applied_at", "by", "in_force", "characters"],
        params={"before": before},
        empty="No version is older.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("before", "version"),
        page_size=500,
        whole=("version", "applied_at"),
        rows=lambda one: {**one, "by": one["author"]["name"]},
    )


@app.command("diff")
def diff_versions(
    before: Annotated[int | None, typer.Argument(metavar="FROM", help="The one before the other.")] = None,
    after: Annotated[int | None, typer.Argument(metavar="TO", help="The one in force.")] = None,
    as_json: Json = False,
) -> None:
    """How one version became another; without numbers, what the last change was."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/standing-orders/diff", **{"from": before, "to": after})
    if as_json:
        show.as_json(found)
        return
    new = found["after"]
    when = f" at {new['applied_at']}" if new["applied_at"] else ""
    show.say(f"Version {found['before']['version']} to {new['version']}, by {new['author']['name']}{when}")
    for line in found["diff"].splitlines():
        show.say(line)
    show.say(f"{found['added']} lines added, {found['removed']} removed")

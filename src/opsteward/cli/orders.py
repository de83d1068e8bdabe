"""`opsteward standing-orders check | apply | export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opsteward.cli.listing import Json

app = typer.Typer(help="The rules that decide what may be done: check, apply, export.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A standing_orders.yaml.")]


@app.command("check")
def check(file: File, as_json: Json = False) -> None:
    """Check a file; each problem with its line and remedy."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.reading import read_text
    from opsteward.client.operations import standing_orders

    answer = Client().send(standing_orders.check_standing_orders(text=read_text(file)))
    show.done(answer, f"{file} is sound: {len(answer['orders'])} orders", json_wanted=as_json)


@app.command("apply")
def apply(file: File, as_json: Json = False) -> None:
    """Put a file in force for this tenant."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.reading import read_text
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
    version = {key: value for key, value in found.items() if key not in ("text", "orders", "problems")}
    show.record({k: actors.in_words(client, v) if isinstance(v, str) else v for k, v in version.items()})
    show.table([{"order": name} for name in found["orders"]], ["order"], empty="No order.")
    for each in found["problems"]:
        show.say(f"left out: line {each['line']}, {each['field']}: {each['problem']}; {each['remedy']}")


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; printed when it is left out.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Print the version in force, as the file it was, or write it into a file."""
    from opsteward.cli.client import Client
    from opsteward.cli.reading import write_text
    from opsteward.client.operations import standing_orders

    text = Client().send(standing_orders.get_standing_orders())["text"]
    if file is None:
        typer.echo(text, nl=False)
    else:
        write_text(file, text, replace=force)

"""`opsteward standing-orders check | apply | export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The rules that decide what may be done: check, apply, export.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A standing_orders.yaml.")]


@app.command("check")
def check(file: File) -> None:
    """Check a file; each problem with its line and remedy."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    answer = Client().post("/api/v1/standing-orders/check", {"text": file.read_text(encoding="utf-8")})
    show.say(f"{file} is sound: {len(answer['orders'])} orders")


@app.command("apply")
def apply(file: File) -> None:
    """Put a file in force for this tenant."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    answer = Client().put("/api/v1/standing-orders", {"text": file.read_text(encoding="utf-8")})
    show.say(f"Version {answer['version']} is in force: {', '.join(answer['orders'])}")


@app.command("export")
def export() -> None:
    """Print the version in force, as the file it was."""
    from opsteward.cli.client import Client

    typer.echo(Client().get("/api/v1/standing-orders")["text"], nl=False)

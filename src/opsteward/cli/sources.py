"""`opsteward sources`: the products whose bodies are taken, and how a body would be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opsteward.cli import dsns
from opsteward.cli.listing import Json

app = typer.Typer(help="Products whose alerts are taken, each at an address of its own.", no_args_is_help=True)
app.add_typer(dsns.app, name="dsn")

Source = Annotated[str, typer.Argument(help="Its name, as `opsteward sources list` shows it.")]
Sample = Annotated[Path, typer.Argument(help="A file with a body as the product sends it.")]


@app.command("list")
def list_sources(as_json: Json = False) -> None:
    """All sources, and where each one sends."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/sources")
    if as_json:
        show.as_json(found)
        return
    show.table(found["items"], ["slug", "title", "path"], empty="No sources.", whole=("slug", "path"))


@app.command("show")
def show_source(source: Source, as_json: Json = False) -> None:
    """How to point a product here."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import Failure

    items = Client().get("/api/v1/sources")["items"]
    found = next((item for item in items if source in (item["slug"], *item["aliases"])), None)
    if found is None:
        raise Failure(f"there is no source {source[:40]!r}; see `opsteward sources list`")
    if as_json:
        show.as_json(found)
        return
    show.record(found)


@app.command("map")
def map_sample(
    source: Source,
    sample: Sample,
    mapping: Annotated[
        Path | None, typer.Option(help="A YAML file with `shapes` of your own to try, in JMESPath.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which events a body would become; nothing is stored."""
    import json

    import yaml

    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import Failure
    from opsteward.cli.input_files import read_text
    from opsteward.core.format_words import json_problem

    try:
        asked = {"source": source, "body": json.loads(read_text(sample))}
        if mapping is not None:
            asked["shapes"] = (yaml.safe_load(read_text(mapping)) or {}).get("shapes", [])
    except ValueError as error:
        raise Failure(f"{sample} {json_problem(error)}") from None
    except (yaml.YAMLError, AttributeError):
        raise Failure(f"{mapping} is no YAML with 'shapes: [...]'; write each as the guide on sources shows") from None
    found = Client().post("/api/v1/sources/preview", asked)
    if as_json:
        show.as_json(found)
        return
    show.note("by common names of fields" if found["shape"] is None else f"by form {found['shape']} of the mapping")
    for event in found["events"]:
        show.record(event)


@app.command("test")
def send_test(source: Source, sample: Sample, as_json: Json = False) -> None:
    """Send a body as the product would: its events are taken, and may open incidents."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import read_bytes

    found = Client().post(f"/api/v1/intake/{source}", content=read_bytes(sample), kind="application/json")
    if as_json:
        show.as_json(found)
        return
    show.table(
        found["events"], ["id", "severity", "category", "action", "incident_id"], empty="No events.", whole=("id",)
    )

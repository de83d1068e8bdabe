"""`opsteward sagas`: one change of records over several systems, all of it or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.client.types import Saga

app = typer.Typer(help="One change over several systems: all of it or none.", no_args_is_help=True)


@app.command("start")
def start(
    file: Annotated[Path, typer.Argument(help="JSON with a name and the steps; each names its system.")],
    as_json: Json = False,
) -> None:
    """Ask for the approval of the changes in a file; once approved they are made, all of them or none."""
    from opsteward.cli.client import Client
    from opsteward.cli.failures import Failure
    from opsteward.cli.input_files import read_objects
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.types import Saga

    given = [one for _, one in read_objects(file)]
    if len(given) != 1 or not isinstance(steps := given[0].get("steps"), list):
        raise Failure(f"{file}: give one object with a name and a list of steps")
    client, named = Client(), list[object]()
    for step in steps:
        one = dict(step) if isinstance(step, dict) else {}
        if "system" in one:
            one["system_id"] = id_of(client, "system", str(one.pop("system")))
        named.append(one)
    _show(client.send(Call[Saga]("POST", "/api/v1/sagas", {**given[0], "steps": named})), as_json=as_json)


@app.command("list")
def list_sagas(limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """Newest first."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import sagas

    show_pages(
        sagas.list_sagas,
        ["id", "name", "status", "created_at", "ended_at", "error"],
        empty="There was no saga yet: opsteward sagas start FILE",
        limit=limit,
        every=every,
        as_json=as_json,
        whole=("status",),
    )


@app.command("show")
def show_saga(
    saga: Annotated[str, typer.Argument(metavar="SAGA", help="Its id, or the end of it that the list shows.")],
    as_json: Json = False,
) -> None:
    """One saga, step by step."""
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import sagas

    client = Client()
    _show(client.send(sagas.get_saga(id_of(client, "saga", saga))), as_json=as_json)


def _show(saga: Saga, *, as_json: bool) -> None:
    from opsteward.cli import show

    if as_json:
        show.as_json(saga)
        return
    show.record({key: value for key, value in saga.items() if key != "steps"})
    show.say("")
    columns = ["number", "words", "status", "problem"]
    show.table([dict(step) for step in saga["steps"]], columns, empty="")
    if saga["status"] == "awaiting_approval":
        show.note("It waits for an approval: opsteward approvals list")

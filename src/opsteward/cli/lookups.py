"""`opsteward direct-calls`: named queries and lists of APIs on registered systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opsteward.cli.listing import Json

app = typer.Typer(help="Named queries and lists of APIs on registered systems, read-only.", no_args_is_help=True)


@app.command("list")
def list_calls(as_json: Json = False) -> None:
    """The calls that there are, and what is wrong in their files."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import direct_calls

    found = Client().send(direct_calls.list_direct_calls())
    if as_json:
        show.as_json(found)
        return
    rows = [
        {
            **one,
            "values": ", ".join(
                f"{v['name']} ({v['type']}{'' if v['required'] else ', optional'})" for v in one["values"]
            ),
        }
        for one in found["items"]
    ]
    empty = "No call is declared: name a folder of files with OPSTEWARD_DIRECT_CALLS."
    show.table(rows, ["name", "system", "reads", "values", "rows", "says"], empty=empty, whole=("name",))
    for one in found["problems"]:
        show.say(f"{one['file']}, line {one['line']}: {one['field']} {one['problem']}; {one['remedy']}")


@app.command("run")
def run_call(
    call: Annotated[str, typer.Argument(help="Its name.")],
    params: Annotated[
        list[str] | None, typer.Option("--params", "-p", help="Values: key=value, JSON or @FILE; may be given again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The rows that a call gives now."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.task_input import parameters
    from opsteward.client.operations import direct_calls

    found = Client().send(direct_calls.run_direct_call(call_name=call, values=parameters(params or [])))
    if as_json:
        show.as_json(found)
        return
    rows = found["rows"]
    columns = list(dict.fromkeys(name for row in rows[:100] for name in row))[:12]
    show.table(rows[:100], columns, empty="No rows.")
    more = ", of which 100 are shown; all of them: --json" if len(rows) > 100 else ""
    cut = ", and there are more than it may give" if found["cut"] else ""
    show.say(f"{len(rows)} rows from {found['system']} in {found['seconds']:.2f} s{more}{cut}")


@app.command("check")
def check_calls(
    folder: Annotated[Path, typer.Argument(help="A folder of files of direct calls.")], as_json: Json = False
) -> None:
    """Read a folder's files; each problem with its line and remedy, and exit code 1 for any."""
    from opsteward.app.direct_calls import check_direct_calls
    from opsteward.cli import show

    count, problems = check_direct_calls(folder)
    if as_json:
        show.as_json({"calls": count, "problems": problems})
    else:
        for one in problems:
            show.say(f"{one['file']}, line {one['line']}: {one['field']} {one['problem']}; {one['remedy']}")
        show.say(f"{count} calls are sound" + (f", {len(problems)} problems" if problems else ""))
    if problems:
        raise typer.Exit(1)

"""`opsteward runbooks`: files of steps, run durably or tried without effects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsteward.cli.listing import Json

if TYPE_CHECKING:
    from opsteward.core.json_types import JsonObject

app = typer.Typer(help="Runbooks: files of steps, run durably.", no_args_is_help=True)


@app.command("run")
def run(
    file: Annotated[Path, typer.Argument(help="The runbook (YAML).")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make its checks, and say of the rest what would be done.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Follow it to its end; else only its task's id is told.")] = True,
    as_json: Json = False,
) -> None:
    """Run a runbook. Exit code 1 where it stopped, or where a check of a dry run finds something else than expected."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import read_text
    from opsteward.cli.task_following import follow
    from opsteward.client import calls

    client = Client()
    params: JsonObject = {"runbook": read_text(file), "dry_run": dry_run}
    submitted = client.send(calls.create_task("troubleshooting.runbook", params, name=f"runbook {file.stem}"[:100]))
    if not wait:
        show.done(submitted, f"{submitted['id']} {submitted['status']}", json_wanted=as_json)
        return
    task = follow(client, submitted["id"])
    if as_json:
        show.as_json(task)
    result: Any = task["result_data"]
    if task["status"] != "completed" or result is None:
        if not as_json:
            show.say(f"{task['status']}: {show.plain(str(task['error'] or ''))}")
        raise typer.Exit(1)
    if not as_json:
        rows = [{**step, "ok": "yes" if step["ok"] else "NO"} for step in result["steps"]]
        show.table(rows, ["number", "kind", "ok", "told"], empty="")
        show.say(f"{result['runbook']}: {result['outcome']}")
    raise typer.Exit(0 if result["outcome"] != "stopped" and all(step["ok"] for step in result["steps"]) else 1)

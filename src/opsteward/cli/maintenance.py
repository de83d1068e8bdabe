"""`opsteward maintenance`: windows in which trouble of systems raises no alert."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="Windows in which trouble of systems raises no alert.", no_args_is_help=True)


@app.command("list")
def list_windows(limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """The windows, newest first."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/maintenance-windows",
        ["id", "active", "starts_at", "ends_at", "cron", "next_at", "reason"],
        empty="No maintenance is planned.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("starts_at", "ends_at", "next_at"),
    )


@app.command("start")
def start(
    reason: Annotated[str, typer.Argument(help="What is done; people see it.")],
    system: Annotated[str | None, typer.Option(help="Its name or id; all systems if it is left out.")] = None,
    lasting: Annotated[str, typer.Option("--for", help="How long, from now on or from each time: 30m, 2h.")] = "1h",
    cron: Annotated[str | None, typer.Option(help="Again and again at these times: '0 2 * * sun'.")] = None,
    timezone: Annotated[str, typer.Option(help="Of the cron expression.")] = "UTC",
    as_json: Json = False,
) -> None:
    """Open a window now, or plan one that recurs."""
    from datetime import UTC, datetime, timedelta

    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.durations import seconds_of
    from opsteward.cli.references import id_of

    client = Client()
    length = seconds_of(lasting)
    body: dict[str, object] = {"reason": reason}
    if system is not None:
        body["system_id"] = id_of(client, "system", system)
    if cron is None:
        body["ends_at"] = (datetime.now(UTC) + timedelta(seconds=length)).isoformat()
    else:
        body |= {"cron": cron, "timezone": timezone, "duration": int(length)}
    made = client.post("/api/v1/maintenance-windows", body)
    show.done(made, f"Planned as {made['id']}", json_wanted=as_json)


@app.command("end")
def end(
    window: Annotated[str, typer.Argument(help="Its id, or the end of it that the list shows.")], as_json: Json = False
) -> None:
    """Remove a window: what still fails is alerted from now on."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import REFUSED, Failure
    from opsteward.client.operations import systems as requests

    client = Client()
    planned = client.get("/api/v1/maintenance-windows")["items"]
    found = [one["id"] for one in planned if str(one["id"]).endswith(window.lower().lstrip("."))]
    if len(found) != 1:
        problem = "there is no such window" if not found else "several windows' ids end so"
        raise Failure(f"{window}: {problem}: opsteward maintenance list", code=REFUSED)
    client.send(requests.end_maintenance_window(found[0]))
    show.done({"id": found[0], "ended": True}, "Ended", json_wanted=as_json)

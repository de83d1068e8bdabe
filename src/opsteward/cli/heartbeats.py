"""`opsteward heartbeats`: what must call us, and is missed when it does not."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="Work that calls when it is done, and is missed when it does not.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="HEARTBEAT", help="Its name, or its id.")]


@app.command("list")
def list_heartbeats(limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """The heartbeats, newest first."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/heartbeats",
        ["name", "status", "period", "cron", "grace", "last_signal", "last_ping_at", "late_at", "id"],
        empty="No heartbeat is registered yet: opsteward heartbeats add NAME --every 1h",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("last_ping_at", "late_at"),
    )


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="As a system's: letters, digits, '.', '_' and '-'.")],
    every: Annotated[str | None, typer.Option(help="It calls at least so often: 10m, 1h, 1d.")] = None,
    cron: Annotated[str | None, typer.Option(help="It calls at these times: '0 2 * * *'.")] = None,
    timezone: Annotated[str, typer.Option(help="Of the cron expression.")] = "UTC",
    grace: Annotated[str, typer.Option(help="So much later it is missed; so long it may run.")] = "5m",
    criticality: Annotated[str, typer.Option(help="critical, standard or backup.")] = "standard",
    as_json: Json = False,
) -> None:
    """Expect a call; shows the address to call, this once."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.durations import seconds_of

    body: dict[str, object] = {"name": name, "grace": int(seconds_of(grace)), "criticality": criticality}
    if every is not None:
        body["period"] = int(seconds_of(every))
    if cron is not None:
        body |= {"cron": cron, "timezone": timezone}
    made = Client().post("/api/v1/heartbeats", body)
    show.done(made, f"Registered. At the end of its work it calls:\n{made['ping_url']}", json_wanted=as_json)


@app.command("new-key")
def new_key(heartbeat: Name, as_json: Json = False) -> None:
    """A new address to call; the old one is taken no more."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    made = client.post(f"/api/v1/heartbeats/{id_of(client, 'system', heartbeat)}/key", {})
    show.done(made, f"It calls from now on:\n{made['ping_url']}", json_wanted=as_json)


@app.command("remove")
def remove(heartbeat: Name, as_json: Json = False) -> None:
    """Expect no call any more."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import systems as requests

    client = Client()
    found = id_of(client, "system", heartbeat)
    client.send(requests.remove_heartbeat(found))
    show.done({"id": found, "removed": True}, "Removed", json_wanted=as_json)

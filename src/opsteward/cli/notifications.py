"""`opsteward notifications`: the ways to reach people, and what was told by them."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="The ways to reach people, and what was told by them.", no_args_is_help=True)

Route = Annotated[str, typer.Argument(metavar="ROUTE", help="Its name, its id, or an end of it.")]


@app.command("routes")
def list_routes(as_json: Json = False) -> None:
    """The routes, each with what became of its last notice."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/notifications/routes")["items"]
    if as_json:
        show.as_json(found)
        return
    rows = [
        {
            "name": one["name"],
            "services": ", ".join(one["services"]),
            "for": (one["operator"] or {}).get("name") or ", ".join(one["matchers"]) or "policies and reports",
            "begins": one["begins"] if one["matchers"] else None,
            "hours": one["hours"],
            "next": one["next_route"],
            "last": one["last_status"],
            "last_at": one["last_at"],
        }
        for one in found
    ]
    columns = ["name", "services", "for", "begins", "hours", "next", "last", "last_at"]
    show.table(rows, columns, empty="There is no route: what is told goes to the console and the log alone.")


@app.command("save")
def save(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    urls: Annotated[list[str] | None, typer.Argument(help="Apprise URLs; left out, those that it has stay.")] = None,
    operator: Annotated[str | None, typer.Option(help="It reaches this operator alone.")] = None,
    match: Annotated[list[str] | None, typer.Option(help="It tells of these, as severity=high; repeatable.")] = None,
    begins: Annotated[str, typer.Option(help="opened, or escalated: only when a person is needed.")] = "escalated",
    approvals: Annotated[
        bool, typer.Option("--approvals", help="It tells of plans that wait for an approval.")
    ] = False,
    next_route: Annotated[str | None, typer.Option("--next", help="Tried when this one fails.")] = None,
    group: Annotated[str, typer.Option(help="What comes within is one notice: 0s, 30s, 1h.")] = "30s",
    repeat: Annotated[str | None, typer.Option(help="Again, while nobody acknowledged: 15m.")] = None,
    report_at: Annotated[str | None, typer.Option(help="A daily report at this time, as 08:00.")] = None,
    timezone: Annotated[str, typer.Option(help="Of the report.")] = "UTC",
    as_json: Json = False,
) -> None:
    """Make a route, or change it. URLs are stored encrypted and never shown."""
    from urllib.parse import quote

    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.durations import seconds_of

    body = {
        "urls": urls or None,
        "operator": operator,
        "matchers": match or [],
        "begins": begins,
        "approvals": approvals,
        "next_route": next_route,
        "group_seconds": seconds_of(group),
        "repeat_seconds": seconds_of(repeat) if repeat else None,
        "report_at": report_at,
        "timezone": timezone,
    }
    made = Client().put(f"/api/v1/notifications/routes/{quote(name, safe='')}", body)
    show.done(made, f"Saved; try it: opsteward notifications test {name}", json_wanted=as_json)


@app.command("test")
def test(
    route: Route,
    wait: Annotated[float, typer.Option(help="Seconds to wait for what becomes of it.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Send a test by a route, and say whether it was taken."""
    import time

    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import REFUSED
    from opsteward.cli.references import one_of

    client = Client()
    items = client.get("/api/v1/notifications/routes")["items"]
    found = one_of(items, route, what="route", command="notifications routes")
    notice = client.post(f"/api/v1/notifications/routes/{found}/test")
    until = time.monotonic() + wait
    while notice["ended_at"] is None and time.monotonic() < until:
        time.sleep(0.3)
        notice = client.get(f"/api/v1/notifications/notices/{notice['id']}")
    if as_json:
        show.as_json(notice)
    elif notice["status"] == "sent":
        show.say(f"Taken by {', '.join(notice['channels'])}")
    else:
        show.note(f"It is {notice['status']}: {notice['error'] or 'still under way'}")
    if notice["status"] != "sent":
        raise typer.Exit(REFUSED)


@app.command("remove")
def remove(route: Route, as_json: Json = False) -> None:
    """Forget a route and its URLs."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import one_of

    client = Client()
    items = client.get("/api/v1/notifications/routes")["items"]
    found = one_of(items, route, what="route", command="notifications routes")
    client.delete(f"/api/v1/notifications/routes/{found}")
    show.done({"id": found, "removed": True}, "Removed", json_wanted=as_json)


@app.command("list")
def list_notices(
    incident: Annotated[str | None, typer.Option(help="Of this incident, by number or id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What was told, newest first, and what became of it."""
    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_list
    from opsteward.cli.references import id_of

    show_list(
        "/api/v1/notifications/notices",
        ["created_at", "status", "kind", "route", "told", "title", "error"],
        params={"incident_id": id_of(Client(), "incident", incident) if incident is not None else None},
        empty="Nothing was told yet.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("created_at", "status"),
    )

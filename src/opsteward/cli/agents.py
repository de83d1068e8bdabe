"""`opsteward agents`: background agents, seen and ordered about."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(help="See background agents; register, start, stop, pause and restart them.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Which = Annotated[str, typer.Argument(help="Its name, or its id.")]

_COLUMNS = ["name", "status", "interval", "runs", "failures", "restarts", "last_run", "reason"]


@app.command("list")
def list_agents(as_json: Json = False) -> None:
    """All agents, and the processes that run them."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/agents/status")
    if as_json:
        show.as_json(found)
        return
    agents = [{**one, "last_run": (one["last_run_at"] or "-")[:19]} for one in found["agents"]]
    show.table(agents, _COLUMNS, empty="No agent is registered (opsteward agents register)")
    processes = [{**one, "leader": "yes" if one["leader"] else ""} for one in found["processes"]]
    processes = [{**one, "since": one["started_at"][:19]} for one in processes]
    show.say("")
    show.table(processes, ["kind", "host", "pid", "agents", "leader", "since"], empty="No process runs agents.")
    summary = ", ".join(f"{n} {what}" for what, n in found["summary"].items() if n)
    show.say(f"Agents: {summary or 'none'}")


@app.command("show")
def show_agent(agent: Which, as_json: Json = False) -> None:
    """One agent, with the newest messages to it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    found = client.get(f"/api/v1/agents/{_id_of(client, agent)}")
    if as_json:
        show.as_json(found)
        return
    show.say(f"{found['name']}: {show.plain(found['purpose'])}")
    rows = [{"what": key, "value": value} for key, value in found.items() if key not in ("messages", "purpose", "name")]
    show.table(rows, ["what", "value"], empty="")
    show.table(found["messages"], ["sent_at", "sender", "body", "read_at"], empty="No message was sent to it.")


@app.command("kinds")
def list_kinds(as_json: Json = False) -> None:
    """The kinds of agents that can be registered."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    page = Client().get("/api/v1/agents/kinds")
    if as_json:
        show.as_json(page)
        return
    show.table(page["items"], ["kind", "interval", "wakes_on", "purpose"], empty="There is none.")


@app.command("metrics")
def show_metrics(
    name: Annotated[str, typer.Argument(help="One figure; all when none is named.")] = "",
    window: Annotated[float, typer.Option(min=1, help="Seconds back from now.")] = 3600.0,
    as_json: Json = False,
) -> None:
    """Figures of processes, database and tasks, with percentiles."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    page = Client().get("/api/v1/agents/metrics", name=name, window=window)
    if as_json:
        show.as_json(page)
        return
    numbers = ("latest", "average", "p50", "p95", "p99", "highest")
    rows = [{**one, **{key: f"{one[key]:.4g}" for key in numbers}} for one in page["items"]]
    show.table(rows, ["name", "count", *numbers], empty="Nothing was measured in this time.")


@app.command("register")
def register(
    kind: Annotated[str, typer.Argument(help="See `opsteward agents kinds`.")],
    name: Annotated[str, typer.Argument(help="How it is called from now on.")],
    interval: Annotated[float | None, typer.Option(help="Seconds between its runs; its kind's by default.")] = None,
    params: Annotated[str, typer.Option(help="Its parameters as a JSON object.")] = "{}",
    as_json: Json = False,
) -> None:
    """Register an agent; it is started at once."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    try:
        given = json.loads(params)
    except ValueError as error:
        raise typer.BadParameter(f"--params is no JSON: {error}") from None
    body: dict[str, Any] = {"kind": kind, "name": name, "params": given}
    if interval is not None:
        body["interval"] = interval
    made = Client().post("/api/v1/agents", body)
    if as_json:
        show.as_json(made)
        return
    show.say(f"Agent {made['name']} is {made['status']} ({made['id']})")


@app.command("remove")
def remove(agent: Which) -> None:
    """Stop an agent and forget it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    client.delete(f"/api/v1/agents/{_id_of(client, agent)}")
    show.say(f"Agent {agent} is removed")


@app.command("start")
def start(agent: Which, as_json: Json = False) -> None:
    """Run a stopped agent again."""
    _order(agent, "start", as_json, "is started")


@app.command("stop")
def stop(agent: Which, as_json: Json = False) -> None:
    """End it until it is started again."""
    _order(agent, "stop", as_json, "is stopped")


@app.command("restart")
def restart(agent: Which, as_json: Json = False) -> None:
    """Begin it anew, whatever it does now."""
    _order(agent, "restart", as_json, "is started anew")


@app.command("pause")
def pause(agent: Which, as_json: Json = False) -> None:
    """Begin no further run."""
    _order(agent, "pause", as_json, "is paused")


@app.command("resume")
def resume(agent: Which, as_json: Json = False) -> None:
    """Go on after a pause."""
    _order(agent, "resume", as_json, "goes on")


def _order(agent: str, order: str, as_json: bool, done: str) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    found = client.put(f"/api/v1/agents/{_id_of(client, agent)}/{order}", {})
    if as_json:
        show.as_json(found)
        return
    show.say(f"Agent {found['name']} {done}")


def _id_of(client: Any, agent: str) -> str:
    """A name is looked up; an id is taken as it is."""
    from uuid import UUID

    try:
        return str(UUID(agent))
    except ValueError:
        pass
    after: str | None = None
    while True:
        page = client.get("/api/v1/agents", after=after, limit=1000)
        for one in page["items"]:
            if one["name"] == agent:
                return str(one["id"])
        after = page["next"]
        if after is None:
            raise typer.BadParameter(f"there is no agent named {agent}")

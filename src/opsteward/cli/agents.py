"""`opsteward agents`: background agents, seen and ordered about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.core.json_types import JsonObject

app = typer.Typer(help="See background agents; register, start, stop, pause and restart them.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="Its name, or its id.")]

_COLUMNS = ["name", "status", "interval", "runs", "failures", "restarts", "last_run", "reason"]


@app.command("list")
def list_agents(
    after: Annotated[str | None, typer.Option(help="Behind the agent of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Agents by name, and the processes that run them."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.listing import fetched
    from opsteward.client.operations import agents as requests

    client = Client()
    found = client.send(requests.get_system_status(limit=1))
    most = None if every else limit + 1
    agents = fetched(client, requests.list_agents, {"after": after}, most=most, cursor=("after", "id"), page_size=1000)
    more = not every and len(agents) > limit
    found["agents"] = agents[:limit] if more else agents
    if as_json:
        show.as_json(found)
        return
    rows = [{**one, "last_run": one["last_run_at"]} for one in found["agents"]]
    show.table(rows, _COLUMNS, empty="No agent is registered (opsteward agents register)", whole=("status", "last_run"))
    if more:
        show.note(f"{limit} shown, there are more: --after {rows[-1]['id']}, --limit N or --all")
    processes = [{**one, "leader": "yes" if one["leader"] else "", "since": one["started_at"]}
                 for one in found["processes"]]  # fmt: skip
    show.say("")
    show.table(processes, ["kind", "host", "pid", "agents", "leader", "since"], empty="No process runs agents.")
    summary = ", ".join(f"{n} {what}" for what, n in found["summary"].items() if n)
    show.say(f"Agents: {summary or 'none'}")


@app.command("show")
def show_agent(agent: Which, as_json: Json = False) -> None:
    """One agent, with the newest messages to it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import agents

    client = Client()
    found = client.send(agents.get_agent(id_of(client, "agent", agent)))
    if as_json:
        show.as_json(found)
        return
    show.say(f"{found['name']}: {found['purpose']}")
    show.record((key, value) for key, value in found.items() if key not in ("messages", "purpose", "name"))
    show.table(found["messages"], ["sent_at", "sender", "body", "read_at"], empty="No message was sent to it.")


@app.command("kinds")
def list_kinds(as_json: Json = False) -> None:
    """The kinds of agents that can be registered."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import agents

    page = Client().send(agents.agent_kinds())
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
    from opsteward.client.operations import agents

    page = Client().send(agents.agent_metrics(name=name, window=window))
    if as_json:
        show.as_json(page)
        return
    numbers = ("latest", "average", "p50", "p95", "p99", "highest")
    rows = [{**one, **{k: f"{v:.4g}" for k, v in one.items() if isinstance(v, float)}} for one in page["items"]]
    show.table(rows, ["name", "count", *numbers], empty="Nothing was measured in this time.", whole=numbers)


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
    from opsteward.cli.input_files import parsed
    from opsteward.client.operations import agents

    given = cast("JsonObject", parsed(params, "--params"))  # what is no object is refused by the instance
    made = Client().send(agents.register_agent(kind=kind, name=name, params=given, interval=interval))
    if as_json:
        show.as_json(made)
        return
    show.say(f"Agent {made['name']} is {made['status']} ({made['id']})")


@app.command("remove")
def remove(agent: Which, as_json: Json = False) -> None:
    """Stop an agent and forget it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import agents

    client = Client()
    found = id_of(client, "agent", agent)
    client.send(agents.remove_agent(found))
    show.done({"id": found, "removed": True}, f"Agent {agent} is removed", json_wanted=as_json)


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
    from opsteward.cli.references import id_of
    from opsteward.client.operations import agents

    calls = {
        "start": agents.start_agent,
        "stop": agents.stop_agent,
        "restart": agents.restart_agent,
        "pause": agents.pause_agent,
        "resume": agents.resume_agent,
    }
    client = Client()
    found = client.send(calls[order](id_of(client, "agent", agent)))
    show.done(found, f"Agent {found['name']} {done}", json_wanted=as_json)

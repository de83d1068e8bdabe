"""`opsteward crew`: hand work to the crew, see who does it, why, and what came of it; its agents and its matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.client.types import AgentOut, DecisionOut, RunView, TreeOut, WorkIn

app = typer.Typer(help="Hand work to the crew; see its agents, its decisions and its results.", no_args_is_help=True)

WorkType = Annotated[str, typer.Argument(help="What to do, as crm.lead_scoring; see `opsteward crew types`.")]
Params = Annotated[
    list[str] | None, typer.Option("--params", help="Parameters: key=value, a JSON object, or @FILE; may be repeated.")
]
RequiresAi = Annotated[bool, typer.Option("--ai", help="The work needs a model's reasoning.")]
Volume = Annotated[int | None, typer.Option(help="Records it is about; counted where it is not given.")]
HowComplex = Annotated[str | None, typer.Option("--complexity", help="simple, moderate, complex or expert; derived.")]
WhichTask = Annotated[str, typer.Argument(help="The id that `crew run` told.")]
_STEP_COLUMNS = ["agent", "from", "purpose", "status", "error"]


@app.command("run")
def run(
    work: WorkType,
    params: Params = None,
    requires_ai: RequiresAi = False,
    data_volume: Volume = None,
    complexity: HowComplex = None,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    priority: Annotated[int, typer.Option(min=1, max=10, help="10 is the most urgent.")] = 5,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end and show the result.")] = True,
    as_json: Json = False,
) -> None:
    """Have work done; the delegation matrix says by whom."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    client = Client()
    body = _body(work, params, requires_ai, data_volume, complexity)
    body["description"], body["priority"] = description, priority
    taken = client.send(crew.execute_work(**body))
    if not wait:
        show.done(taken, f"Taken as {taken['task_id']}, by {taken['strategy']}", json_wanted=as_json)
        return
    from opsteward.cli.task_following import follow

    follow(client, taken["task_id"])
    found = client.send(crew.get_work(taken["task_id"]))
    if as_json:
        show.as_json(found)
    else:
        _show_work(found)
    if found["status"] != "completed":
        raise typer.Exit(1)


@app.command("plan")
def plan(
    work: WorkType,
    params: Params = None,
    requires_ai: RequiresAi = False,
    data_volume: Volume = None,
    complexity: HowComplex = None,
    as_json: Json = False,
) -> None:
    """Who would do it, why, and what it would take; nothing is done."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.plan_work(**_body(work, params, requires_ai, data_volume, complexity)))
    if as_json:
        show.as_json(found)
        return
    _show_decision(found)


@app.command("show")
def show_work(task: WhichTask, as_json: Json = False) -> None:
    """A piece of work: who did it, the path it took, its result."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.get_work(task))
    if as_json:
        show.as_json(found)
        return
    _show_work(found)


@app.command("list")
def list_work(
    domain: Annotated[str | None, typer.Option(help="Only of this domain.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Pieces of work, the newest first."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import crew

    show_pages(
        crew.list_work,
        ["task_id", "type", "status", "strategy_used", "engine", "seconds", "cost", "created_at"],
        empty="The crew has done nothing yet (opsteward crew run)",
        as_json=as_json,
        params={"domain": domain},
        limit=limit,
        every=every,
        cursor=("before", "task_id"),
        rows=lambda one: {**one, "seconds": _number(one["seconds"]), "cost": _number(one["cost"])},
    )


@app.command("cancel")
def cancel(task: WhichTask, as_json: Json = False) -> None:
    """Stop work that waits or runs."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.cancel_work(task))
    show.done(found, f"{found['type']} is {found['status']}", json_wanted=as_json)


@app.command("types")
def list_types(as_json: Json = False) -> None:
    """What the crew can do."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    page = Client().send(crew.list_work_types())
    if as_json:
        show.as_json(page)
        return
    rows = [
        {**one, "parameters": ", ".join(cast(dict[str, Any], one["parameters"]).get("properties", {}))}
        for one in page["items"]
    ]
    show.table(rows, ["type", "complexity", "agent", "summary", "parameters"], empty="There is none.")


@app.command("tree")
def tree(as_json: Json = False) -> None:
    """The agents, who delegates to whom, and what each does."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.crew_tree())
    if as_json:
        show.as_json(found)
        return
    agents = {one["agent"]["name"]: one for one in found["agents"]}
    shown: set[str] = set()
    for name in [*([found["master"]] if found["master"] else []), *agents]:
        if name not in shown:
            _branch(name, agents, "", shown)
    _tell_problems(found)


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of your own agents' files.")], as_json: Json = False
) -> None:
    """Check agents' files before they are used; no instance is needed."""
    from opsteward.app.crew import check_agents
    from opsteward.cli import show

    problems = check_agents(folder)
    if as_json:
        show.as_json(problems)
    else:
        for one in problems:
            show.say(f"{one['file']}:{one['line']}: {one['field']}: {one['problem']}; {one['remedy']}")
        if not problems:
            show.say("All agents are right")
    if problems:
        raise typer.Exit(1)


@app.command("matrix")
def matrix(as_json: Json = False) -> None:
    """The matrix by which work is delegated; the first row that fits counts."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.delegation_matrix())
    if as_json:
        show.as_json(found)
        return
    rows = [
        {
            "row": one["name"],
            "types": ", ".join(one.get("task_types") or []),
            "complexity": ", ".join(one.get("complexity") or []),
            "AI": _yes_or_no(one.get("requires_ai")),
            "several domains": _yes_or_no(one.get("multi_domain")),
            "from": one.get("volume_from"),
            "below": one.get("volume_below"),
            "strategy": one["strategy"],
        }
        for one in found["rows"]
    ]
    show.say(f"Version {found['version']}")
    show.table(rows, list(rows[0]), empty="")


@app.command("optimize")
def optimize(as_json: Json = False) -> None:
    """Put each change of the matrix that the outcomes speak for before a person."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.optimize_crew())
    if as_json:
        show.as_json(found)
        return
    for one in found["recommendations"]:
        show.say(f"{one['kind']}: {one['message']}")
    for proposed in found["proposed"]:
        show.say(f"Waits for approval (opsteward approvals list): {proposed['summary']}")
    if not found["recommendations"]:
        show.say(f"{found['outcomes']} outcomes speak for no change")


@app.command("restore-matrix")
def restore_matrix(
    version: Annotated[int, typer.Argument(min=0, help="An earlier version; 0 is the one that ships.")],
    as_json: Json = False,
) -> None:
    """Ask for an earlier version of the matrix to decide again; a person approves it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.restore_matrix(version=version))
    show.done(found, f"Waits for approval (opsteward approvals list): {found['summary']}", json_wanted=as_json)


@app.command("forget")
def forget(as_json: Json = False) -> None:
    """Erase all that the agents remember of this tenant."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    found = Client().send(crew.erase_crew_memory())
    show.done(found, f"Erased {found['erased']} notes", json_wanted=as_json)


@app.command("status")
def status(as_json: Json = False) -> None:
    """How the crew stands, what its work took in the last day, and what is amiss."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import crew

    client = Client()
    found, summary = client.send(crew.crew_status()), client.send(crew.crew_performance())
    if as_json:
        show.as_json({"status": found, "performance": summary})
        return
    show.record(cast(Mapping[str, object], found))
    total = summary["total"]
    show.say(f"In the last day: {total['runs']} done, {total['failed']} of them failed")
    for alert in summary["alerts"]:
        show.say(f"{alert['level']}: {alert['message']}; {'; '.join(alert['suggested_actions'])}")


def _body(
    work: str, params: Sequence[str] | None, requires_ai: bool, data_volume: int | None, complexity: str | None
) -> WorkIn:
    from opsteward.cli.task_input import parameters

    body: dict[str, Any] = {"type": work, "parameters": parameters(params or []), "requires_ai": requires_ai}
    if data_volume is not None:
        body["data_volume"] = data_volume
    if complexity is not None:
        body["complexity"] = complexity
    return cast("WorkIn", body)


def _show_decision(found: DecisionOut | RunView) -> None:
    from opsteward.cli import show

    show.say(f"By {found['strategy']}:")
    for reason in found["reasons"]:
        show.say(f"  {reason}")
    for one in found["not_taken"]:
        show.say(f"Not by {one['strategy']}: {one['why']}")
    estimate = found["estimate"]
    low, high = estimate["seconds_low"], estimate["seconds_high"]
    show.say(
        f"It may take {estimate['seconds']:.3g} s ({low:.3g} to {high:.3g}) and {estimate['cost']:.3g} US dollars; "
        f"{estimate['basis']}"
    )


def _show_work(found: RunView) -> None:
    from opsteward.cli import show

    _show_decision(found)
    steps = [{**step, "from": step["delegated_by"]} for step in found["plan"]]
    show.table(steps, _STEP_COLUMNS, empty="It has no steps yet.")
    for tried in found["path"]:
        show.say(f"{tried['strategy']}: {tried['outcome']}{': ' if tried['reason'] else ''}{tried['reason']}")
    if found["error"]:
        show.say(f"{found['status']}: {found['error']}")
    if found["result"] is not None:
        seconds = f"{found['seconds']:.3g} s" if found["seconds"] is not None else "from the cache"
        show.say(f"By {found['engine']} in {seconds}, {found['cost']:.3g} US dollars:")
        show.as_json(found["result"])


def _branch(name: str, agents: Mapping[str, AgentOut], indent: str, shown: set[str]) -> None:
    from opsteward.cli import show

    if name not in agents or name in shown:
        return
    shown.add(name)
    one = agents[name]
    agent, figures = one["agent"], one["figures"]
    done = f", {figures['runs']} steps in a day" if figures else ""
    busy = f", {one['busy']} under way" if one["busy"] else ""
    own = "" if agent["shipped"] else f", from {agent['file']}"
    does = ", ".join(agent["engines"])
    show.say(f"{indent}{name} ({agent['level']}): {agent['role']}: {does}{busy}{done}{own}")
    for delegate in agent["may_delegate_to"]:
        _branch(delegate, agents, f"{indent}  ", shown)


def _tell_problems(found: TreeOut) -> None:
    from opsteward.cli import show

    for one in found["problems"]:
        show.note(f"{one['file']}:{one['line']}: {one['field']}: {one['problem']}; {one['remedy']}")


def _yes_or_no(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}"

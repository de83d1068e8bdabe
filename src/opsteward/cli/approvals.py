"""`opsteward approvals | freezes`: see what waits, say yes to exactly that, or no; allow again what did not help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(help="Actions that wait for a second person.", no_args_is_help=True)
freezes = typer.Typer(help="Actions that did not help, and are not tried again for a while.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@app.command("list")
def list_approvals(
    status: Annotated[str, typer.Option(help="pending, approved, refused, expired, withdrawn or all.")] = "pending",
    as_json: Json = False,
) -> None:
    """What waits, oldest first."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    page = Client().get("/api/v1/approvals", status=status)
    if as_json:
        show.as_json(page)
        return
    rows = [{**a, "plan": (a["plan"] or {}).get("summary")} for a in page["items"]]
    show.table(
        rows, ["id", "action", "plan", "status", "requested_by", "expires_at"], empty="Nothing waits for an approval."
    )


@app.command("show")
def show_approval(approval: Annotated[str, typer.Argument(help="Its id.")], as_json: Json = False) -> None:
    """One approval with its whole plan."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get(f"/api/v1/approvals/{approval}")
    if as_json:
        show.as_json(found)
    else:
        _tell(found)


@app.command("approve")
def approve(
    approval: Annotated[str, typer.Argument(help="Its id.")],
    plan_hash: Annotated[str | None, typer.Option(help="Of the plan you have read; without it you are asked.")] = None,
    reason: Annotated[str | None, typer.Option(help="Kept with your decision.")] = None,
    as_json: Json = False,
) -> None:
    """Say yes to exactly the plan with this hash."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    if plan_hash is None:
        found = client.get(f"/api/v1/approvals/{approval}")
        _tell(found)
        typer.confirm("Approve exactly this?", abort=True)
        plan_hash = found["plan_hash"]
    answer = client.post(f"/api/v1/approvals/{approval}/approve", {"plan_hash": plan_hash, "reason": reason})
    if as_json:
        show.as_json(answer)
    else:
        show.say(f"Approval {answer['id']} is {answer['status']}")


@app.command("refuse")
def refuse(
    approval: Annotated[str, typer.Argument(help="Its id.")],
    reason: Annotated[str | None, typer.Option(help="Kept with your decision.")] = None,
    as_json: Json = False,
) -> None:
    """Say no."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    answer = Client().post(f"/api/v1/approvals/{approval}/refuse", {"reason": reason})
    if as_json:
        show.as_json(answer)
    else:
        show.say(f"Approval {answer['id']} is {answer['status']}")


@freezes.command("list")
def list_freezes(as_json: Json = False) -> None:
    """What is not tried at present, because it did not help."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    page = Client().get("/api/v1/freezes")
    if as_json:
        show.as_json(page)
    else:
        show.table(page["items"], ["action", "reason", "until", "id"], empty="Nothing is frozen.")


@freezes.command("lift")
def lift_freeze(freeze: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Allow the action on that target again."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    Client().post(f"/api/v1/freezes/{freeze}/lift")
    show.say("Lifted")


def _tell(found: dict[str, Any]) -> None:
    from opsteward.cli import show

    plan = found["plan"] or {}
    show.say(f"{found['action']}: {show.plain(plan.get('summary'))}")
    show.say(f"  because  {show.plain(found['reason'])}")
    for step in plan.get("steps", []):
        show.say(f"  step     {show.plain(step)}")
    for thing in plan.get("objects", []):
        show.say(f"  touches  {show.plain(thing)}")
    show.say(f"  undo     {plan.get('undo', '-')}")
    show.say(f"  asked by {show.plain(found['requested_by'])}, expires {found['expires_at']}")
    show.say(f"  hash     {found['plan_hash']}")
    if making := found["making"]:
        whom = "you are" if found["status"] == "pending" else "who decided is"
        word = "refused" if making["refused"] else "marked"
        show.say(f"  {word}: {whom} of the requester's making: {show.plain(making['told'])}")

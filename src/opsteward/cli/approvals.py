"""`opsteward approvals | freezes`: see what waits, say yes to exactly that, or no; allow again what did not help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="Actions that wait for a second person.", no_args_is_help=True)
freezes = typer.Typer(help="Actions that did not help, and are not tried again for a while.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id, or the end of it that lists show.")]


@app.command("list")
def list_approvals(
    status: Annotated[str, typer.Option(help="pending, approved, refused, expired, withdrawn or all.")] = "pending",
    action: Annotated[str | None, typer.Option(help="Only of this action.")] = None,
    after: Annotated[str | None, typer.Option(help="Younger than the approval of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What waits, oldest first."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/approvals",
        ["id", "action", "status", "plan", "requested_by", "expires_at"],
        params={"status": status, "action": action, "after": after},
        empty="Nothing waits for an approval." if status == "pending" else "No approval is like that.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        page_size=500,
        whole=("status", "expires_at"),
        rows=lambda one: {**one, "plan": (one["plan"] or {}).get("summary")},
    )


@app.command("show")
def show_approval(approval: Which, as_json: Json = False) -> None:
    """One approval with its whole plan."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    found = client.get(f"/api/v1/approvals/{id_of(client, 'approval', approval)}")
    if as_json:
        show.as_json(found)
    else:
        _tell(client, found)


@app.command("approve")
def approve(
    approval: Which,
    plan_hash: Annotated[str | None, typer.Option(help="Of the plan you have read; without it you are asked.")] = None,
    reason: Annotated[str | None, typer.Option(help="Kept with your decision.")] = None,
    as_json: Json = False,
) -> None:
    """Say yes to exactly the plan with this hash."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    path = f"/api/v1/approvals/{id_of(client, 'approval', approval)}"
    if plan_hash is None:
        found = client.get(path)
        _tell(client, found)
        typer.confirm("Approve exactly this?", abort=True)
        plan_hash = found["plan_hash"]
    answer = client.post(f"{path}/approve", {"plan_hash": plan_hash, "reason": reason})
    if as_json:
        show.as_json(answer)
    else:
        show.say(f"Approval {answer['id']} is {answer['status']}")


@app.command("refuse")
def refuse(
    approval: Which,
    reason: Annotated[str | None, typer.Option(help="Kept with your decision.")] = None,
    as_json: Json = False,
) -> None:
    """Say no."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    answer = client.post(f"/api/v1/approvals/{id_of(client, 'approval', approval)}/refuse", {"reason": reason})
    if as_json:
        show.as_json(answer)
    else:
        show.say(f"Approval {answer['id']} is {answer['status']}")


@freezes.command("list")
def list_freezes(limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """What is not tried at present, because it did not help."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/freezes",
        ["id", "action", "until", "reason"],
        empty="Nothing is frozen.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("until",),
    )


@freezes.command("lift")
def lift_freeze(
    freeze: Annotated[str, typer.Argument(help="Its id, or the end of it that the list shows.")],
    as_json: Json = False,
) -> None:
    """Allow the action on that target again."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    found = id_of(client, "freeze", freeze)
    client.post(f"/api/v1/freezes/{found}/lift")
    show.done({"id": found, "lifted": True}, "Lifted", json_wanted=as_json)


def _tell(client: Any, found: dict[str, Any]) -> None:
    from opsteward.cli import actors, show

    plan = found["plan"] or {}
    show.say(f"{found['action']}: {show.cell(plan.get('summary'))}")
    lines = [("because", found["reason"])]
    lines += [("step", step) for step in plan.get("steps", [])]
    lines += [("touches", thing) for thing in plan.get("objects", [])]
    lines += [
        ("undo", plan.get("undo")),
        ("asked by", actors.in_words(client, found["requested_by"])),
        ("status", found["status"]),
        ("expires", found["expires_at"]),
        ("hash", found["plan_hash"]),
    ]
    if found.get("decided_by"):
        lines.append(("decided by", actors.in_words(client, found["decided_by"])))
    if making := found.get("making"):
        whom = "you are" if found["status"] == "pending" else "who decided is"
        word = "refused" if making["refused"] else "marked"
        lines.append((word, f"{whom} of the requester's making: {making['told']}"))
    show.record(lines)

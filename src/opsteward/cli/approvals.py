"""`opsteward approvals`: see what waits, say yes to exactly that, or no, to one or to several."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="Actions that wait for a second person.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id, or the end of it that lists show.")]
Some = Annotated[list[str], typer.Argument(metavar="APPROVAL...", help="Their ids, or the ends of them.")]
Reason = Annotated[str | None, typer.Option(help="Kept with your decision.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask: what is shown is what you decide on.")]


@app.command("list")
def list_approvals(
    status: Annotated[
        list[str] | None,
        typer.Option(help="pending (if none is given), approved, refused, expired, withdrawn or all; repeatable."),
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="Words in the action, its plan, its reason or its system, of the newest 20,000.")
    ] = None,
    risk: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    action: Annotated[str | None, typer.Option(help="Only of this action, or of all of it: postgresql.")] = None,
    system: Annotated[str | None, typer.Option(help="On this system, by name or id.")] = None,
    requester: Annotated[str | None, typer.Option(help="Asked for by this operator or standing order.")] = None,
    incident: Annotated[str | None, typer.Option(help="For this incident, by number or id.")] = None,
    older_than: Annotated[str | None, typer.Option(help="Requested longer ago than this: 30m, 12h.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    after: Annotated[str | None, typer.Option(help="Behind the approval of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What waits, oldest first."""
    from opsteward.cli.client import Client
    from opsteward.cli.durations import instant_before
    from opsteward.cli.listing import show_list
    from opsteward.cli.references import id_of

    params = {
        "status": status,
        "search": search,
        "risk": risk,
        "action": action,
        "system_id": id_of(Client(), "system", system) if system is not None else None,
        "requester": requester,
        "incident_id": id_of(Client(), "incident", incident) if incident is not None else None,
        "until": instant_before(older_than),
        "order": "newest" if newest else None,
        "after": after,
    }
    given = any(value is not None for value in params.values())
    show_list(
        "/api/v1/approvals",
        ["id", "risk", "status", "what", "system", "requested_by", "expires_at", "decided_by", "reason", "action"],
        params=params,
        empty="No approval is like that." if given else "Nothing waits for an approval.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        page_size=500,
        whole=("status", "risk", "expires_at"),
        rows=_row,
    )


def _row(one: dict[str, Any]) -> dict[str, Any]:
    from opsteward.cli.actors import told

    card, decision = one["card"], one["decision"] or {}
    return {
        **one,
        "risk": card["risk"],
        "what": card["what"],
        "system": (card["system"] or {}).get("name"),
        "requested_by": told(one["requester"]),
        "decided_by": told(decision.get("by")),
        "reason": decision.get("reason"),
    }


@app.command("count")
def count_approvals(as_json: Json = False) -> None:
    """How many wait, by risk, and how many were decided."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = Client().get("/api/v1/approvals/counts")
    if as_json:
        show.as_json(found)
        return
    by_risk = ", ".join(f"{number} {risk}" for risk, number in sorted(found["pending_by_risk"].items()))
    show.record([("pending", f"{found['pending']}{f' ({by_risk})' if by_risk else ''}")])
    show.record({k: v for k, v in sorted(found["by_status"].items()) if k != "pending"})


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
        _tell(found, whole=True)


@app.command("approve")
def approve(
    approvals: Some,
    plan_hash: Annotated[
        str | None, typer.Option(help="Of the plan you have read, for one approval; without it you are asked.")
    ] = None,
    reason: Reason = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Say yes to exactly the plans that are shown; each has its own answer."""
    _decide("approve", approvals, plan_hash=plan_hash, reason=reason, yes=yes, as_json=as_json)


@app.command("refuse")
def refuse(approvals: Some, reason: Reason = None, yes: Yes = False, as_json: Json = False) -> None:
    """Say no; of several, each has its own answer."""
    _decide("refuse", approvals, plan_hash=None, reason=reason, yes=yes, as_json=as_json)


def _decide(
    verdict: str, names: list[str], *, plan_hash: str | None, reason: str | None, yes: bool, as_json: bool
) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import REFUSED, Failure
    from opsteward.cli.references import id_of

    client = Client()
    ids = list(dict.fromkeys(id_of(client, "approval", name) for name in names))
    if plan_hash is not None and len(ids) > 1:
        raise Failure("--plan-hash: is of one plan, and you named several: leave it out")
    if plan_hash is None and (verdict == "approve" or len(ids) > 1):
        found = [client.get(f"/api/v1/approvals/{one}") for one in ids]
        hashes = {one["id"]: one["plan_hash"] for one in found}
        _ask(verdict, found, yes=yes, silent=as_json)
    else:
        hashes = {ids[0]: plan_hash}
    if len(ids) == 1:
        body = {"reason": reason} | ({"plan_hash": hashes[ids[0]]} if hashes[ids[0]] is not None else {})
        answer = client.post(f"/api/v1/approvals/{ids[0]}/{verdict}", body)
        if as_json:
            show.as_json(answer)
        else:
            show.say(f"Approval {answer['id']} is {answer['status']}")
        return
    items = [{"id": one, "plan_hash": hashes[one]} for one in ids]
    answer = client.post("/api/v1/approvals/decide", {"verdict": verdict, "items": items, "reason": reason})
    if as_json:
        show.as_json(answer)
    else:
        show.table(answer["items"], ["id", "outcome", "what", "detail"], empty="", whole=("outcome",))
        show.say(f"{answer['decided']} decided, {answer['not_decided']} not")
    if answer["not_decided"]:
        raise typer.Exit(REFUSED)


def _ask(verdict: str, found: list[dict[str, object]], *, yes: bool, silent: bool) -> None:
    """Show each card, and ask once. Where nobody can answer, what is decided must have been said before."""
    from opsteward.cli import show
    from opsteward.cli.failures import Failure

    if not silent:
        for number, one in enumerate(found):
            if number:
                show.say("")
            _tell(one, whole=False)
    if yes:
        return
    if not sys.stdin.isatty():
        how = "--yes, or --plan-hash with the hash of the plan you have read" if len(found) == 1 else "--yes"
        raise Failure(f"nobody can be asked here: give {how}")
    which = "exactly this" if len(found) == 1 else f"exactly these {len(found)}"
    typer.confirm(f"{verdict.capitalize()} {which}?", abort=True)


def _tell(found: dict[str, Any], *, whole: bool) -> None:
    """The card, with `whole` its details too."""
    from opsteward.cli import show
    from opsteward.cli.actors import told

    card, plan = found["card"], found["plan"] or {}
    show.say(f"{found['action']}: {card['what']}")
    lines: list[tuple[str, Any]] = [("on", (card["system"] or {}).get("name")), ("because", card["why"])]
    if card["incident"]:
        lines.append(("incident", f"{card['incident']['number']} {card['incident']['title']}"))
    lines.append(("risk", f"{card['risk']}: {card['risk_meaning']}"))
    objects = plan.get("objects", []) if whole else card["objects"]
    lines += [("touches", thing) for thing in objects]
    if card["object_count"] > len(objects):
        lines.append(("and", f"{card['object_count'] - len(objects)} more"))
    if whole:
        lines += [("step", step) for step in plan.get("steps", [])]
    lines += [
        ("undo", card["irreversible"] or "can be undone"),
        ("asked by", told(found["requester"])),
        ("status", found["status"]),
        ("expires", found["expires_at"]),
        ("id", found["id"]),
        ("hash", found["plan_hash"]),
    ]
    lines += _decided(found)
    show.record(lines)


def _decided(found: dict[str, Any]) -> list[tuple[str, Any]]:
    from opsteward.cli.actors import told

    lines: list[tuple[str, Any]] = []
    if decision := found["decision"]:
        lines.append(("decided by", told(decision["by"]) or "nobody"))
        lines.append(("decided at", decision["at"]))
        if decision["reason"]:
            lines.append(("for", decision["reason"]))
    if making := found.get("making"):
        whom = "you are" if found["status"] == "pending" else "who decided is"
        word = "refused" if making["refused"] else "marked"
        lines.append((word, f"{whom} of the requester's making: {making['told']}"))
    return lines

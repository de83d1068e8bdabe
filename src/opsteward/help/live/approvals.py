"""Questions about approvals, the actions they are for, and what is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from opsteward.accounts.actors import actors_of
from opsteward.accounts.permissions import ROLES
from opsteward.actions.approval_types import ApprovalFilter, ApprovalInFull
from opsteward.actions.types import ROUTINE_ACTIONS, ActionView, FreezeView
from opsteward.help.live.asking import Asking, Found, at, cited, listed
from opsteward.help.live.names import meant_of, parts_of
from opsteward.help.words import terms

_READ_LIMIT = 200


async def answer(ask: Asking) -> Found | None:
    """What waits for a decision, or who decided what."""
    q = ask.question
    decided = q.says("approved", "refused", "rejected", "denied", "decided") or (q.who and q.has("approve", "denied"))
    operator = next(iter(ask.named.operators), None)
    decided = decided or (operator is not None and q.says("did", "has", "given", "gave", "granted", "give"))
    by_anyone = q.says("did", "has anyone", "has anybody", "has somebody") and not q.mine
    decided = decided or (by_anyone and q.has("approve"))
    asked = q.has("requested", "asked for", "ask for", "request") and (q.who or operator is not None)
    if decided and q.has("waits", "waiting", "pending", "still", "need", "needs", "open", "be approved"):
        decided = False
    statuses: tuple[str, ...] = ("pending",)
    if decided or asked:
        statuses = ("refused",) if q.has("denied") else ("approved",) if decided else ()
    elif q.says("expired"):
        statuses = ("expired",)
    incident = ask.named.incident
    found = await ask.sources.approvals.page(
        ask.session,
        wanted=ApprovalFilter(
            statuses=statuses,
            system_id=ask.system.id if ask.system else None,
            incident_id=incident.id if incident else None,
            requesters=[f"operator:{one.id}" for one in ask.named.operators] if asked and ask.named.operators else None,
        ),
        by=ask.by,
        newest_first=True,
        limit=_READ_LIMIT,
    )
    if q.period is not None and statuses != ("pending",):
        found = [one for one in found if q.period.holds(one.decided_at or one.requested_at)]
    if operator is not None and decided and not asked:
        found = [one for one in found if one.decision and one.decision.by and one.decision.by.id == str(operator.id)]
    found = _about(ask, found)
    if statuses == ("pending",):
        return _waiting(ask, found)
    word = {"refused": "refused", "approved": "approved", "expired": "expired"}.get(
        statuses[0] if statuses else "", "asked for"
    )
    text = listed(
        found,
        lambda one: _decided(one, asked=asked),
        none=f"Nothing was {word}{f' {q.period.words}' if q.period else ''}.",
        one=_decided(found[0], asked=asked) if found else "",
        many=f"{{n}} were {word}, the newest first:",
    )
    text = text.split("\n")[0] if len(found) == 1 else text
    return Found(
        text=text,
        citations=[cited(one.card.what, f"/approvals/{one.id}", _decided(one, asked=asked)) for one in found[:3]]
        or [cited("Approvals", "/approvals", text)],
    )


def _about(ask: Asking, found: list[ApprovalInFull]) -> list[ApprovalInFull]:
    """Those whose action is named by its words."""
    q = ask.question
    stems = q.stems

    def named(one: ApprovalInFull) -> int:
        return len(set(terms(f"{one.action} {one.card.what}")) & stems)

    most = max((named(one) for one in found), default=0)
    return [one for one in found if named(one) == most] if most else found


def _waiting(ask: Asking, found: list[ApprovalInFull]) -> Found:
    q = ask.question
    mine = q.mine
    others = [one for one in ask.named.operators if q.says("for", "from", "by") or q.says("can", "may", "must")]
    for operator in others[:1]:
        found = [one for one in found if one.requested_by != f"operator:{operator.id}"]
        if not any("approvals.decide" in ROLES.get(role, ()) for role in operator.roles):
            text = f"{operator.name} may not decide approvals; {len(found)} wait."
            return Found(text=text, citations=[cited("Approvals", "/approvals", text)])
    if mine:
        found = [one for one in found if one.requested_by != ask.by.actor]
    text = listed(
        found,
        lambda one: (
            f"{one.card.what} (risk {one.card.risk}, asked for by {one.requester.told}, until {at(one.expires_at)})"
        ),
        none="Nothing waits for an approval.",
        one="1 approval waits:",
        many="{n} approvals wait:",
        more=len(found) == _READ_LIMIT,
    )
    if mine and not ask.by.may("approvals.decide"):
        text += "\nYou may not decide them yourself."
    citations = [cited(one.card.what, f"/approvals/{one.id}", one.card.why or one.card.what) for one in found[:3]]
    return Found(text=text, citations=citations or [cited("Approvals", "/approvals", text)])


def _decided(one: ApprovalInFull, *, asked: bool) -> str:
    if asked or one.decision is None:
        return f"{one.card.what}: asked for by {one.requester.told} at {at(one.requested_at)}, {one.status}."
    who = one.decision.by.told if one.decision.by else "nobody"
    why = f" Reason: {one.decision.reason}." if one.decision.reason else ""
    return f"{one.card.what}: {one.decision.status} by {who} at {at(one.decision.at)}.{why}"


async def actions(ask: Asking) -> Found | None:
    """What was done on outside systems."""
    q = ask.question
    incident = ask.named.incident
    found = await ask.sources.actions.list_runs(
        ask.session, incident_id=incident.id if incident else None, include_routine=False, limit=_READ_LIMIT
    )
    found = [one for one in found if one.action not in ROUTINE_ACTIONS]
    if ask.system is not None:
        found = [one for one in found if one.system_id == ask.system.id]
    if own := ask.named.things.get("approvals.actions"):
        found = [one for one in found if one.action in own or one.action.split(".")[-1] in own]
    about = await _incidents_then(ask) if incident is None else []
    if about:
        found = [one for one in found if one.incident_id in about]
    elif q.period is not None:
        found = [one for one in found if q.period.holds(one.executed_at or one.created_at)]
    for operator in ask.named.operators[:1]:
        found = [one for one in found if one.requested_by == f"operator:{operator.id}"]
    orders = {one.standing_order for one in found if one.standing_order}
    named = {one.name for one in meant_of(orders, parts_of(q.text), ()) if one.whole}
    if named:
        found = [one for one in found if one.standing_order in named]
    elif q.has("orders", "standing orders"):
        found = [one for one in found if one.standing_order]
    kind = ""
    if q.has("failed", "fail", "did not work"):
        found, kind = [one for one in found if one.status in ("failed", "undone")], " that failed"
    if q.has("last", "latest", "most recent") and q.period is None:
        found = found[:1]
    names = await ask.sources.inventory.names_of(
        ask.session, system_ids={one.system_id for one in found if one.system_id}
    )
    who = await actors_of(ask.session, [one.requested_by for one in found])

    def say(one: ActionView) -> str:
        on = f" on {names[one.system_id]}" if one.system_id in names else ""
        when, asker = at(one.ended_at or one.created_at), who(one.requested_by).told
        summary = str((one.plan or {}).get("summary") or "")
        what = f"{one.action}{on}" + (f" ({summary})" if summary else "")
        return f"{what}: {one.status} {when}, asked for by {asker}" + (f": {one.error}" if one.error else "")

    where = f" on {ask.system.name}" if ask.system else ""
    when = f" {q.period.words}" if q.period else ""
    text = listed(
        found, say, none=f"There were no actions{kind}{where}{when}.", one=f"1 action{kind}{where}{when}:",
        many=f"{{n}} actions{kind}{where}{when}:", more=len(found) == _READ_LIMIT,
    )  # fmt: skip
    citations = [
        cited(one.action, f"/incidents/{one.incident_id}" if one.incident_id else "/approvals", say(one))
        for one in found[:3]
    ]
    return Found(text=text, citations=citations or [cited("Approvals", "/approvals", text)])


async def _incidents_then(ask: Asking) -> list[UUID]:
    """Those of the period that is named, where what was done about them is asked for."""
    q = ask.question
    if q.period is None or not q.has("incident", "outage", "problem", "trouble", "issue", "alert"):
        return []
    if not ask.by.may("incidents.read"):
        return []
    page = await ask.sources.incidents.page(ask.session, since=q.period.since, until=q.period.until, limit=_READ_LIMIT)
    return [one.id for one in page if ask.system is None or one.system_id == ask.system.id]


async def freezes(ask: Asking) -> Found | None:
    """What must not be done again for now."""
    found = await ask.sources.actions.list_freezes(ask.session)
    if ask.system is not None:
        found = [one for one in found if one.system_id == ask.system.id]
    on = f" on {ask.system.name}" if ask.system is not None else ""
    names = await ask.sources.inventory.names_of(
        ask.session, system_ids={one.system_id for one in found if one.system_id}
    )
    text = listed(
        found,
        lambda one: f"{one.action} on {_system(one, names)} until {at(one.until)}: {one.reason}",
        none=f"Nothing is frozen{on}.",
        one="1 action is frozen:",
        many="{n} actions are frozen:",
    )
    return Found(text=text, citations=[cited("Approvals", "/approvals", text)])


def _system(one: FreezeView, names: Mapping[UUID, str]) -> str:
    return names.get(one.system_id, "a removed system") if one.system_id else "no system"

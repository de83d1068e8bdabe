"""Questions about on-call, silences, agents, standing orders, syncs, pauses and what was changed by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from opsteward.accounts.actors import actors_of
from opsteward.accounts.audit_reading import AuditEntryInFull, AuditFilter, read_audit
from opsteward.help.live.asking import Asking, Found, at, cited, listed
from opsteward.help.live.names import meant_of, parts_of
from opsteward.help.live.periods import Period
from opsteward.oncall import schedules
from opsteward.oncall.types import ScheduleView
from opsteward.provisioning.sync import queries as syncs
from opsteward.provisioning.sync import summaries
from opsteward.tasks import controls

_READ_LIMIT = 200
_OF_AGENTS = ("running", "failed", "degraded", "paused", "stopped")
_OF_GAPS = ("gap", "gaps", "nobody", "uncovered")
_OF_SYNCS = {"failed": ("failed", "failing", "broken"), "succeeded": ("succeeded", "completed", "worked")}
#: Words of questions about on-call that name no schedule.
_WORDS_OF_ONCALL = """
    on call oncall who is now next team tonight today tomorrow week page duty shift
"""
_OF_ONCALL = frozenset(_WORDS_OF_ONCALL.split())
#: What is said of an order that asked for an action.
_FIRED = ("fired", "fire", "triggered", "trigger", "executed", "kicked in", "went off", "acted", "ran")
_RUNS_LIMIT = 1_000
_DAYS = 30
_NOT_NEWS = ("sign_in", "session.", "token.used", "help.")


async def oncall(ask: Asking) -> Found | None:
    """Who is on call now or then, and who comes next."""
    q = ask.question
    found = await schedules.list_schedules(ask.session)
    meant = {one.name for one in meant_of([one.name for one in found], parts_of(q.text), _OF_ONCALL)}
    named = [one for one in found if one.name in meant] or found
    if not named:
        return Found(text="There is no on-call schedule.", citations=[cited("On call", "/oncall")])
    lines = [_shift(ask, one) for one in named]
    return Found(
        text="\n".join(lines),
        citations=[cited(f"On call: {one.name}", "/oncall", line) for one, line in zip(named[:3], lines, strict=False)],
        denied=bool(ask.named.operators) or q.has(*_OF_GAPS),
    )


def _shift(ask: Asking, one: ScheduleView) -> str:
    q = ask.question
    if q.has(*_OF_GAPS):
        spans = "; ".join(f"{at(gap.starts_at)} to {at(gap.ends_at)}" for gap in one.gaps)
        return (
            f"{one.name}: nobody is on call {spans}." if spans else f"{one.name}: there are no gaps in the days ahead."
        )
    for operator in ask.named.operators[:1]:
        own = [shift for shift in one.shifts if shift.operator is not None and shift.operator.id == str(operator.id)]
        if q.has("when") and not q.has("after", "follows"):
            spans = "; ".join(f"{at(shift.starts_at)} to {at(shift.ends_at)}" for shift in own[:3])
            return f"{one.name}: {operator.name} is on call {spans}." if own else f"{one.name}: {operator.name} is not."
        if q.has("next", "after", "takes over", "follows"):
            others = [shift for shift in one.shifts if own and shift.starts_at >= own[0].ends_at and shift not in own]
            then = next((shift for shift in others if shift.operator is not None), None)
            if then is None or then.operator is None:
                return f"{one.name}: nobody is planned after {operator.name}."
            return f"{one.name}: after {operator.name}, {then.operator.told} is on call from {at(then.starts_at)} on."
        held = one.now is not None and one.now.id == str(operator.id)
        return f"{one.name}: {operator.name} is {'' if held else 'not '}on call now."
    if q.has("next", "after", "takes over", "follows"):
        later = [shift for shift in one.shifts if shift.starts_at > q.now and shift.operator is not None]
        changed = [shift for shift in later if one.now is None or shift.operator != one.now]
        following = next(iter(changed or later), None)
        if following is None or following.operator is None:
            return f"{one.name}: nobody is planned next."
        span = f"from {at(following.starts_at)} to {at(following.ends_at)}"
        return f"{one.name}: next on call is {following.operator.told}, {span}."
    moment = None
    if q.has("tomorrow"):
        moment = (q.now + timedelta(days=1)).replace(hour=12, minute=0)
    elif q.period is not None and q.period.until <= q.now:
        return f"{one.name}: who was on call {q.period.words} is not kept."
    elif q.period is not None and q.period.since > q.now:
        moment = q.period.since + timedelta(hours=12)
    if moment is not None:
        shift = next((shift for shift in one.shifts if shift.starts_at <= moment < shift.ends_at), None)
        who = shift.operator.told if shift and shift.operator else "nobody"
        return f"{one.name}: on call at {at(moment)} is {who}."
    who = one.now.told if one.now else "nobody"
    return f"{one.name}: {who} is on call now" + (f", until {at(one.until)}." if one.until else ".")


async def silences(ask: Asking) -> Found | None:
    """What is kept quiet, by whom and until when."""
    found = await ask.sources.muting.silences(ask.session, status="active")
    system = ask.system
    if system is not None:
        found = [one for one in found if any(system.name.casefold() in part.casefold() for part in one.matchers)]
    of = f" of {system.name}" if system is not None else ""
    text = listed(
        found,
        lambda one: (
            f"{', '.join(one.matchers)} until {at(one.ends_at)} by {one.created_by.told}: {one.reason}"
            f" ({one.muted_incidents} open incidents)"
        ),
        none=f"Nothing{of} is silenced.",
        one=f"1 silence{of} is active:",
        many=f"{{n}} silences{of} are active:",
    )
    return Found(text=text, citations=[cited("Silences", "/silences", text)])


async def agents(ask: Asking) -> Found | None:
    """Which background agents there are, and how they are."""
    q = ask.question
    found = await ask.sources.agents.page(ask.session)
    own = ask.named.things.get("operations.agents", ())
    named = [one for one in found if one.name in own]
    for word in _OF_AGENTS:
        if q.has(word) and not named:
            found = [one for one in found if (one.status == word) is not q.denies(word)]
    if q.has("unhealthy", "trouble", "broken") and not named:
        found = [one for one in found if one.status in ("failed", "degraded", "stopped", "paused")]
    found = named or found
    text = listed(
        found,
        lambda one: (
            f"{one.name} ({one.kind}): {one.status}"
            + (f", {one.reason}" if one.reason else "")
            + f", last run {at(one.last_run_at)}"
        ),
        none="There are no such agents.",
        one="1 agent:",
        many="{n} agents:",
    )
    return Found(text=text, citations=[cited("Agents", "/agents", text)], denied=bool(named) or q.denies(*_OF_AGENTS))


async def standing_orders(ask: Asking) -> Found | None:
    """Which standing orders are in force."""
    in_force = await ask.sources.orders.in_force(ask.session)
    if ask.question.has(*_FIRED):
        return await _fired(ask, [one.name for one in in_force.orders])
    text = listed(
        list(in_force.orders),
        lambda one: f"{one.name}: {one.action}" + (f", approval {one.approval}" if hasattr(one, "approval") else ""),
        none="There are no standing orders: the decision table decides alone.",
        one="1 standing order is in force:",
        many="{n} standing orders are in force:",
    )
    if in_force.version and ask.question.has("who", "when", "version", "changed", "applied"):
        who = (await actors_of(ask.session, [in_force.applied_by]))(in_force.applied_by)
        text = f"Version {in_force.version} was applied by {who.told} at {at(in_force.applied_at)}.\n{text}"
    return Found(text=text, citations=[cited("Standing orders", "/standing-orders", text)])


async def _fired(ask: Asking, orders: Sequence[str]) -> Found:
    """Which orders asked for actions, and how often; or which did not."""
    q = ask.question
    period = q.period or Period(q.now - timedelta(days=_DAYS), q.now, f"in the last {_DAYS} days")
    runs = await ask.sources.actions.list_runs(ask.session, limit=_RUNS_LIMIT)
    held = [one for one in runs if one.standing_order and period.holds(one.created_at)]
    counts = Counter(one.standing_order for one in held if one.standing_order)
    own = {one.name for one in meant_of({*orders, *counts}, parts_of(q.text), ()) if one.whole}
    never = sorted(set(orders) - set(counts))
    if q.negated or q.has("never"):
        text = f"{', '.join(never)}: not once {period.words}." if never else f"All orders fired {period.words}."
    else:
        lines = [f"- {name}: {count} times" for name, count in counts.most_common() if not own or name in own]
        total = sum(count for name, count in counts.items() if not own or name in own)
        text = f"Standing orders fired {total} times {period.words}{':' if lines else '.'}"
        text = "\n".join([text, *lines])
    if len(runs) == _RUNS_LIMIT:
        text += f"\nOf the newest {_RUNS_LIMIT} actions."
    return Found(text=text, citations=[cited("Standing orders", "/standing-orders", text)], denied=True)


async def sync_state(ask: Asking) -> Found | None:
    """How the syncs stand, and which conflicts are open."""
    mappings, period = await syncs.list_mappings(ask.session), ask.question.period
    own = ask.named.things.get("operations.sync_state", ())
    named = [one for one in mappings if one.name in own] or mappings
    latest = await summaries.latest_operations(ask.session, [one.id for one in named])
    conflicts = await summaries.open_conflicts(ask.session, [one.id for one in named])
    if period is not None and not own:
        named = [one for one in named if one.id in latest and period.holds(latest[one.id].started_at)]
    q, denied = ask.question, bool(own)
    for state, words in _OF_SYNCS.items():
        if q.has(*words) and not own:
            denied = q.denies(*words)
            named = [one for one in named if one.id in latest and (latest[one.id].status == state) is not denied]
    if ask.question.has("conflict", "conflicts") and not own:
        named = [one for one in named if conflicts.get(one.id)]
    text = listed(
        named,
        lambda one: (
            f"{one.name}: "
            + (
                f"{latest[one.id].status} {at(latest[one.id].ended_at or latest[one.id].started_at)}"
                if one.id in latest
                else "never run"
            )
            + (f", {conflicts[one.id]} open conflicts" if conflicts.get(one.id) else "")
            + (f": {latest[one.id].error}" if one.id in latest and latest[one.id].error else "")
        ),
        none="There are no such syncs.",
        one="1 sync:",
        many="{n} syncs:",
    )
    return Found(text=text, citations=[cited("Syncs", "/syncs", text)], denied=denied)


async def pauses(ask: Asking) -> Found | None:
    """What is stopped by the emergency controls."""
    found = await controls.in_force(ask.session)
    who = await actors_of(ask.session, [one.paused_by for one in found])
    text = listed(
        found,
        lambda one: f"{one.scope.replace('_', ' ')} {one.target}".strip()
        + f", by {who(one.paused_by).told} at {at(one.paused_at)}"
        + (f": {one.reason}" if one.reason else ""),
        none="Nothing is paused.",
        one="1 pause is in force:",
        many="{n} pauses are in force:",
    )  # fmt: skip
    return Found(text=text, citations=[cited("Overview", "/", text)])


async def changes(ask: Asking) -> Found | None:
    """What people and rules changed, as the audit log has it."""
    q = ask.question
    period = q.period
    operator = next(iter(ask.named.operators), None)
    thing = ask.system or ask.user
    found = await read_audit(
        ask.session,
        wanted=AuditFilter(
            actor=str(operator.id) if operator else ask.by.operator_name if q.has("i", "my") else None,
            object_id=str(thing.id) if thing else None,
            verb=_verb(ask),
            since=period.since if period else None,
            until=period.until if period else None,
        ),
        limit=_READ_LIMIT,
    )
    found = [one for one in found if not one.verb.startswith(_NOT_NEWS)]
    by = f" by {operator.name}" if operator else ""
    of = f" of {getattr(thing, 'name', None) or getattr(thing, 'username', '')}" if thing else ""
    when = f" {period.words}" if period else ""
    if q.has("last", "latest") and period is None:
        found = found[:1]
    text = listed(
        found,
        _entry,
        none=f"Nothing was changed{of}{by}{when}.",
        one=f"1 change{of}{by}{when}:",
        many=f"{{n}} changes{of}{by}{when}, the newest first:",
        more=len(found) == _READ_LIMIT,
    )
    return Found(text=text, citations=[cited("Audit", "/audit", text.split("\n")[0])])


def _verb(ask: Asking) -> str | None:
    q = ask.question
    for words, verb in (
        (("standing order", "standing orders"), "standing_orders"),
        (("permission denied", "denied"), "permission"),
    ):
        if q.has(*words):
            return verb
    return None


def _entry(one: AuditEntryInFull) -> str:
    what = one.verb.replace(".", " ").replace("_", " ")
    name = one.detail.get("name") or one.detail.get("username") or ""
    return f"{at(one.at)}: {what} {name}".rstrip() + f", by {one.who.told}" + (f" ({one.reason})" if one.reason else "")

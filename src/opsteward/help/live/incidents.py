"""Questions about incidents: which there are, and what became of one."""

from __future__ import annotations

from opsteward.accounts.types import Actor
from opsteward.events import timeline
from opsteward.events.types import IncidentView
from opsteward.help.live.asking import Asking, Found, at, cited, lasting, listed, since
from opsteward.help.live.question import Period

_OPEN = ["open", "acknowledged", "diagnosing", "remediating", "verifying", "escalated"]
_READ_LIMIT = 200
_SEVERITIES = ("high", "medium", "low")
_CATEGORIES = {"security": "security_issue", "validation": "validation_error"}


async def answer(ask: Asking) -> Found | None:
    """One incident where one is meant, else those that fit."""
    q = ask.question
    if q.number is not None and ask.named.incident is None:
        return Found(text=f"There is no incident {q.number}.", citations=[cited("Incidents", "/incidents")])
    incident = ask.named.incident or await _meant(ask)
    if incident is not None:
        return await about_one(ask, incident)
    return await _several(ask)


async def about_one(ask: Asking, one: IncidentView) -> Found:
    """What is asked of one incident; where nothing special is, how it stands."""
    q, now = ask.question, ask.question.now
    title = f"Incident {one.number} ({one.title})"
    lines = [
        f"{title} is {one.status}, severity {one.severity}, opened {at(one.opened_at)} by {one.source or 'a report'}."
    ]
    story = await timeline.read(ask.session, incident_id=one.id)
    if q.has("acknowledge", "acknowledged", "seen") and q.who:
        lines = [f"{title} was acknowledged by {_name(one.acknowledged_by)} at {at(one.acknowledged_at)}."
                 if one.acknowledged_at else f"Nobody has acknowledged {title[0].lower()}{title[1:]} yet."]  # fmt: skip
    elif q.has("assigned", "assignee", "working on", "works on", "responsible", "owner"):
        person = one.assigned_to or one.acknowledged_by
        lines = [
            f"{title} is with {person.told}." if person else f"Nobody is assigned to {title[0].lower()}{title[1:]}."
        ]
    elif one.resolved_at is not None:
        lasted = lasting((one.resolved_at - one.opened_at).total_seconds())
        how = f"{title} was resolved at {at(one.resolved_at)} by {_name(one.resolved_by)}, after {lasted}."
        lines = [how, f"Reason: {one.resolution}." if one.resolution else "No reason was given."]
    else:
        lines.append(f"It has lasted for {since(one.opened_at, now)} and has {one.event_count} events.")
        if one.acknowledged_at:
            lines.append(f"{_name(one.acknowledged_by)} acknowledged it at {at(one.acknowledged_at)}.")
        if one.assigned_to:
            lines.append(f"It is assigned to {one.assigned_to.told}.")
        if one.muted:
            lines.append(f"It is quiet: {one.muted.words}.")
    told = [line for line in story if line.kind not in ("event", "note")][-4:]
    if q.has(
        "why",
        "cause",
        "reason",
        "happened",
        "happen",
        "done",
        "did",
        "history",
        "timeline",
        "fix",
        "fixed",
        "tried",
        "help",
        "helped",
        "repair",
    ):
        lines += [f"- {at(line.at)}: {line.title}" + (f" ({line.reason})" if line.reason else "") for line in told]
    lines += await _cause(ask, one)
    return Found(text="\n".join(lines), citations=[cited(title, f"/incidents/{one.id}", lines[0])])


async def _cause(ask: Asking, one: IncidentView) -> list[str]:
    """What troubleshooting found, for those who may read that."""
    if not ask.by.may("troubleshooting.read") or not ask.question.has(
        "why", "cause", "reason", "wrong", "diagnosis", "found"
    ):
        return []
    sessions = await ask.sources.sessions.page(ask.session, incident_id=one.id, limit=1)
    return [f"Troubleshooting: {sessions[0].summary}"] if sessions and sessions[0].summary else []


async def _meant(ask: Asking) -> IncidentView | None:
    """The one incident that is meant without its number: the last, the oldest, or a system's."""
    q = ask.question
    last = q.has("last") and q.period is None
    singled_out = last or q.has("latest", "oldest", "newest", "most recent")
    of_a_system = (ask.system or ask.named.source) is not None and q.has("why", "who") and not q.has("which", "list")
    if not singled_out and not of_a_system and (q.counts or q.has("incidents", "which", "list", "all")):
        return None
    closed = q.has("close", "closed", "resolve", "resolved", "over", "ended", "fixed")
    status = ["resolved"] if closed else (_OPEN if q.has("oldest", "longest", "open") else None)
    oldest = q.has("oldest", "longest")
    wants_one = singled_out or q.has("longest")
    search = None if ask.system else _words_of_title(ask)
    if not wants_one and ask.system is None and ask.named.source is None and not search:
        return None
    if not wants_one and not q.has("why", "who", "when", "cause", "how long"):
        return None
    system = ask.system.id if ask.system else None
    page = await ask.sources.incidents.page(
        ask.session,
        status=status,
        system_id=system,
        search=search if not wants_one else None,
        limit=1,
        oldest_first=oldest,
        newest_first=not oldest,
    )
    if not page and ask.system is not None:
        page = await ask.sources.incidents.page(
            ask.session, status=status, source=ask.system.name, limit=1, oldest_first=oldest, newest_first=not oldest
        )
    return page[0] if page else None


def _words_of_title(ask: Asking) -> str | None:
    """Words in quotes, which are a title's or a part of one."""
    text = ask.question.text
    for mark, end in (('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’")):
        begin = text.find(mark)
        stop = text.find(end, begin + 1) if begin >= 0 else -1
        if stop > begin + 3:
            return text[begin + 1 : stop]
    return None


async def _several(ask: Asking) -> Found:
    q = ask.question
    resolved = q.has("resolved", "closed", "fixed", "ended", "repaired") and not q.negated
    period = q.period
    status = ["resolved"] if resolved else (None if period and not q.has("open") else _OPEN)
    words = "resolved" if resolved else ("" if status is None else "open")
    if q.has("escalated", "escalate"):
        status, words = ["escalated"], "escalated"
    if q.has("acknowledged") and not q.has("not acknowledged", "nobody", "unacknowledged"):
        status, words = ["acknowledged"], "acknowledged"
    severity = next(
        (one for one in _SEVERITIES if q.has(one)), "high" if q.has("critical", "severe", "urgent") else None
    )
    mine = ask.by.actor if q.mine and not q.says("i need", "i want", "can i", "may i") else None
    found = await ask.sources.incidents.page(
        ask.session,
        status=status,
        severity=severity,
        system_id=ask.system.id if ask.system else None,
        source=ask.named.source if not ask.system else None,
        since=period.since if period and not resolved else None,
        until=period.until if period and not resolved else None,
        mine=mine,
        limit=_READ_LIMIT,
    )
    found = _narrowed(ask, found, period if resolved else None)
    where = f" of {ask.system.name}" if ask.system else f" from {ask.named.source}" if ask.named.source else ""
    when = f" {period.words}" if period else ""
    kind = " ".join(part for part in (words, f"{severity}-severity" if severity else "") if part)
    kind = f"{kind} " if kind else ""
    whose = " with you" if mine else ""
    text = listed(
        found,
        lambda one: f"#{one.number} {one.title} ({one.severity}, {one.status}, since {at(one.opened_at)})",
        none=f"There are no {kind}incidents{where}{whose}{when}.",
        one=f"There is 1 {kind}incident{where}{whose}{when}:",
        many=f"There are {{n}} {kind}incidents{where}{whose}{when}:",
        more=len(found) == _READ_LIMIT,
    )
    citations = [cited(f"Incident {one.number}", f"/incidents/{one.id}", one.title) for one in found[:3]]
    return Found(text=text, citations=citations or [cited("Incidents", "/incidents", text)])


def _narrowed(ask: Asking, found: list[IncidentView], ended_in: Period | None) -> list[IncidentView]:
    q = ask.question
    if ended_in is not None:
        found = [one for one in found if ended_in.holds(one.resolved_at)]
    if q.has("unassigned", "not assigned", "nobody works", "no owner"):
        found = [one for one in found if one.assigned_to is None and one.acknowledged_at is None]
    if q.has("unacknowledged", "not acknowledged", "not been acknowledged", "nobody", "no one"):
        found = [one for one in found if one.acknowledged_at is None]
    if q.has("flapping"):
        found = [one for one in found if one.flapping]
    if q.has("muted", "silenced", "quiet"):
        found = [one for one in found if one.muted]
    for word, category in _CATEGORIES.items():
        if q.has(word):
            found = [one for one in found if one.category == category]
    return found


def _name(actor: Actor | None) -> str:
    return actor.told if actor else "nobody"

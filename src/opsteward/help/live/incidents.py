"""Questions about incidents: which there are, and what became of one."""

from __future__ import annotations

from opsteward.accounts.types import Actor
from opsteward.events import timeline
from opsteward.events.types import IncidentView
from opsteward.help.live.asking import Asking, Found, at, cited, lasting, listed, since
from opsteward.help.live.periods import Period
from opsteward.help.live.vocabulary import COMMON_WORDS
from opsteward.help.live.wording import meanings
from opsteward.help.words import STOP_WORDS, plain_words

_OPEN = ["open", "acknowledged", "diagnosing", "remediating", "verifying", "escalated"]
_READ_LIMIT = 200
_EVER = 1970  # since when a period without a beginning holds
_TITLE_WORDS = 3
#: Whose incidents are meant; a bare `I` may just ask.
_MINE = ("my", "mine", "to me", "with me", "do i have", "have i", "am i", "i have", "on my plate", "i am on")
_SEVERITIES = ("high", "medium", "low")
_BY_ITSELF = ("automatically", "by itself", "by themselves", "on its own", "without a human", "without anyone")
_UNASSIGNED = ("unassigned", "not assigned", "nobody works", "no owner")
_UNSEEN = ("unacknowledged", "nobody", "no one")
_ENDED = ("resolved", "repaired", "closed", "fixed", "over")
_CATEGORIES = {"security": "security_issue", "validation": "validation_error"}


async def answer(ask: Asking) -> Found | None:
    """One incident where one is meant, else those that fit."""
    q = ask.question
    if q.number is not None and ask.named.incident is None:
        return Found(text=f"There is no incident {q.number}.", citations=[cited("Incidents", "/incidents")])
    incident = ask.named.incident or await _meant(ask) or ask.named.titled
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
    if q.has("acknowledged", "seen") and q.has(
        "who", "anyone", "anybody", "somebody", "someone", "nobody", "has", "was", "yet"
    ):
        lines = [f"{title} was acknowledged by {_name(one.acknowledged_by)} at {at(one.acknowledged_at)}."
                 if one.acknowledged_at else f"Nobody has acknowledged {title[0].lower()}{title[1:]} yet."]  # fmt: skip
    elif q.has("assigned", "owner") and not q.has("resolved"):
        person = one.assigned_to or one.acknowledged_by
        lines = [
            f"{title} is with {person.told}." if person else f"Nobody is assigned to {title[0].lower()}{title[1:]}."
        ]
    elif q.has("severity"):
        pass
    elif one.resolved_at is not None:
        lasted = lasting((one.resolved_at - one.opened_at).total_seconds())
        how = f"{title}, opened {at(one.opened_at)}, was resolved at {at(one.resolved_at)}"
        how += f" by {_name(one.resolved_by)}, after {lasted}."
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
    return Found(text="\n".join(lines), citations=[cited(title, f"/incidents/{one.id}", lines[0])], denied=True)


async def _cause(ask: Asking, one: IncidentView) -> list[str]:
    """What troubleshooting found, for those who may read that."""
    if not ask.by.may("troubleshooting.read") or not ask.question.has(
        "why", "cause", "reason", "wrong", "diagnosis", "found"
    ):
        return []
    sessions = await ask.sources.sessions.page(ask.session, incident_id=one.id, limit=1)
    return [f"Troubleshooting: {sessions[0].summary}"] if sessions and sessions[0].summary else []


async def _meant(ask: Asking) -> IncidentView | None:
    """The one incident that is meant without its number: the last, the oldest, the worst, a system's, or one by words
    of its title."""
    q = ask.question
    singled_out = q.has("latest", "oldest", "worst") or (q.has("last") and q.period is None)
    told = q.has("why", "who", "when", "how long", "still", "how", "cause") or q.says("is", "was", "has")
    several = q.says("incidents", "tickets", "alerts", "outages") or q.has("list", "all", "any")
    if q.counts or ((several or q.has("which")) and not singled_out):
        return None
    closed = q.has("resolved")
    status = ["resolved"] if closed and not q.has("still", "yet") else None
    if singled_out:
        status = status or (_OPEN if q.has("oldest", "open", "worst") else None)
        return await _first(ask, status, oldest=q.has("oldest"), worst=q.has("worst"))
    if (ask.system or ask.named.source) is not None:
        return await _first(ask, status, newest=not told) if q.has("why", "who", "when", "how long", "how") else None
    words = _words_of_title(ask)
    if not words or not told:
        return None
    for search in words:
        if page := await ask.sources.incidents.page(ask.session, search=search, status=status, limit=1):
            return page[0]
    return None


async def _first(
    ask: Asking, status: list[str] | None, *, oldest: bool = False, worst: bool = False, newest: bool = False
) -> IncidentView | None:
    """The first of the system or the sender that is named, or of all; the open and worst ones first if nothing else
    is said."""
    system, source = ask.system, ask.named.source
    plain = not (worst or oldest) and (newest or (system is None and source is None))
    for own in ({"system_id": system.id}, {"source": system.name}) if system else ({"source": source},):
        page = await ask.sources.incidents.page(
            ask.session, status=status, limit=1, oldest_first=oldest, newest_first=plain, **own
        )
        if page:
            return page[0]
    return None


def _words_of_title(ask: Asking) -> list[str]:
    """What may stand in a title: words in quotes, else those that questions are not made of, the longer first."""
    text = ask.question.text
    for mark, end in (('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’")):
        begin = text.find(mark)
        stop = text.find(end, begin + 1) if begin >= 0 else -1
        if stop > begin + 3:
            return [text[begin + 1 : stop]]
    left = [
        word
        for word in plain_words(ask.question.meant)
        if len(word) > 2 and word not in STOP_WORDS | COMMON_WORDS and not meanings([word])
    ]
    return sorted(dict.fromkeys(left), key=len, reverse=True)[:_TITLE_WORDS]


async def _several(ask: Asking) -> Found:
    q = ask.question
    resolved = q.has("resolved", "repaired") and (not q.negated or q.has(*_BY_ITSELF))
    period = q.period
    older = period is not None and period.since.year == _EVER
    status = ["resolved"] if resolved else (None if period and not (older or q.has("open")) else _OPEN)
    words = "resolved" if resolved else ("" if status is None else "open")
    if q.has("escalated", "escalate"):
        status, words = ["escalated"], "escalated"
    if q.has("acknowledged") and not q.has(*_UNSEEN) and not ask.named.operators:
        status, words = ["acknowledged"], "acknowledged"
    severity = next(
        (one for one in _SEVERITIES if q.has(one)), "high" if q.has("critical", "severe", "urgent") else None
    )
    mine = ask.by.actor if q.says(*_MINE) else None
    operator = next(iter(ask.named.operators), None)
    deed = "resolved" if q.has("resolved") else "acknowledged" if q.has("acknowledged") else ""
    if operator is not None and not deed:
        mine = f"operator:{operator.id}"
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
    if ask.named.team is not None:
        theirs = await ask.systems_of_team()
        found = [one for one in found if one.system_id in theirs]
    where = (
        f" of {ask.named.team}"
        if ask.named.team
        else f" of {ask.system.name}"
        if ask.system
        else f" from {ask.named.source}"
        if ask.named.source
        else ""
    )
    when = f" {period.words}" if period else ""
    kind = " ".join(part for part in (words, f"{severity}-severity" if severity else "") if part)
    kind = f"{kind} " if kind else ""
    whose = f" with {operator.name}" if operator else " with you" if mine else ""
    text = listed(
        found,
        lambda one: f"#{one.number} {one.title} ({one.severity}, {one.status}, since {at(one.opened_at)})",
        none=f"There are no {kind}incidents{where}{whose}{when}.",
        one=f"There is 1 {kind}incident{where}{whose}{when}:",
        many=f"There are {{n}} {kind}incidents{where}{whose}{when}:",
        more=len(found) == _READ_LIMIT,
    )
    if not found and status == _OPEN and (last := await _first(ask, ["resolved"], newest=True) if where else None):
        ended = f" Reason: {last.resolution}." if last.resolution else ""
        text += f" The last one, #{last.number} {last.title}, was resolved at {at(last.resolved_at)}.{ended}"
        found = [last]
    citations = [cited(f"Incident {one.number}", f"/incidents/{one.id}", one.title) for one in found[:3]]
    denied = q.has(*_BY_ITSELF, *_UNASSIGNED, *_UNSEEN) or (q.denies(*_ENDED) and not resolved)
    return Found(text=text, citations=citations or [cited("Incidents", "/incidents", text)], denied=denied)


def _narrowed(ask: Asking, found: list[IncidentView], ended_in: Period | None) -> list[IncidentView]:
    q = ask.question
    if ended_in is not None:
        found = [one for one in found if ended_in.holds(one.resolved_at)]
    for operator in ask.named.operators[:1]:
        for deed, doer in (("resolved", "resolved_by"), ("acknowledged", "acknowledged_by")):
            if q.has(deed):
                found = [one for one in found if getattr(one, doer) and getattr(one, doer).id == str(operator.id)]
    if q.has(*_BY_ITSELF):
        found = [one for one in found if one.resolved_by is None or one.resolved_by.automatic]
    if q.has(*_UNASSIGNED):
        found = [one for one in found if one.assigned_to is None and one.acknowledged_at is None]
    if q.has(*_UNSEEN):
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

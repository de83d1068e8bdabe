"""Questions about systems: how they are, since when and why, and what they hang on."""

from __future__ import annotations

import re

from opsteward.help.live import incidents
from opsteward.help.live.asking import Asking, Found, at, cited, listed, since
from opsteward.help.live.names import meant_of, parts_of
from opsteward.help.live.periods import Period
from opsteward.systems import maintenance
from opsteward.systems.types import SystemInfo

_OPEN = ["open", "acknowledged", "diagnosing", "remediating", "verifying", "escalated"]
_DEPENDING = (
    "depend", "depends on", "dependents", "needs", "dependencies", "relies", "affected", "affects", "impact",
    "impacted", "breaks if", "blast radius",
)  # fmt: skip
_CRITICAL = ("critical", "important", "crucial", "vital", "essential")
_ITS_STATE = (
    "down", "up", "degraded", "unhealthy", "healthy", "red", "slow", "broken", "incident", "happened", "wrong", "why",
    "cause",
)  # fmt: skip
_THEN_LIMIT = 5
_ANY = ("any", "anything", "all", "everything", "every", "systems", "services", "something")


async def answer(ask: Asking) -> Found | None:
    """One system where one is named, else those that fit."""
    if ask.question.has("maintenance"):
        return await _maintenance(ask)
    if ask.named.systems:
        parts = [await _one(ask, system) for system in ask.named.systems[:5]]
        return Found(
            text="\n\n".join(part.text for part in parts),
            citations=[c for part in parts for c in part.citations],
            denied=len(parts) == 1 and not ask.question.has("which", "list", *_DEPENDING),
        )
    text = ask.question.text.lower().lstrip()
    if re.match(r"(?:why |how )?(?:is|was)\b", text) and not ask.question.has(*_ANY):
        return None  # one thing is meant that is no system of ours
    return await _several(ask)


async def _one(ask: Asking, system: SystemInfo) -> Found:
    q = ask.question
    if q.has(*_DEPENDING):
        return await _dependencies(ask, system)
    if q.period is not None and q.has(*_ITS_STATE):
        return await _then(ask, system, q.period)
    text = _figure(ask, system) or await _as_it_stands(ask, system)
    return Found(text=text, citations=[cited(system.name, f"/systems/{system.id}", text.split("\n")[0])])


def _figure(ask: Asking, system: SystemInfo) -> str:
    """The one thing of it that is asked for; empty where none is."""
    q, health, name = ask.question, system.health, system.name
    if q.has("owner", "contact", "team"):
        return f"{name} is owned by {system.owner}." if system.owner else f"{name} has no owner on record."
    if q.has("runbook"):
        return f"The runbook of {name}: {system.runbook_url}" if system.runbook_url else f"{name} has no runbook."
    if q.has("endpoint", "address", "url", "host", "connect", "where is"):
        return f"{name} is reached at {system.endpoint}."
    if q.has("criticality", "critical", "important"):
        return f"{name} is of criticality {system.criticality}."
    if q.has("response time", "latency", "fast", "slow") and not q.has("why") and health.response_time is not None:
        taken = f"{health.response_time:.3f} s (error rate {health.error_rate:.1%})"
        return f"{name} answers in {taken}, checked {at(health.checked_at)}."
    if q.has("error rate"):
        return f"The error rate of {name} is {health.error_rate:.1%}, checked {at(health.checked_at)}."
    if q.has("last checked", "last check", "checked"):
        return f"{name} was last checked {at(health.checked_at)}; it is {health.status}."
    return ""


async def _as_it_stands(ask: Asking, system: SystemInfo) -> str:
    health = system.health
    text = f"{system.name} is {health.status} since {at(health.since)} ({since(health.since, ask.question.now)}),"
    text += f" last checked {at(health.checked_at)}."
    if not system.enabled:
        text += " Its checks are switched off."
    if health.status != "healthy":
        text += "".join(f"\n- {line}" for line in _evidence(system))
        text += await _incidents(ask, system)
    if health.silenced_by:
        text += f"\nIts trouble raises no alert: {health.silenced_by}."
    return text


async def _then(ask: Asking, system: SystemInfo, period: Period) -> Found:
    """What became of a system at a time behind us, as its incidents have it: its health is that of now."""
    if not ask.by.may("incidents.read"):
        return Found(text="You may not see that: it needs the permission incidents.read.", known=False)
    found = await ask.sources.incidents.page(
        ask.session, system_id=system.id, since=period.since, until=period.until, limit=_THEN_LIMIT
    )
    if found:
        told = [await incidents.about_one(ask, one) for one in found]
        return Found(text="\n".join(one.text for one in told), citations=[c for one in told for c in one.citations])
    text = f"No incident of {system.name} began {period.words}."
    if period.holds(system.health.since):
        text += f" It is {system.health.status} since {at(system.health.since)}."
    return Found(text=text, citations=[cited(system.name, f"/systems/{system.id}", text)])


def _evidence(system: SystemInfo) -> list[str]:
    lines = []
    for one in system.health.evidence[:3]:
        said = one.get("summary") or one.get("message") or one.get("what") or one.get("title")
        if isinstance(said, str):
            lines.append(said)
    return lines


async def _incidents(ask: Asking, system: SystemInfo) -> str:
    if not ask.by.may("incidents.read"):
        return ""
    found = await ask.sources.incidents.page(ask.session, status=_OPEN, system_id=system.id, limit=3)
    return "".join(f"\n- open incident #{one.number}: {one.title} ({one.status})" for one in found)


async def _dependencies(ask: Asking, system: SystemInfo) -> Found:
    q = ask.question
    everything = await ask.sources.inventory.all(ask.session)
    names = {one.id: one.name for one in everything}
    needs = [names[one] for one in system.depends_on if one in names]
    needed_by = [one.name for one in everything if system.id in one.depends_on]
    upward = f"{system.name} depends on {', '.join(needs)}." if needs else f"{system.name} depends on no other system."
    downward = (
        f"{', '.join(needed_by)} depend{'s' if len(needed_by) == 1 else ''} on {system.name}."
        if needed_by
        else f"No system depends on {system.name}."
    )
    first = q.text.lower().find("depend")
    after = q.text.lower().find(system.name.lower()) > first >= 0
    text = f"{downward} {upward}" if after else f"{upward} {downward}"
    return Found(text=text, citations=[cited(system.name, f"/systems/{system.id}", text)])


#: What is said of a health, the statuses that it means, and its name. Words with one meaning as they stand alone.
_HEALTHS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str], ...] = (
    (("unhealthy", "trouble", "problem", "wrong", "sick", "issues"), (), ("down", "degraded"), "not healthy"),
    (("red", "broken", "failing", "outage"), ("down",), ("down",), "down"),
    (("degraded", "yellow"), (), ("degraded",), "degraded"),
    (("healthy", "green", "well"), ("up",), ("healthy",), "healthy"),
    (("unknown",), (), ("unknown",), "unknown"),
)


def _of_health(ask: Asking, found: list[SystemInfo]) -> tuple[list[SystemInfo], str, bool]:
    """Those of the health that is asked for, its name, and whether the question denies it."""
    q = ask.question
    if q.says("down") and q.has("degraded") and not ask.named.systems:
        denied, both = q.denies("down"), ("down", "degraded")
        left = [one for one in found if (one.health.status in both) is not denied]
        return left, "neither down nor degraded" if denied else "down or degraded", denied
    for words, just, statuses, name in _HEALTHS:
        if q.has(*words) or (just and q.says(*just)):
            denied = q.denies(*words, *just)
            left = [one for one in found if (one.health.status in statuses) is not denied]
            return left, f"not {name}" if denied else name, denied
    return found, "", False


def _of_owner(ask: Asking, found: list[SystemInfo]) -> tuple[list[SystemInfo], str]:
    """Those of the owner that is named, or without any, and how that is said."""
    q = ask.question
    if q.has("without owner"):
        return [one for one in found if not one.owner], "without an owner"
    if q.has("without runbook"):
        return [one for one in found if not one.runbook_url], "without a runbook"
    owners = {one.owner for one in found if one.owner}
    named = {one.name for one in meant_of(owners, parts_of(q.text), ()) if one.whole or q.has("owner", "team")}
    if named:
        return [one for one in found if one.owner in named], f"owned by {', '.join(sorted(named))}"
    return found, ""


async def _several(ask: Asking) -> Found:
    q = ask.question
    everything = await ask.sources.inventory.all(ask.session)
    found, kind, denied = _of_health(ask, everything)
    health = kind
    if kind == "healthy" and q.has("all", "everything", "every"):
        others = [one for one in everything if one.health.status != "healthy"]
        text = f"{len(found)} of {len(everything)} systems are healthy."
        text += "".join(f"\n- {one.name} is {one.health.status}" for one in others[:10])
        return Found(text=text, citations=[cited("Systems", "/systems", text.split("\n")[0])])
    found, of = _of_owner(ask, found)
    kind = " and ".join(part for part in (kind, of) if part)
    for criticality, words in (("critical", _CRITICAL), ("standard", ("standard",)), ("backup", ("backup",))):
        if q.has(*words):
            without = q.denies(*words)
            denied = denied or without
            found = [one for one in found if (one.criticality == criticality) is not without]
            told = f"{'not ' if without else ''}of criticality {criticality}"
            kind = f"{kind} and {told}" if kind else told
    for system_type in ("database", "api", "ldap", "scim", "webhook"):
        if q.has(system_type, f"{system_type}s") and (q.has("system", "which", "list", "show", "how many") or not kind):
            found = [one for one in found if one.type == system_type]
            kind = f"{kind} and of type {system_type}" if kind else f"of type {system_type}"
    if q.period is not None:
        found = [one for one in found if q.period.holds(one.health.since)]
        kind = f"{kind or 'in a new state'} {q.period.words}"
    if q.has("oldest", "latest") and found:
        in_order = sorted(found, key=lambda one: one.health.since, reverse=q.has("latest"))
        found, kind = (
            in_order[:1],
            f"{kind or 'as they are'} for the {'shortest' if q.has('latest') else 'longest'} time",
        )
    which = f" that are {kind}" if kind else ""
    text = listed(
        found,
        lambda one: f"{one.name} ({one.type}, {one.criticality}): {one.health.status} since {at(one.health.since)}",
        none=f"There are no systems{which}.",
        one=f"There is 1 system{which.replace(' are ', ' is ')}:",
        many=f"There are {{n}} systems{which}:",
    )
    citations = [cited(one.name, f"/systems/{one.id}", f"{one.name} is {one.health.status}") for one in found[:3]]
    # Of a health no more than its last change is kept: what it was before, and what it never was, is not known.
    past = q.period is not None and (denied or (bool(health) and q.period.until < q.now))
    missed = (q.period.words,) if past and q.period is not None else ()
    denied = denied or q.has("without owner", "without runbook")
    citations = citations or [cited("Systems", "/systems", text)]
    return Found(text=text, citations=citations, denied=denied, missed=missed)


async def _maintenance(ask: Asking) -> Found:
    system = ask.system
    windows = await maintenance.list_windows(ask.session, system_id=system.id if system else None)
    names = await ask.sources.inventory.names_of(ask.session, system_ids={w.system_id for w in windows if w.system_id})
    q, kind = ask.question, "maintenance window"
    if q.says("now", "currently", "at the moment", "right now", "in maintenance", "under maintenance") or q.period:
        windows, kind = [one for one in windows if one.active], "maintenance window that is open now"
        if q.period is not None and q.period.until <= q.now:
            return Found(text=f"Which maintenance there was {q.period.words} is not kept.", known=False)
    elif q.has("planned", "plan", "next", "upcoming", "scheduled", "coming", "future"):
        windows, kind = [one for one in windows if not one.active], "planned maintenance window"
        if q.ahead is not None:
            windows = [one for one in windows if q.ahead.holds(one.next_at or one.starts_at)]
            kind = f"{kind} {q.ahead.words}"
    where = f" of {system.name}" if system else ""
    text = listed(
        windows,
        lambda one: (
            f"{names.get(one.system_id, 'a system') if one.system_id else 'all systems'}: {one.reason}, "
            + ("open now" if one.active else f"next {at(one.next_at or one.starts_at)}")
            + (f", until {at(one.ends_at)}" if one.ends_at else "")
        ),
        none=f"There is no {kind}{where}.",
        one=f"There is 1 {kind}{where}:",
        many=f"There are {{n}} of the kind: {kind}{where}:",
    )
    return Found(text=text, citations=[cited("Systems", f"/systems/{system.id}" if system else "/systems", text)])

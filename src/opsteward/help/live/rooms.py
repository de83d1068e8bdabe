"""Kinds of things that are asked for alike (see `records`), each read through its room's own service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from opsteward.accounts import queries as accounts
from opsteward.accounts.actors import actors_of
from opsteward.directory.imports import jobs
from opsteward.events.sources import tallies
from opsteward.help.live.asking import Asking, Found, Topic, at, cited
from opsteward.help.live.names import meant_of, parts_of
from opsteward.help.live.records import Kind, Record, answer_of
from opsteward.oncall import policies as policies_of
from opsteward.provisioning.sagas import queries as sagas
from opsteward.systems import heartbeats, uptime
from opsteward.systems.early_warning import service as warnings

_READ_LIMIT = 200
_DAYS = 30  # over which the availability is told where no period is named
_FAILED = (
    "failed",
    "fail",
    "failing",
    "broken",
    "unsuccessful",
    "didn't get through",
    "not get through",
    "not got through",
    "didn't arrive",
    "not arrive",
    "went wrong",
    "undelivered",
)


async def _tokens(ask: Asking) -> Sequence[Record]:
    """All for who may read operators, else one's own."""
    own = None if ask.by.may("operators.read") else ask.by.operator_id
    found = await accounts.list_tokens(ask.session, operator_id=own, limit=_READ_LIMIT)
    who = await actors_of(ask.session, [f"operator:{one.operator_id}" for one in found])
    now = ask.question.now

    def state(revoked: bool, expired: bool) -> str:
        return "revoked" if revoked else "expired" if expired else "valid"

    return [
        Record(
            name=one.name,
            says=f"{one.name} of {one.operator}, made {at(one.created_at)}, last used {at(one.last_used_at)}, "
            + (f"revoked {at(one.revoked_at)}" if one.revoked_at else
               f"expires {at(one.expires_at)}" if one.expires_at else "without an end"),
            url="/operators",
            state=state(one.revoked_at is not None, one.expires_at is not None and one.expires_at <= now),
            times={"made": one.created_at, "used": one.last_used_at, "revoked": one.revoked_at,
                   "expires": None if one.revoked_at else one.expires_at},
            people=[who(f"operator:{one.operator_id}")],
        )
        for one in found
    ]  # fmt: skip


async def _imports(ask: Asking) -> Sequence[Record]:
    found = await jobs.page(ask.session, limit=_READ_LIMIT)
    who = await actors_of(ask.session, [one.requested_by for one in found])
    return [
        Record(
            name=str(one.job_id),
            says=f"{one.status} {at(one.created_at)}, asked for by {who(one.requested_by).told}: {one.created} created,"
            f" {one.changed} changed, {one.unchanged} unchanged, {one.failed_imports} failed"
            + (f": {one.error}" if one.error else ""),
            url=f"/imports/{one.job_id}",
            state=one.status,
            times={"made": one.created_at, "ended": one.ended_at},
            people=[who(one.requested_by)],
        )
        for one in found
    ]


async def _sagas(ask: Asking) -> Sequence[Record]:
    found = await sagas.list_sagas(ask.session, limit=_READ_LIMIT)
    who = await actors_of(ask.session, [one.requested_by for one in found])
    return [
        Record(
            name=one.name,
            says=f"{one.name}: {one.status} {at(one.ended_at or one.created_at)}, asked for by"
            f" {who(one.requested_by).told}" + (f": {one.error}" if one.error else ""),
            url=f"/sagas/{one.id}",
            state=str(one.status),
            times={"made": one.created_at, "ended": one.ended_at},
            people=[who(one.requested_by)],
        )
        for one in found
    ]


async def _heartbeats(ask: Asking) -> Sequence[Record]:
    return [
        Record(
            name=one.name,
            says=f"{one.name}: {one.status}, last heard {at(one.last_ping_at)}, late from {at(one.late_at)} on",
            url="/heartbeats",
            state="down" if one.status in ("down", "degraded") else one.status,
            times={"used": one.last_ping_at, "made": one.created_at},
        )
        for one in await heartbeats.list_heartbeats(ask.session)
    ]


async def _warnings(ask: Asking) -> Sequence[Record]:
    found = await warnings.warnings(ask.session)
    names = await ask.sources.inventory.names_of(ask.session, system_ids={one.system_id for one in found})
    return [
        Record(
            name=f"{names.get(one.system_id, 'a removed system')} {one.name}",
            says=f"{one.name.replace('_', ' ')} of {names.get(one.system_id, 'a removed system')}: {one.level:g} of"
            f" {one.limit:g}, runs out {at(one.runs_out_at)} (between {at(one.soonest_at)} and {at(one.latest_at)})",
            url=f"/systems/{one.system_id}",
            times={"expires": one.runs_out_at},
            about=[names.get(one.system_id, "")],
        )
        for one in found
    ]


async def _notices(ask: Asking) -> Sequence[Record]:
    found = await ask.sources.notices.page(ask.session, limit=_READ_LIMIT)
    page = await ask.sources.incidents.page(ask.session, limit=_READ_LIMIT) if ask.by.may("incidents.read") else []
    about = {one.id: one.source for one in page}
    return [
        Record(
            name=one.title,
            says=f"{one.title}, by {one.route}: {one.status} {at(one.ended_at or one.created_at)}"
            + (f": {one.error}" if one.error else ""),
            url="/oncall",
            state=one.status,
            times={"made": one.created_at},
            about=[one.route, *(about[incident] for incident in one.incident_ids if incident in about)],
        )
        for one in found
    ]


async def _webhooks(ask: Asking) -> Sequence[Record]:
    found = await ask.sources.webhooks.all(ask.session)
    who = await actors_of(ask.session, [one.created_by for one in found])
    return [
        Record(
            name=one.name,
            says=f"{one.name} ({one.kind}), made by {who(one.created_by).told} {at(one.created_at)}"
            + (f", revoked {at(one.revoked_at)}" if one.revoked_at else ""),
            url="/settings",
            state="revoked" if one.revoked_at else "valid",
            times={"made": one.created_at, "revoked": one.revoked_at},
            people=[who(one.created_by)],
        )
        for one in found
    ]


async def _senders(ask: Asking) -> Sequence[Record]:
    """What sends events by a source of its own, with what came from it."""
    return [
        Record(
            name=slug,
            says=f"{slug}: {one.events} events of {one.bodies} bodies, {one.refused} refused, last"
            f" {at(one.last_received_at)}" + (f"; the last refusal: {one.last_refusal}" if one.refused else ""),
            url=f"/sources/{slug}",
            state="refusing" if one.refused else "taking",
            times={"used": one.last_received_at},
        )
        for slug, one in (await tallies.counts(ask.session)).items()
    ]


async def _diagnoses(ask: Asking) -> Sequence[Record]:
    found = await ask.sources.sessions.page(
        ask.session, system_id=ask.system.id if ask.system else None,
        incident_id=ask.named.incident.id if ask.named.incident else None, limit=_READ_LIMIT,
    )  # fmt: skip
    return [
        Record(
            name=str(one.id),
            says=f"{one.status} {at(one.ended_at or one.started_at)}: {one.summary or one.complaint or one.phase}",
            url=f"/troubleshooting/{one.id}",
            state=one.status,
            times={"made": one.started_at, "ended": one.ended_at},
            about=[ask.system.name] if ask.system else [],
        )
        for one in found
    ]


async def spending(ask: Asking) -> Found | None:
    """What calls of language models cost, by model."""
    q = ask.question
    since, until = (q.period.since, q.period.until) if q.period else (q.now - timedelta(days=_DAYS), q.now)
    found = sorted(await ask.sources.spending(ask.session, since, until), key=lambda one: -one.cost)
    named = {one.name for one in meant_of({one.name for one in found}, parts_of(q.text), ()) if one.whole}
    found = [one for one in found if not named or one.name in named]
    when = q.period.words if q.period else f"in the last {_DAYS} days"
    total, calls = sum(one.cost for one in found), sum(one.calls for one in found)
    which = f" of {', '.join(sorted(named))}" if named else ""
    text = f"Calls{which} {when}: {calls}, for {total:.2f} US dollars."
    if len(found) > 1:
        text += "".join(f"\n- {one.name}: {one.cost:.2f} US dollars for {one.calls} calls" for one in found[:10])
    return Found(text=text, citations=[cited("Models", "/model-usage", text.split("\n")[0])])


async def availability(ask: Asking) -> Found | None:
    """Which share of the checks of systems went well."""
    q = ask.question
    days = max(1, (q.now - q.period.since).days + 1) if q.period else _DAYS
    systems = list(ask.named.systems) or await ask.sources.inventory.all(ask.session)
    names = {one.id: one.name for one in systems}
    lines, measured = [], await uptime.days_of(ask.session, system_ids=list(names), days=min(days, 90))
    for system_id, by_day in measured.items():
        held = [day for day in by_day if q.period is None or day.day < q.period.until.date() or q.period.until > q.now]
        checks, failed = sum(day.checks for day in held), sum(day.failed for day in held)
        if checks:
            lines.append((100 * (checks - failed) / checks, f"{names[system_id]}: {100 - 100 * failed / checks:.2f} %"))
    when = q.period.words if q.period else f"in the last {_DAYS} days"
    text = f"Availability {when}:" + "".join(f"\n- {line}" for _, line in sorted(lines)[:10])
    return Found(
        text=text if lines else f"Nothing was measured {when}.", citations=[cited("Systems", "/systems", text)]
    )


async def _routes(ask: Asking) -> Sequence[Record]:
    """Ways to reach people, and by which policies of escalation."""
    routes = [
        Record(
            name=one.name,
            says=f"{one.name} (route by {', '.join(one.services)}): {', '.join(one.matchers) or 'all incidents'}"
            + (f", last {one.last_status} {at(one.last_at)}" if one.last_status else ""),
            url="/oncall",
            about=[one.operator.name] if one.operator else [],
        )
        for one in await ask.sources.routes.read_all(ask.session)
    ]
    policies = [
        Record(
            name=one.name,
            says=f"{one.name} (escalation policy): {', '.join(one.matchers) or 'all incidents'}, told by "
            + ", then ".join(", ".join([*step.schedules, *step.routes, *step.operators]) for step in one.steps),
            url="/oncall",
        )
        for one in await policies_of.list_policies(ask.session)
    ]
    return [*policies, *routes]


async def tokens(ask: Asking) -> Found | None:
    """Who may not read operators hears of their own alone, and that it is so."""
    found = answer_of(ask, KINDS["tokens"], await _tokens(ask))
    if ask.by.may("operators.read"):
        return found
    text = f"Of yours, for others' take the permission operators.read: {found.text}"
    return replace(found, text=text, known=not ask.named.operators and ask.question.mine)


KINDS: Mapping[str, Kind] = {
    "tokens": Kind(one="token", many="tokens", page="/operators", read=_tokens, newest=_READ_LIMIT, changing=True,
                   states={"revoked": ("revoked", "withdrawn"), "valid": ("valid", "active"),
                           "expired": ("has expired", "have expired", "are expired", "is expired")}),
    "imports": Kind(one="import", many="imports", page="/imports", read=_imports, newest=_READ_LIMIT,
                    states={"failed": _FAILED, "running": ("running",), "completed": ("completed", "succeeded")},
                    parts=("rows", "users", "people", "lines", "records", "accounts")),
    "sagas": Kind(one="saga", many="sagas", page="/sagas", read=_sagas, newest=_READ_LIMIT,
                  states={"failed": _FAILED, "undone": ("undone", "taken back", "rolled back"), "stuck": ("stuck",),
                          "running": ("running",), "succeeded": ("succeeded", "completed")}),
    "heartbeats": Kind(one="heartbeat", many="heartbeats", page="/heartbeats", read=_heartbeats, changing=True,
                       states={"down": ("late", "missed", "missing", "overdue", "down", "silent", "failed",
                                "not arrive", "didn't arrive", "not arrived"),
                               "healthy": ("on time", "healthy", "fine")}),
    "warnings": Kind(one="early warning", many="early warnings", page="/systems", read=_warnings),
    "notices": Kind(one="notification", many="notifications", page="/oncall", read=_notices, newest=_READ_LIMIT,
                    states={"failed": _FAILED, "sent": ("sent", "delivered", "arrived")}),
    "routes": Kind(one="way to tell people", many="ways to tell people", page="/oncall", read=_routes),
    "webhooks": Kind(one="webhook", many="webhooks", page="/settings", read=_webhooks, changing=True,
                     states={"revoked": ("revoked",)}),
    "senders": Kind(one="source", many="sources", page="/sources", read=_senders, changing=True,
                    states={"refusing": ("refused", "refuse", "rejected", "refusal", "trouble", "problems")}),
    "diagnoses": Kind(one="troubleshooting session", many="troubleshooting sessions", page="/troubleshooting",
                      read=_diagnoses, newest=_READ_LIMIT, states={"running": ("running",), "failed": _FAILED}),
}  # fmt: skip
TOPICS: Mapping[str, Topic] = {name: kind.topic() for name, kind in KINDS.items()} | {
    "tokens": tokens,
    "spending": spending, "availability": availability,
}  # fmt: skip


async def names_of(ask: Asking, topic: str) -> list[str]:
    """What things of a kind are called, and what they are about: such words are no strange ones to who asks for it."""
    if topic == "rooms.spending":
        found = await ask.sources.spending(ask.session, ask.question.now - timedelta(days=_DAYS), ask.question.now)
        return [one.name for one in found]
    kind = KINDS.get(topic.removeprefix("rooms."))
    return [name for one in await kind.read(ask) for name in (one.name, *one.about)] if kind else []

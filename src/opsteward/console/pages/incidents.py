"""Incidents: the list, and the page of one with its story, its cause and what was done."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console import wording
from opsteward.console.actions import ApprovalRow, RunRow
from opsteward.console.addresses import here_or, is_id
from opsteward.console.charts import heights
from opsteward.console.languages import N_, _, ngettext, said
from opsteward.console.milestones import milestones
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.pages.incident_groups import CATEGORIES
from opsteward.console.vocabulary import spoken
from opsteward.core.errors import Invalid
from opsteward.events import timeline
from opsteward.events.grouping_explained import explain_groups
from opsteward.events.incident_handling import Handling, Verb
from opsteward.events.recent_incidents import opened_per_hour
from opsteward.events.related_incidents import related_incidents
from opsteward.events.types import IncidentStatus
from opsteward.troubleshooting.types import SessionView

_PAGE = 50
_NEWEST_EVENTS = 20
#: A number, or part of an id; everything else ("dead" too) is words of the title.
_A_REFERENCE = re.compile(r"(?=.*[0-9])[0-9a-fA-F-]+")
_OPEN = [status.value for status in IncidentStatus if status is not IncidentStatus.RESOLVED]
STATUSES = {
    "open": N_("not resolved"),
    **{s: wording.INCIDENT[s].english for s in _OPEN[1:]},
    "resolved": N_("resolved"),
}
SEVERITIES = wording.SEVERITY
ORDERS = {"newest": "", "oldest": ""}  # else by urgency
MINE = {"me": ""}
QUIET = {"no": N_("heard"), "yes": N_("kept quiet")}
_HOURS = 24
_PICKED = re.compile(r"pick-([0-9a-f-]{36})")


def severities() -> dict[str, str]:
    """As they are offered."""
    return {name: look.word for name, look in SEVERITIES.items()}


async def incidents(visit: Visit, session: AsyncSession) -> Page:
    """Newest first; filters stand in the address."""
    status, severity = visit.choice("status", STATUSES), visit.choice("severity", SEVERITIES)
    order, mine, quiet = visit.choice("order", ORDERS), visit.choice("mine", MINE), visit.choice("quiet", QUIET)
    called, source = visit.query("ref", limit=100), visit.query("source", limit=200)
    before = visit.query("before", limit=18)
    if before and not (before.isascii() and before.isdecimal()):
        raise Invalid.field("before", "is no number of an incident", "begin at the first page")
    found = await visit.services.incidents.page(
        session,
        status=_OPEN if status == "open" else [status] if status else None,
        severity=severity or None,
        source=source or None,
        ref=called if _A_REFERENCE.fullmatch(called) else None,
        search=called if called and not _A_REFERENCE.fullmatch(called) else None,
        newest_first=order == "newest",
        oldest_first=order == "oldest",
        mine=visit.identity.actor if mine else None,
        muted={"yes": True, "no": False}.get(quiet),
        before=int(before) if before else None,
        limit=_PAGE + 1,
    )
    return Page(
        template="incidents.html",
        title=_("Incidents"),
        about=("incident",),
        values={
            "incidents": found[:_PAGE],
            "filters": [
                ("status", _("State"), said(STATUSES), status),
                ("severity", _("Severity"), severities(), severity),
                ("quiet", _("Heard"), said(QUIET), quiet),
            ],
            "kept": {"mine": mine, "order": order},
            "order": order,
            "by": {
                "severity": visit.address(order=""),
                "opened": visit.address(order="oldest" if order == "newest" else "newest"),
            },
            "tabs": [
                (_("Open"), visit.address(status="open", mine=""), status == "open" and not mine),
                (_("Mine"), visit.address(status="open", mine="me"), bool(mine)),
                (_("Resolved"), visit.address(status="resolved", mine=""), status == "resolved" and not mine),
                (_("All"), visit.address(status="", mine=""), not status and not mine),
            ],
            "per_hour": heights(await opened_per_hour(session, hours=_HOURS)),
            "may_write": visit.identity.may("incidents.write"),
            "called": called,
            "source": source,
            "filtered": bool(status or severity or called or source or mine or quiet),
            "next": visit.address(before=str(found[_PAGE - 1].number)) if len(found) > _PAGE else "",
            "first": visit.address() if before else "",
        },
    )


async def one(visit: Visit, session: AsyncSession) -> Page:
    """Where it stands, what waits for a person, what was found, done and proven."""
    services, me, incident_id = visit.services, visit.identity, visit.id("incident_id", "incident")
    incident = await services.incidents.get(session, incident_id=incident_id)
    waiting = await services.action_service.list_approvals(session, by=me)
    approvals = [one for one in waiting if one.incident_id == incident_id]
    runs = await services.action_service.list_runs(session, incident_id=incident_id)
    lines = await timeline.read(session, incident_id=incident_id)
    sessions = await services.sessions.page(session, incident_id=incident_id)
    acted_on = [incident.system_id, *(one.system_id for one in approvals), *(one.system_id for one in runs)]
    names = await Names.read(session, services.inventory, acted_on)
    events = await services.incidents.events(session, incident_id=incident_id, limit=_NEWEST_EVENTS)
    escalations = await services.oncall.escalations.of_incident(session, incident_id=incident_id)
    system = names.system(incident.system_id)
    return Page(
        template="incident.html",
        title=_("Incident %(number)s", number=incident.number),
        about=(f"incident:{incident_id}",),
        values={
            "incident": incident,
            "system": system if system != incident.source else "",
            "milestones": milestones(incident, lines, runs),
            "lines": [(line, wording.timeline_look(line.kind)) for line in lines],
            "events": events,
            "groups": explain_groups(events),
            "categories": {name: spoken(name) for name in CATEGORIES},
            "runs": [RunRow.of(run, names) for run in runs],
            "approvals": [ApprovalRow.of(one, names, me) for one in approvals],
            "sessions": [(one, _phases(one.phases)) for one in sessions],
            "diagnostics": sessions[0].diagnostics if sessions else [],
            **_findings(sessions[0] if sessions else None),
            "related": await related_incidents(
                session, services.action_service, services.inventory, incident_id=incident_id
            ),
            "escalation": escalations[0] if escalations else None,
            "operators": sorted(names.operators.values()),
            "over": incident.status == IncidentStatus.RESOLVED,
            "may_write": me.may("incidents.write"),
            "may_run": me.may("troubleshooting.run"),
        },
    )


def _findings(session: SessionView | None) -> dict[str, Any]:
    """What the newest session found: issues with what they follow from, what was held possible, what was changed."""
    if session is None:
        return {"issues": [], "hypotheses": [], "changes": []}
    titles = {issue["id"]: f"{issue['title']} ({issue['system']})" for issue in session.issues}
    causes = {cause["issue"]: cause for cause in session.causes}
    issues = []
    for issue in session.issues:
        cause = causes.get(issue["id"], {})
        told = {"probability": cause.get("probability"), "from": titles.get(cause.get("follows_from"))}
        issues.append((issue, told))
    by_status = [
        (status, [{**h, "claims": _dated(h["claims"])} for h in session.hypotheses if h["status"] == status])
        for status in ("supported", "untested", "refuted")
    ]
    return {"issues": issues, "hypotheses": by_status if session.hypotheses else [], "changes": _dated(session.changes)}


def _dated(rows: Any) -> list[dict[str, Any]]:
    return [{**row, "at": datetime.fromisoformat(str(row["at"])) if row.get("at") else None} for row in rows]


def _phases(phases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order in which they began, each with its share of the longest, in percent."""
    longest = max((_seconds(phase) for phase in phases), default=0.0) or 1.0
    return [
        {**phase, "seconds": _seconds(phase), "share": 100 * _seconds(phase) / longest}
        for phase in sorted(phases, key=lambda p: str(p.get("started_at", "")))
    ]


def _seconds(phase: dict[str, Any]) -> float:
    return max(0.0, float(phase.get("seconds") or 0.0))


async def _acknowledge(visit: Visit, session: AsyncSession) -> Done:
    incident_id = visit.id("incident_id", "incident")
    await visit.services.incidents.acknowledge(session, incident_id=incident_id, by=visit.identity)
    return Done(to=f"/incidents/{incident_id}", words=_("Acknowledged"))


async def _assign(visit: Visit, session: AsyncSession) -> Done:
    incident_id = visit.id("incident_id", "incident")
    to = visit.text("to", limit=320) or None
    before = (await visit.services.incidents.get(session, incident_id=incident_id)).assigned_to
    found = await Handling(visit.services.incidents).assign(
        session, incident_id=incident_id, to=to, by=visit.identity, reason=visit.reason
    )
    name = found.assigned_to.name if found.assigned_to else "nobody"
    undo = Undo(path=f"/incidents/{incident_id}/assign", fields={"to": before.name if before else ""})
    return Done(to=f"/incidents/{incident_id}", words=_("Assigned to %(name)s", name=name), undo=undo)


async def _comment(visit: Visit, session: AsyncSession) -> Done:
    incident_id = visit.id("incident_id", "incident")
    text = visit.text("text", limit=10_000, required=True)
    await Handling(visit.services.incidents).comment(session, incident_id=incident_id, text=text, by=visit.identity)
    return Done(to=f"/incidents/{incident_id}", words=_("Written to the timeline"))


async def _reopen(visit: Visit, session: AsyncSession) -> Done:
    incident_id = visit.id("incident_id", "incident")
    await Handling(visit.services.incidents).reopen(
        session, incident_id=incident_id, by=visit.identity, reason=visit.reason
    )
    return Done(to=f"/incidents/{incident_id}", words=_("Reopened"))


async def _bulk(visit: Visit, session: AsyncSession) -> Done:
    """All that are picked: those that can't be changed are counted, the others are done."""
    verb = visit.arguments["verb"]
    if verb not in ("acknowledge", "resolve", "assign"):
        raise Invalid.field("verb", f"{verb[:20]!r} is none", "use acknowledge, resolve or assign")
    picked = [UUID(found[1]) for found in map(_PICKED.fullmatch, visit.form) if found and is_id(found[1])]
    if not picked:
        raise Invalid.field("incidents", "are none", "pick some in the list first")
    done = await Handling(visit.services.incidents).bulk(
        session, verb=_VERBS[verb], incident_ids=picked, by=visit.identity, reason=visit.reason, to="me"
    )
    words = _changed(verb, len(done.changed))
    if done.unchanged:
        words += f"; {_('%(count)s not: %(reason)s', count=len(done.unchanged), reason=done.unchanged[0].reason)}"
    return Done(to=here_or(visit.form.get("back", ""), "/incidents"), words=words)


def _changed(verb: str, number: int) -> str:
    if verb == "acknowledge":
        return ngettext("%(num)s incident acknowledged", "%(num)s incidents acknowledged", number)
    if verb == "resolve":
        return ngettext("%(num)s incident resolved", "%(num)s incidents resolved", number)
    return ngettext("%(num)s incident taken", "%(num)s incidents taken", number)


async def _resolve(visit: Visit, session: AsyncSession) -> Done:
    incident_id = visit.id("incident_id", "incident")
    await visit.services.incidents.resolve_by_hand(
        session, incident_id=incident_id, by=visit.identity, reason=visit.reason
    )
    undo = Undo(path=f"/incidents/{incident_id}/reopen", fields={"reason": _("resolved by mistake")})
    return Done(to=f"/incidents/{incident_id}", words=_("Resolved"), undo=undo)


async def _troubleshoot(visit: Visit, session: AsyncSession) -> Done:
    incident = await visit.services.incidents.get(session, incident_id=visit.id("incident_id", "incident"))
    await visit.services.sessions.start(
        session,
        trigger="operator",
        requested_by=visit.identity.actor,
        system_id=incident.system_id,
        incident_id=incident.id,
        complaint=incident.title,
    )
    return Done(to=f"/incidents/{incident.id}", words=_("Troubleshooting has begun"))


_READ = ("incidents.read", "events.read", "actions.read", "approvals.read", "troubleshooting.read")
_VERBS: dict[str, Verb] = {"acknowledge": "acknowledge", "resolve": "resolve", "assign": "assign"}
ROUTES: tuple[Route, ...] = (
    shows("/incidents", incidents, "incidents.read"),
    does("/incidents/bulk/{verb}", _bulk, "incidents.write"),
    shows("/incidents/{incident_id}", one, *_READ),
    does("/incidents/{incident_id}/acknowledge", _acknowledge, "incidents.write"),
    does("/incidents/{incident_id}/resolve", _resolve, "incidents.write"),
    does("/incidents/{incident_id}/assign", _assign, "incidents.write"),
    does("/incidents/{incident_id}/comment", _comment, "incidents.write"),
    does("/incidents/{incident_id}/reopen", _reopen, "incidents.write"),
    does("/incidents/{incident_id}/troubleshoot", _troubleshoot, "troubleshooting.run"),
)

"""Sessions as rows: start one, read it, write down each phase."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import durable
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import iso, now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlation_id
from opsteward.events.back_tests.types import RecordedSession
from opsteward.systems.service import Inventory
from opsteward.telemetry import audit
from opsteward.troubleshooting.assessment import subject_of
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.types import PHASES, Issue, SessionView

SESSION_WORKFLOW = "troubleshooting.session"
RESUME_WORKFLOW = "troubleshooting.resume"
_MAX_SYSTEMS = 50
#: In the queue, the lowest is first. Actions come before sessions: a session is long, and when many begin at once, the
#: fixes that they ask for, and word to people, would wait for all of them. What goes on comes before what is new.
_GOES_ON, _IS_NEW = 3, 4


class Sessions:
    """One per process."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def start(
        self,
        session: AsyncSession,
        *,
        trigger: str,
        requested_by: str,
        system_id: UUID | None = None,
        incident_id: UUID | None = None,
        complaint: str = "",
    ) -> SessionView:
        """Begin a session on a system and all that hangs together with it (on all systems when none is named).

        Raises Invalid when there is nothing to look at, Conflict while a session of this incident runs.
        """
        if system_id is None:
            systems = [system.id for system in await self._inventory.all(session)]
        else:
            await self._inventory.get(session, system_id=system_id)
            systems = await self._inventory.related(session, system_id=system_id)
        if not systems:
            raise Invalid.field("system_id", "there is no registered system", "register one first")
        if incident_id is not None:
            # two at once would both find none running
            await session.execute(
                sa.text("select pg_advisory_xact_lock(hashtextextended(:key, 2))"), {"key": f"session {incident_id}"}
            )
        if incident_id is not None and await self._running(session, incident_id):
            raise Conflict("a session of this incident is running already")
        row = Session(
            id=uuid7(),
            tenant_id=tenant_of(session),
            incident_id=incident_id,
            system_ids=systems[:_MAX_SYSTEMS],
            trigger=trigger,
            complaint=complaint,
            requested_by=requested_by,
            status="running",
            phase=PHASES[0],
            summary="",
            phases=[],
            issues=[],
            causes=[],
            hypotheses=[],
            changes=[],
            surroundings={},
            diagnostics=[],
            resolutions=[],
            choice={},
            tried=[],
            correlation_id=correlation_id.get(),
        )
        session.add(row)
        await session.flush()
        await audit.record(
            session,
            actor=requested_by,
            verb="troubleshooting.started",
            object_type="troubleshooting_session",
            object_id=str(row.id),
            detail={"trigger": trigger, "incident": str(incident_id or "")},
        )
        await record_changes(session, [_change(row)])
        await durable.enqueue(
            session,
            workflow=SESSION_WORKFLOW,
            workflow_id=f"session:{row.id}",
            arguments={"tenant_id": str(row.tenant_id), "session_id": str(row.id)},
            priority=_IS_NEW,
        )
        return view_of(row)

    async def resume(self, session: AsyncSession, *, session_id: UUID, run_id: UUID) -> None:
        """Go on: the fix has come to its end. Saying so twice is saying so once."""
        await durable.enqueue(
            session,
            workflow=RESUME_WORKFLOW,
            workflow_id=f"session:{session_id}:after:{run_id}",
            arguments={"tenant_id": str(tenant_of(session)), "session_id": str(session_id), "run_id": str(run_id)},
            priority=_GOES_ON,
        )

    async def _running(self, session: AsyncSession, incident_id: UUID) -> bool:
        found = await session.scalar(
            sa.select(Session.id)
            .where(
                Session.tenant_id == tenant_of(session),
                Session.incident_id == incident_id,
                Session.status == "running",
            )
            .limit(1)
        )
        return found is not None

    async def get(self, session: AsyncSession, *, session_id: UUID) -> SessionView:
        """Raises NotFound."""
        return view_of(await get_row(session, session_id))

    async def recorded(
        self, session: AsyncSession, *, since: datetime, until: datetime, limit: int
    ) -> list[RecordedSession]:
        """What sessions of a span found last, the newest first, and the order under which each acted first."""
        rows = await session.execute(
            sa.select(Session.id, Session.started_at, Session.issues, Session.tried)
            .where(Session.tenant_id == tenant_of(session), Session.started_at >= since, Session.started_at < until)
            .order_by(Session.id.desc())
            .limit(limit)
        )
        return [
            RecordedSession(
                id=row.id,
                at=row.started_at,
                findings=[subject_of(issue) for issue in map(Issue.model_validate, row.issues) if issue.fixes],
                order=str(row.tried[0]["order"]) if row.tried else None,
            )
            for row in rows
        ]

    async def page(
        self,
        session: AsyncSession,
        *,
        incident_id: UUID | None = None,
        system_id: UUID | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> list[SessionView]:
        """Newest first; `before` is the last id of the previous page, `system_id` one that was looked at."""
        query = sa.select(Session).where(Session.tenant_id == tenant_of(session))
        if incident_id is not None:
            query = query.where(Session.incident_id == incident_id)
        if system_id is not None:
            query = query.where(Session.system_ids.contains([system_id]))
        if before is not None:
            query = query.where(Session.id < before)
        return [view_of(row) for row in await session.scalars(query.order_by(Session.id.desc()).limit(limit))]


async def get_row(session: AsyncSession, session_id: UUID, *, lock: bool = False) -> Session:
    """Raises NotFound."""
    query = sa.select(Session).where(Session.tenant_id == tenant_of(session), Session.id == session_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("no troubleshooting session of this id")
    return row


def write_phase(
    row: Session, name: str, *, round_number: int, summary: str, started: float, ended: float, waited: float = 0.0
) -> None:
    """Note a finished phase with its times (seconds since 1970); the `waited` seconds, for a person, count as no work.
    Repeating replaces it."""
    key = f"{round_number}.{name}"
    entry: JsonObject = {
        "key": key,
        "name": name,
        "round": round_number,
        "summary": summary,
        "started_at": iso(_instant(started)),
        "ended_at": iso(_instant(ended)),
        "seconds": round(max(0.0, ended - started - waited), 3),
        "waiting_seconds": round(waited, 3),
    }
    row.phases = [p for p in row.phases if p["key"] != key] + [entry]
    row.phase = name


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def finish(session: AsyncSession, row: Session, *, outcome: str, success: bool, summary: str) -> None:
    """The session is over."""
    row.status, row.outcome, row.success, row.summary, row.ended_at = "ended", outcome, success, summary, now()
    await record_changes(session, [_change(row)])


def _change(row: Session) -> Change:
    told = {"session_id": str(row.id), "status": row.status, "outcome": row.outcome}
    return Change("troubleshooting_session_changed", told)


def view_of(row: Session) -> SessionView:
    """A session as it is shown."""
    return SessionView(
        id=row.id,
        incident_id=row.incident_id,
        trigger=row.trigger,
        complaint=row.complaint,
        requested_by=row.requested_by,
        status=row.status,
        phase=row.phase,
        success=row.success,
        outcome=row.outcome,
        summary=row.summary,
        health_score=row.health_score,
        phases=[phase | {"number": number} for number, phase in enumerate(row.phases, start=1)],
        issues=row.issues,
        causes=row.causes,
        hypotheses=row.hypotheses,
        changes=row.changes,
        diagnostics=row.diagnostics,
        resolutions=row.resolutions,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )

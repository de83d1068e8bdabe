"""The way of an incident through a policy: who is paged, who is next, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7
from opsteward.core.timers import cancel_timer, set_timer
from opsteward.events import timeline
from opsteward.events.incidents import Incidents
from opsteward.events.muting.matchers import all_hold, loaded
from opsteward.events.types import (
    IncidentAcknowledged,
    IncidentChanged,
    IncidentReopened,
    IncidentStatus,
    IncidentView,
)
from opsteward.oncall.models import Escalation, NotificationRoute
from opsteward.oncall.notices import Notices
from opsteward.oncall.people import operator_id
from opsteward.oncall.policies import policy_for, step_of
from opsteward.oncall.route_trouble import ACTOR
from opsteward.oncall.routes import all_routes, counts_now
from opsteward.oncall.schedules import on_call_now
from opsteward.oncall.types import Begins, EscalationView, Step
from opsteward.systems.service import Inventory

#: The kind of the timers of escalations: the next step.
ESCALATION = "escalation"


class Escalations:
    """One per process."""

    def __init__(self, incidents: Incidents, inventory: Inventory, notices: Notices) -> None:
        self._incidents = incidents
        self._inventory = inventory
        self._notices = notices

    async def begin(self, session: AsyncSession, *, incident: IncidentView, begins: Begins) -> bool:
        """Tell of an incident by the routes and the policy that match it; whether there are any. Again does nothing
        while its escalation runs, or for one that is kept quiet."""
        if incident.muted is not None:
            return False
        values = await self._values(session, incident)
        told = await self._tell_routes(session, incident, values, begins)
        if await self._running(session, incident.id) is not None:
            return True
        found = await policy_for(session, values, begins=begins)
        if found is None or incident.acknowledged_at is not None:
            return told or found is not None
        name, steps, repeats = found
        row = Escalation(
            id=uuid7(),
            tenant_id=tenant_of(session),
            incident_id=incident.id,
            policy=name,
            steps=[dict(asdict(step)) for step in steps],
            repeats=repeats,
            step=0,
            round=0,
            status="running",
        )
        session.add(row)
        await session.flush()
        await self._line(session, incident.id, f"Escalation by the policy {name} begins")
        await self._page(session, row)
        return True

    async def step_is_due(self, session: AsyncSession, key: str) -> None:
        """Nobody has acknowledged in time: the next one is paged."""
        row = await session.scalar(
            sa.select(Escalation)
            .where(Escalation.tenant_id == tenant_of(session), Escalation.id == UUID(key))
            .with_for_update()
        )
        if row is None or row.status != "running":
            return
        incident = await self._incidents.get(session, incident_id=row.incident_id)
        if incident.status == IncidentStatus.RESOLVED or incident.muted is not None:
            await self._end(session, row, "over", ACTOR)
        elif incident.acknowledged_at is not None:
            await self._end(session, row, "acknowledged", ACTOR)
        elif self._advance(row):
            await self._page(session, row)
        else:
            await self._end(session, row, "exhausted", ACTOR)
            rounds = row.repeats + 1
            told = f"Nobody has acknowledged it: the policy {row.policy} is at its end, after {rounds} rounds"
            await self._line(session, row.incident_id, told)

    async def acknowledged(self, session: AsyncSession, message: IncidentAcknowledged) -> None:
        """Somebody is on it: nobody else is paged."""
        await self._end_running(session, message.incident.id, "acknowledged", message.by)

    async def changed(self, session: AsyncSession, message: IncidentChanged) -> None:
        """An incident that is over is told as over to those who were told of it."""
        if message.status == IncidentStatus.RESOLVED:
            await self._end_running(session, message.incident_id, "over", ACTOR)
            await self._notices.tell_end(session, incident_id=message.incident_id)

    async def reopened(self, session: AsyncSession, message: IncidentReopened) -> None:
        """What a person reopens is told anew; what is back by itself is told with its decisions."""
        if not message.automatic:
            for begins in ("opened", "escalated"):
                await self.begin(session, incident=message.incident, begins=begins)

    async def of_incident(self, session: AsyncSession, *, incident_id: UUID) -> list[EscalationView]:
        """Newest first."""
        rows = (
            await session.scalars(
                sa.select(Escalation)
                .where(Escalation.tenant_id == tenant_of(session), Escalation.incident_id == incident_id)
                .order_by(Escalation.id.desc())
                .limit(50)
            )
        ).all()
        return await self._views(session, rows)

    async def running(self, session: AsyncSession, *, limit: int = 200) -> list[EscalationView]:
        """Those under way, the next step first."""
        rows = (
            await session.scalars(
                sa.select(Escalation)
                .where(Escalation.tenant_id == tenant_of(session), Escalation.status == "running")
                .order_by(Escalation.next_at)
                .limit(limit)
            )
        ).all()
        return await self._views(session, rows)

    # ------------------------------------------------------------ whom to tell

    async def _tell_routes(
        self, session: AsyncSession, incident: IncidentView, values: dict[str, str], begins: Begins
    ) -> bool:
        """By the routes that say for which incidents they are; those of persons are for policies alone."""
        told = False
        for route in await all_routes(session):
            mine = route.operator_id is None and route.matchers and route.begins == begins
            if mine and counts_now(route) and all_hold(loaded(route.matchers), values):
                ways = [route, *await self._notices.ways_after(session, route)]
                await self._notices.notify(session, kind="incident", ways=ways, incident_id=incident.id, told="")
                told = True
        return told

    async def _page(self, session: AsyncSession, row: Escalation) -> None:
        """Page whom the present step names; a step that reaches nobody is not waited for."""
        step, reached = step_of(row.steps[row.step]), False
        for told, ways in await self._ways(session, row.incident_id, step):
            await self._notices.notify(session, kind="page", ways=ways, incident_id=row.incident_id, told=told)
            reached = True
        wait = timedelta(minutes=step.wait_minutes) if reached else timedelta()
        row.next_at = now() + wait
        await set_timer(session, kind=ESCALATION, key=str(row.id), at=row.next_at)

    async def _ways(
        self, session: AsyncSession, incident_id: UUID, step: Step
    ) -> list[tuple[str, list[NotificationRoute]]]:
        """Whom this step reaches, each with the routes that are tried in turn. Who can't be reached is said."""
        people = list(step.operators)
        for schedule in step.schedules:
            who = await on_call_now(session, name=schedule, at=now())
            if who is None:
                await self._line(session, incident_id, f"Nobody is on call in {schedule}")
            else:
                people.append(who)
        routes = await all_routes(session)
        actors = await actors_of(session, people)
        found: list[tuple[str, list[NotificationRoute]]] = []
        for who in dict.fromkeys(people):
            own = [one for one in routes if one.operator_id == operator_id(who) and counts_now(one)]
            if own:
                found.append((actors(who).name, own))
            else:
                name = actors(who).name
                await self._line(session, incident_id, f"{name} can't be paged: no route of theirs counts now")
        for name in step.routes:
            route = next((one for one in routes if one.name == name), None)
            if route is None:
                await self._line(session, incident_id, f"The route {name} is gone")
            else:
                found.append(("", [route, *await self._notices.ways_after(session, route)]))
        return found

    # ------------------------------------------------------------ how it moves

    @staticmethod
    def _advance(row: Escalation) -> bool:
        """To the next step, or to the first of the next round; False at the end."""
        if row.step + 1 < len(row.steps):
            row.step += 1
            return True
        if row.round >= row.repeats:
            return False
        row.step, row.round = 0, row.round + 1
        return True

    async def _end_running(self, session: AsyncSession, incident_id: UUID, status: str, by: str) -> None:
        row = await self._running(session, incident_id)
        if row is not None:
            await self._end(session, row, status, by)

    async def _end(self, session: AsyncSession, row: Escalation, status: str, by: str) -> None:
        row.status, row.ended_at, row.ended_by, row.next_at = status, now(), by, None
        await session.flush()
        await cancel_timer(session, kind=ESCALATION, key=str(row.id))

    async def _running(self, session: AsyncSession, incident_id: UUID) -> Escalation | None:
        found: Escalation | None = await session.scalar(
            sa.select(Escalation)
            .where(
                Escalation.tenant_id == tenant_of(session),
                Escalation.incident_id == incident_id,
                Escalation.status == "running",
            )
            .with_for_update()
        )
        return found

    async def _values(self, session: AsyncSession, incident: IncidentView) -> dict[str, str]:
        """What matchers see of it."""
        names = await self._inventory.names_of(
            session, system_ids={incident.system_id} if incident.system_id else set()
        )
        return incident.labels | {
            "source": incident.source,
            "system": names.get(incident.system_id, incident.source) if incident.system_id else incident.source,
            "severity": incident.severity,
            "category": incident.category,
            "title": incident.title,
        }

    async def _line(self, session: AsyncSession, incident_id: UUID, title: str) -> None:
        await timeline.add(session, incident_id=incident_id, kind="escalation", title=title[:200], actor=ACTOR)

    async def _views(self, session: AsyncSession, rows: Sequence[Escalation]) -> list[EscalationView]:
        actors = await actors_of(session, (row.ended_by for row in rows))
        return [
            EscalationView(
                id=row.id,
                incident_id=row.incident_id,
                policy=row.policy,
                step=row.step + 1,
                steps=len(row.steps),
                round=row.round + 1,
                rounds=row.repeats + 1,
                status=row.status,
                next_at=row.next_at,
                started_at=row.started_at,
                ended_at=row.ended_at,
                ended_by=actors.maybe(row.ended_by),
            )
            for row in rows
        ]

"""Notices: what is told by which route. Several incidents are put together; what nobody takes goes the next way.

A notice is a row; it is sent by the action `send_notice`, at most once, and what became of it stands in the timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.actions.service import ActionService
from opsteward.actions.types import ENDS, ActionChanged, ActionView, NewAction, RunStatus
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.ids import uuid7
from opsteward.core.timers import set_timer
from opsteward.events import timeline
from opsteward.events.incidents import Incidents
from opsteward.events.intake import Intake
from opsteward.events.timeline import Line
from opsteward.events.types import IncidentStatus, IncidentView
from opsteward.oncall.models import NoticeRow, NotificationRoute
from opsteward.oncall.route_trouble import ACTOR, report_trouble
from opsteward.oncall.routes import NotificationRoutes, all_routes
from opsteward.oncall.types import NoticeView
from opsteward.oncall.wording import Words, composed, of_approvals

#: The kinds of the timers of notices: what is put together is sent; what nobody has seen is told again; what ended
#: while people were being told of it is told as over.
COLLECTED, AGAIN, OVER = "notice", "notice.again", "notice.over"
#: Kinds of notices about incidents that a person is asked to look at.
_ASKING = ("incident", "page", "again")
#: Kinds of notices by which people first hear of an incident: they hear of its end too.
_FIRST = ("incident", "page")
#: The kind of notices about plans that wait for an approval.
APPROVAL = "approval"
_THINGS_LIMIT = 200


class Notices:
    """One per process."""

    def __init__(
        self,
        actions: ActionService,
        incidents: Incidents,
        intake: Intake,
        routes: NotificationRoutes,
        public_url: str | None,
    ) -> None:
        self._actions = actions
        self._incidents = incidents
        self._intake = intake
        self._routes = routes
        self._public_url = public_url

    async def notify(
        self,
        session: AsyncSession,
        *,
        kind: str,
        ways: Sequence[NotificationRoute],
        incident_id: UUID,
        told: str,
    ) -> None:
        """Tell of an incident by the first of these ways, the others in turn if it fails. `told`: who, for people."""
        row, begun = await self._collecting(session, kind, ways, told)
        if incident_id not in row.incident_ids:
            row.incident_ids = [*row.incident_ids, incident_id]
        if not begun:
            await self._begin(session, row, ways[0])

    async def tell_approval(self, session: AsyncSession, *, route: NotificationRoute, approval_id: UUID) -> None:
        """Tell that a plan waits for an approval."""
        ways = [route, *await self.ways_after(session, route)]
        row, begun = await self._collecting(session, APPROVAL, ways, "")
        row.approval_ids = [*row.approval_ids, approval_id]
        if not begun:
            await self._begin(session, row, route)

    async def _collecting(
        self, session: AsyncSession, kind: str, ways: Sequence[NotificationRoute], told: str
    ) -> tuple[NoticeRow, bool]:
        """The notice that takes more of this kind by this route now, and whether it was begun before."""
        first, *later = ways
        waiting: NoticeRow | None = await session.scalar(
            sa.select(NoticeRow)
            .where(
                NoticeRow.tenant_id == tenant_of(session),
                NoticeRow.route_id == first.id,
                NoticeRow.kind == kind,
                NoticeRow.status == "collecting",
                NoticeRow.told == told,
            )
            .with_for_update()
        )
        if waiting is not None and len(waiting.incident_ids) + len(waiting.approval_ids) < _THINGS_LIMIT:
            return waiting, True
        return self._new(session, first, kind=kind, later=[one.id for one in later], told=told), False

    async def _begin(self, session: AsyncSession, row: NoticeRow, route: NotificationRoute) -> None:
        await session.flush()
        if route.group_seconds:
            due = now() + timedelta(seconds=route.group_seconds)
            await set_timer(session, kind=COLLECTED, key=str(row.id), at=due)
        else:
            await self._compose_and_send(session, row)

    async def tell_end(self, session: AsyncSession, *, incident_id: UUID) -> None:
        """Tell those who were told of an incident that it is over; those who are being told, once they have been."""
        of_it = (
            NoticeRow.tenant_id == tenant_of(session),
            NoticeRow.incident_ids.contains([incident_id]),
            NoticeRow.kind.in_(_FIRST),
        )
        under_way = sa.select(NoticeRow.id).where(*of_it, NoticeRow.status.in_(("queued", "sending")))
        for notice_id in (await session.scalars(under_way)).all():
            # after this transaction: its delivery may end in another one, which does not see yet that this is over
            await set_timer(session, kind=OVER, key=str(notice_id), at=now())
        told = sa.select(NoticeRow.route_id, NoticeRow.told).where(*of_it, NoticeRow.status == "sent").distinct()
        for route_id, whom in (await session.execute(told)).all():
            route = await self._route(session, route_id)
            if route is not None:
                await self.notify(session, kind="resolved", ways=[route], incident_id=incident_id, told=whom)

    async def tell(
        self, session: AsyncSession, *, route: NotificationRoute, kind: str, title: str, body: str
    ) -> NoticeView:
        """Send a text by a route at once: a test, a report."""
        later = await self.ways_after(session, route) if kind != "test" else []
        row = self._new(session, route, kind=kind, later=[one.id for one in later], told="")
        row.title, row.body, row.severity = title, body, "low"
        await session.flush()
        await self._send(session, row)
        return _view(row, route.name)

    async def test(self, session: AsyncSession, *, route_id: UUID, by: Identity) -> NoticeView:
        """Send a text that says it is a test, by this route alone. Raises NotFound."""
        route = await self._routes.row(session, route_id)
        said = f"{by.operator_name} tries the notification route {route.name}. Nothing is wrong."
        return await self.tell(session, route=route, kind="test", title="Opsteward: a test", body=said)

    async def ways_after(self, session: AsyncSession, route: NotificationRoute) -> list[NotificationRoute]:
        """The routes that are tried after this one, each once."""
        by_name = {one.name: one for one in await all_routes(session)}
        found: list[NotificationRoute] = []
        following = route.next_route
        while following in by_name and by_name[following] not in found and following != route.name:
            found.append(by_name[following])
            following = found[-1].next_route
        return found

    async def page(
        self, session: AsyncSession, *, incident_id: UUID | None = None, after: UUID | None = None, limit: int = 100
    ) -> list[NoticeView]:
        """Newest first; `after`: older than this one."""
        query = sa.select(NoticeRow).where(NoticeRow.tenant_id == tenant_of(session))
        if incident_id is not None:
            query = query.where(NoticeRow.incident_ids.contains([incident_id]))
        if after is not None:
            query = query.where(NoticeRow.id < after)
        rows = (await session.scalars(query.order_by(NoticeRow.id.desc()).limit(limit))).all()
        names = {one.id: one.name for one in await all_routes(session)}
        return [_view(row, names.get(row.route_id, "a route that is gone")) for row in rows]

    async def get(self, session: AsyncSession, *, notice_id: UUID) -> NoticeView:
        """Raises NotFound."""
        row = await session.scalar(
            sa.select(NoticeRow).where(NoticeRow.tenant_id == tenant_of(session), NoticeRow.id == notice_id)
        )
        if row is None:
            raise NotFound("no notice of this id", remedy="see GET /api/v1/notifications/notices")
        names = {one.id: one.name for one in await all_routes(session)}
        return _view(row, names.get(row.route_id, "a route that is gone"))

    # ------------------------------------------------------------ what falls due

    async def collected_is_due(self, session: AsyncSession, key: str) -> None:
        """What was put together is sent."""
        row = await self._row(session, UUID(key), lock=True)
        if row is not None and row.status == "collecting":
            await self._compose_and_send(session, row)

    async def again_is_due(self, session: AsyncSession, key: str) -> None:
        """What nobody has seen yet is told again."""
        row = await self._row(session, UUID(key))
        route = await self._route(session, row.route_id) if row is not None else None
        if row is None or route is None or not route.repeat_seconds:
            return
        waiting = [one.id for one in await self._wanted(session, row)]
        if waiting:
            again = self._new(session, route, kind="again", later=row.later_routes, told=row.told)
            again.incident_ids = waiting
            await session.flush()
            await self._compose_and_send(session, again)

    async def over_is_due(self, session: AsyncSession, key: str) -> None:
        """An incident ended while this notice of it was under way. One that still is sees that when it arrives."""
        row = await self._row(session, UUID(key), lock=True)
        route = await self._route(session, row.route_id) if row is not None else None
        if row is not None and route is not None and row.status == "sent":
            await self._tell_ends_since(session, row, route)

    # ------------------------------------------------------------ sending, and what came of it

    def _new(
        self, session: AsyncSession, route: NotificationRoute, *, kind: str, later: Sequence[UUID], told: str
    ) -> NoticeRow:
        row = NoticeRow(
            id=uuid7(),
            tenant_id=route.tenant_id,
            kind=kind,
            route_id=route.id,
            later_routes=list(later),
            incident_ids=[],
            approval_ids=[],
            buttons=[],
            title="",
            body="",
            severity="low",
            status="collecting",
            told=told,
            attempt=1,
            channels=[],
        )
        session.add(row)
        return row

    async def _compose_and_send(self, session: AsyncSession, row: NoticeRow) -> None:
        route = await self._route(session, row.route_id)
        about = await (self._waiting(session, row) if row.kind == APPROVAL else self._told_of(session, row, route))
        if route is None or about is None:
            row.status, row.ended_at = "skipped", now()
            row.error = "its route is gone" if route is None else "nobody needs to be told any more"
            return
        row.title, row.body, row.severity = about.title, about.body, about.severity
        row.buttons = [asdict(button) for button in about.buttons]
        await self._send(session, row)

    async def _told_of(self, session: AsyncSession, row: NoticeRow, route: NotificationRoute | None) -> Words | None:
        incidents = await self._wanted(session, row)
        return composed(route, row.kind, incidents, self._public_url) if route and incidents else None

    async def _waiting(self, session: AsyncSession, row: NoticeRow) -> Words | None:
        """What is told of those of its approvals that still wait."""
        found = [await self._actions.get_approval(session, approval_id=one) for one in row.approval_ids]
        waiting = [one for one in found if one.status == "pending"]
        return of_approvals(waiting, self._public_url) if waiting else None

    async def _wanted(self, session: AsyncSession, row: NoticeRow) -> list[IncidentView]:
        """Of its incidents those of which people need still be told."""
        found = [await self._incidents.get(session, incident_id=one) for one in row.incident_ids]
        if row.kind not in _ASKING:
            return found
        return [
            one
            for one in found
            if one.status != IncidentStatus.RESOLVED and one.acknowledged_at is None and one.muted is None
        ]

    async def _send(self, session: AsyncSession, row: NoticeRow) -> None:
        row.status = "queued"
        await session.flush()
        await self._actions.request(
            session,
            new=NewAction(
                action="send_notice",
                params={"notice_id": str(row.id)},
                reason=f"{row.kind}: {row.title}"[:500],
                requested_by=ACTOR,
                idempotency_key=f"notice:{row.id}",
                approval="auto",
            ),
        )

    async def delivery_ended(self, session: AsyncSession, message: ActionChanged) -> None:
        """Write down what became of a notice; what nobody took goes the next way."""
        run = message.run
        if run.action != "send_notice" or run.status not in ENDS:
            return
        row = await self._row(session, UUID(str(run.params["notice_id"])), lock=True)
        if row is None or row.status not in ("queued", "sending", "failed") or row.ended_at is not None:
            return
        route = await self._route(session, row.route_id)
        name = route.name if route else "a route that is gone"
        row.ended_at = now()
        if run.status == RunStatus.SUCCEEDED:
            await self._arrived(session, row, route, run)
            return
        row.status = "interrupted" if row.status == "sending" else "failed"
        row.error = row.error or run.error
        await self._line(session, row, f"{_whom(row)} not told by {name}: {row.error}"[:200])
        if route is not None:
            await report_trouble(session, self._intake, row.route_id, name, row.error or "", resolved=False)
        if row.status == "failed":
            await self._go_the_next_way(session, row)

    async def _arrived(
        self, session: AsyncSession, row: NoticeRow, route: NotificationRoute | None, run: ActionView
    ) -> None:
        result = run.result or {}
        channels = result.get("channels")
        row.status, row.channels = "sent", [str(one) for one in channels] if isinstance(channels, list) else []
        name = route.name if route else "a route that is gone"
        await self._line(session, row, f"{_whom(row)} told by {name} ({', '.join(row.channels)})"[:200])
        await report_trouble(session, self._intake, row.route_id, name, "", resolved=True)
        if route is not None and row.kind in _FIRST:
            await self._tell_ends_since(session, row, route)
        if route is not None and route.repeat_seconds and row.kind in _ASKING:
            due = now() + timedelta(seconds=route.repeat_seconds)
            await set_timer(session, kind=AGAIN, key=str(row.id), at=due)

    async def _tell_ends_since(self, session: AsyncSession, row: NoticeRow, route: NotificationRoute) -> None:
        """Those of its incidents that ended before it had arrived are told as over, unless that was done."""
        for incident_id in row.incident_ids:
            incident = await self._incidents.get(session, incident_id=incident_id)
            if incident.status != IncidentStatus.RESOLVED:
                continue
            done = sa.select(NoticeRow.id).where(
                NoticeRow.tenant_id == tenant_of(session),
                NoticeRow.route_id == row.route_id,
                NoticeRow.told == row.told,
                NoticeRow.kind == "resolved",
                NoticeRow.incident_ids.contains([incident_id]),
                NoticeRow.id > row.id,
            )
            if await session.scalar(done.limit(1)) is None:
                await self.notify(session, kind="resolved", ways=[route], incident_id=incident_id, told=row.told)

    async def _go_the_next_way(self, session: AsyncSession, row: NoticeRow) -> None:
        ways = [one for one in [await self._route(session, each) for each in row.later_routes] if one is not None]
        if not ways:
            return
        following = self._new(session, ways[0], kind=row.kind, later=[one.id for one in ways[1:]], told=row.told)
        following.incident_ids, following.attempt = row.incident_ids, row.attempt + 1
        following.approval_ids, following.buttons = row.approval_ids, row.buttons
        following.title, following.body, following.severity = row.title, row.body, row.severity
        await session.flush()
        if row.incident_ids or row.approval_ids:
            await self._compose_and_send(session, following)
        else:
            await self._send(session, following)

    async def _line(self, session: AsyncSession, row: NoticeRow, title: str) -> None:
        await timeline.add_all(
            session,
            [
                Line(
                    incident_id=incident_id,
                    kind="notified",
                    title=title,
                    detail={"notice": str(row.id), "status": row.status, "channels": row.channels},
                    key=f"notice {row.id} {row.status}",
                )
                for incident_id in row.incident_ids
            ],
        )

    async def _row(self, session: AsyncSession, notice_id: UUID, *, lock: bool = False) -> NoticeRow | None:
        query = sa.select(NoticeRow).where(NoticeRow.tenant_id == tenant_of(session), NoticeRow.id == notice_id)
        query = query.execution_options(populate_existing=True)
        found: NoticeRow | None = await session.scalar(query.with_for_update() if lock else query)
        return found

    async def _route(self, session: AsyncSession, route_id: UUID) -> NotificationRoute | None:
        try:
            return await self._routes.row(session, route_id)
        except NotFound:
            return None


def _whom(row: NoticeRow) -> str:
    return row.told or "People"


def _view(row: NoticeRow, route: str) -> NoticeView:
    return NoticeView(
        id=row.id,
        kind=row.kind,
        route=route,
        told=row.told,
        incident_ids=row.incident_ids,
        title=row.title,
        status=row.status,
        created_at=row.created_at or now(),
        ended_at=row.ended_at,
        channels=row.channels,
        error=row.error,
    )

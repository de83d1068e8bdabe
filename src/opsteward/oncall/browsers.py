"""Operators' own browsers: who is told on which, and of what: approvals that wait, and incidents that are severe or
need a person.

The browsers of an operator are a notification route of that operator, the last of theirs to be tried when they are
paged, so that a browser that nobody looks at never takes a page from their telephone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries as accounts
from opsteward.accounts.permissions import permissions_of
from opsteward.accounts.types import Identity
from opsteward.actions.service import ActionService
from opsteward.actions.types import NOTIFYING_ACTIONS, ActionChanged, RunStatus
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.crypto import SecretBox
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict
from opsteward.core.timers import set_timer
from opsteward.events.event_decisions import QUIET_ACTIONS
from opsteward.events.types import IncidentDecided, IncidentOpened, IncidentRaised, IncidentView, PeopleNeeded
from opsteward.integrations.apprise.web_push import SCHEME, PushKey, Subscription, checked_subscription
from opsteward.oncall.models import NotificationRoute
from opsteward.oncall.notices import Notices
from opsteward.oncall.routes import URLS_LIMIT, NewRoute, NotificationRoutes, route_names
from opsteward.telemetry import audit

#: The kind of the timers after which is told what waits for an approval.
APPROVALS = "push.approvals"
_TOGETHER = 5  # seconds: what comes to wait within them is told at once
_LAST = 1_000  # position among the routes of an operator
_COUNTED = 100  # approvals; more are "99+"


class Browsers:
    """One per process."""

    def __init__(
        self,
        box: SecretBox,
        actions: ActionService,
        notices: Notices,
        routes: NotificationRoutes,
        push_hosts: Sequence[str],
    ) -> None:
        """`push_hosts`: push services that may be on private addresses."""
        self._box = box
        self._actions = actions
        self._notices = notices
        self._routes = routes
        self._push_hosts = push_hosts

    def connect(self, bus: Bus) -> None:
        """Hear of what needs people; once per process."""
        bus.subscribe(IncidentOpened, self.incident_decided)
        bus.subscribe(IncidentRaised, self.incident_decided)
        bus.subscribe(PeopleNeeded, self.people_needed)
        bus.subscribe(ActionChanged, self.approval_waits)

    def public_key(self) -> str:
        """By which a browser knows that what it is told comes from this installation."""
        return PushKey(self._box.push_seed()).public()

    async def of(self, session: AsyncSession, *, operator_id: UUID) -> list[Subscription]:
        """An operator's browsers."""
        return self._subscriptions(await _row_of(session, operator_id))

    async def subscribe(
        self, session: AsyncSession, *, endpoint: str, p256dh: str, auth: str, site: str, by: Identity
    ) -> None:
        """Tell this browser from now on; again does nothing. `site`: our address as it knows it. Raises Invalid,
        Conflict for more browsers than an operator may have."""
        new = checked_subscription(endpoint=endpoint, p256dh=p256dh, auth=auth, site=site, hosts=self._push_hosts)
        row = await _row_of(session, by.operator_id)
        kept = [one for one in self._subscriptions(row) if one.endpoint != endpoint]
        if len(kept) >= URLS_LIMIT:
            raise Conflict(f"{URLS_LIMIT} of your browsers are told already", remedy="stop one of them first")
        if row is None:
            route = NewRoute(
                name=await _free_name(session, by),
                urls=[new.url],
                operator=by.operator_name,
                position=_LAST,
                group_seconds=_TOGETHER,
            )
            await self._routes.save(session, new=route, by=by, browsers=True)
        else:
            row.services = [SCHEME] * (len(kept) + 1)
            self._routes.set_urls(row, [one.url for one in (*kept, new)])
            await session.flush()
        await _note(session, "subscribed", new.service, by)

    async def unsubscribe(self, session: AsyncSession, *, endpoint: str, by: Identity) -> None:
        """Tell this browser no more, or with an empty address none of the operator's; nothing for one that is not."""
        row = await _row_of(session, by.operator_id)
        dropped = [one for one in self._subscriptions(row) if endpoint in ("", one.endpoint)]
        if row is None or not dropped:
            return
        await self._routes.drop_urls(session, row.id, [one.url for one in dropped])
        await _note(session, "unsubscribed", ", ".join(one.service for one in dropped), by)

    # ------------------------------------------------------------ of what they are told

    async def incident_decided(self, session: AsyncSession, message: IncidentDecided) -> None:
        """A severe incident, or one that people are to be told of, but for what is only noted."""
        severe = message.incident.severity == "high" and message.action not in QUIET_ACTIONS
        if severe or message.action in NOTIFYING_ACTIONS:
            await self._tell(session, message.incident, "incident")

    async def people_needed(self, session: AsyncSession, message: PeopleNeeded) -> None:
        """What troubleshooting could not repair."""
        await self._tell(session, message.incident, "page")

    async def _tell(self, session: AsyncSession, incident: IncidentView, kind: str) -> None:
        """All who may see it, but for what is kept quiet."""
        if incident.muted is not None:
            return
        for row, name in await _told(session, "incidents.read"):
            await self._notices.notify(session, kind=kind, ways=[row], incident_id=incident.id, told=name)

    async def approval_waits(self, session: AsyncSession, message: ActionChanged) -> None:
        """Those who may decide are told in a moment, of all that waits by then."""
        waits_from_now = message.run.status == RunStatus.AWAITING_APPROVAL and message.key.startswith("planned")
        if not waits_from_now or not await _told(session, "approvals.decide"):
            return
        due = math.ceil(now().timestamp() / _TOGETHER + 0.2) * _TOGETHER
        await set_timer(session, kind=APPROVALS, key="waiting", at=datetime.fromtimestamp(due, UTC))

    async def approvals_are_due(self, session: AsyncSession, key: str) -> None:
        """One message of all approvals that wait."""
        waiting = await self._actions.list_approvals(session, limit=_COUNTED)
        if not waiting:
            return
        newest = max(waiting, key=lambda one: one.requested_at)
        if len(waiting) == 1:
            title = f"Waits for your approval: {newest.action}"
        else:
            number = len(waiting) if len(waiting) < _COUNTED else f"{_COUNTED - 1}+"
            title = f"{number} approvals wait, the newest: {newest.action}"
        said = str(newest.plan.get("summary") or "") if newest.plan else ""
        for row, _ in await _told(session, "approvals.decide"):
            await self._notices.tell(session, route=row, kind="approval", title=title, body=said or newest.reason)

    # ------------------------------------------------------------ the route of an operator's browsers

    def _subscriptions(self, row: NotificationRoute | None) -> list[Subscription]:
        found = map(Subscription.of_url, self._routes.urls_of(row)) if row else ()
        return [one for one in found if one is not None]


async def _free_name(session: AsyncSession, by: Identity) -> str:
    """What the route of an operator's browsers is called."""
    name = f"browsers of {by.operator_name}"[:80]
    return name if name not in await route_names(session) else f"{name} {str(by.operator_id)[-12:]}"


def _routes_of_browsers(session: AsyncSession) -> sa.Select[NotificationRoute]:
    return sa.select(NotificationRoute).where(
        NotificationRoute.tenant_id == tenant_of(session),
        NotificationRoute.operator_id.is_not(None),
        NotificationRoute.services.contains([SCHEME]),
    )


async def _row_of(session: AsyncSession, operator_id: UUID) -> NotificationRoute | None:
    query = _routes_of_browsers(session).where(NotificationRoute.operator_id == operator_id)
    found: NotificationRoute | None = await session.scalar(query.order_by(NotificationRoute.name).limit(1))
    return found


async def _told(session: AsyncSession, permission: str) -> list[tuple[NotificationRoute, str]]:
    """The routes of browsers whose operators may sign in and may do this, with their names."""
    rows = (await session.scalars(_routes_of_browsers(session))).all()
    if not rows:
        return []
    may = {
        one.id: one.name
        for one in await accounts.list_operators(session, status="active")
        if permission in permissions_of(one.roles)
    }
    return [(row, may[row.operator_id]) for row in rows if row.operator_id in may]


async def _note(session: AsyncSession, what: str, service: str, by: Identity) -> None:
    await audit.record(
        session,
        actor=by.actor,
        verb=f"browser.{what}",
        object_type="operator",
        object_id=str(by.operator_id),
        detail={"push_service": service},
    )

"""Open incidents, judged again after something changed that keeps them quiet."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.types import Limits
from opsteward.core.bus import Bus
from opsteward.core.db import tenant_of
from opsteward.events import timeline
from opsteward.events.incident_views import view_of
from opsteward.events.models import Incident, TimelineEntry
from opsteward.events.muting.judging import in_force, judged, open_incidents, read_sources
from opsteward.events.standing_orders.service import StandingOrders, limits_of
from opsteward.events.timeline import Line
from opsteward.events.types import IncidentChanged, IncidentDecidedAgain, Muted
from opsteward.systems.service import Inventory


class Review:
    """One per process."""

    def __init__(self, bus: Bus, inventory: Inventory, orders: StandingOrders) -> None:
        self._bus = bus
        self._inventory = inventory
        self._orders = orders

    async def again(self, session: AsyncSession, *, actor: str) -> int:
        """Keep quiet what is to be now, give back what no longer is; how many incidents changed."""
        mutings = await in_force(session)
        nothing = not mutings.silences and not mutings.rules
        where = [Incident.muted.is_not(None)] if nothing else []
        rows = await open_incidents(session, self._inventory, where=where, lock=True)
        await read_sources(session, mutings, self._inventory)
        changed: list[tuple[Incident, Muted | None, bool]] = []
        for row, system in rows:
            one = judged(row, system)
            found = mutings.silence_of(one.values) or mutings.inhibition_of(one)
            after = asdict(found) if found else None
            if row.muted != after:
                changed.append((row, found, row.muted is not None))
                row.muted = after
        if changed:
            await session.flush()
            await timeline.add_all(session, [line_of(row, muted, actor) for row, muted, _ in changed])
        for row, muted, was_muted in changed:
            await self._bus.publish(session, IncidentChanged(incident_id=row.id, status=""))
            if muted is None and was_muted:
                await self.give_back(session, row)
        return len(changed)

    async def give_back(self, session: AsyncSession, row: Incident) -> None:
        """Tell of each action that was decided for it, so that it is done. An order that is gone asks a person."""
        lines = await session.scalars(
            sa.select(TimelineEntry)
            .where(
                TimelineEntry.tenant_id == tenant_of(session),
                TimelineEntry.incident_id == row.id,
                TimelineEntry.kind.in_(("decided", "raised")),
            )
            .order_by(TimelineEntry.at)
        )
        decided = {str(line.detail["action"]): line for line in lines if "action" in line.detail}
        orders = {order.name: order for order in (await self._orders.in_force(session)).orders}
        for place, (action, line) in enumerate(decided.items()):
            name = (line.actor or "").partition("standing-order:")[2] or None
            order = orders.get(name) if name else None
            await self._bus.publish(
                session,
                IncidentDecidedAgain(
                    incident=view_of(row),
                    action=action,
                    priority=int(str(line.detail["priority"])),
                    decided_by=str(line.detail.get("reason", "")),
                    message=row.title,
                    standing_order=name,
                    approval=order.approval if order else "required" if name else "auto",
                    limits=limits_of(order) if order else Limits(),
                    first=place == 0,
                ),
            )


def line_of(row: Incident, muted: Muted | None, actor: str | None) -> Line:
    """What the timeline says of it."""
    title = f"Kept quiet, {muted.words}" if muted else "No longer kept quiet: what was decided is done now"
    return Line(
        incident_id=row.id,
        kind="muted" if muted else "unmuted",
        title=title[:200],
        actor=actor,
        detail=asdict(muted) if muted else {},
    )

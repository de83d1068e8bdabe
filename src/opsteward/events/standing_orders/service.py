"""Standing orders in force: versions per tenant in the database, parsed once and kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.types import Limits
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import FieldProblem
from opsteward.core.log import get_logger
from opsteward.events.models import StandingOrderVersion
from opsteward.events.standing_orders import document
from opsteward.events.standing_orders.document import ActionInfo, StandingOrder, StandingOrderErrors, Subject
from opsteward.telemetry import audit

log = get_logger(__name__)

#: The field of a problem that lies in one order: its place in the list.
_ORDER = re.compile(r"orders\.([0-9]+)(?:\.|\Z)")


def limits_of(order: StandingOrder) -> Limits:
    """An order's cooldown and counts as the door takes them."""
    return Limits(
        cooldown=order.cooldown.total_seconds(), per_target=order.limits.per_target, per_hour=order.limits.per_hour
    )


def _name_of(item: object, number: int) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return str(name or f"number {number + 1}")[:63]


@dataclass(frozen=True, kw_only=True)
class InForce:
    """`version` 0 with the text that ships means that nobody applied any yet."""

    version: int
    text: str
    applied_by: str
    applied_at: datetime | None
    orders: Sequence[StandingOrder]


class StandingOrders:
    """One per process. `known_actions` is what an order may name."""

    def __init__(self, known_actions: Mapping[str, ActionInfo]) -> None:
        self._known_actions = known_actions
        self._parsed: dict[tuple[UUID, int], InForce] = {}

    def check(self, text: str) -> Sequence[StandingOrder]:
        """Parse without applying. Raises StandingOrderErrors with line, problem and remedy of each."""
        return document.parse(text, known_actions=self._known_actions)

    async def apply(self, session: AsyncSession, *, text: str, actor: str) -> InForce:
        """Put a new version in force for this tenant. The same text again changes nothing."""
        orders = self.check(text)
        current = await self.in_force(session)
        if current.version and current.text == text:
            return current
        # Two appliers at once: the unique constraint on the version lets one through.
        row = StandingOrderVersion(
            tenant_id=tenant_of(session), version=current.version + 1, text=text, applied_by=actor, applied_at=now()
        )
        session.add(row)
        await session.flush()
        await audit.record(
            session,
            actor=actor,
            verb="standing_orders.applied",
            object_type="standing_orders",
            object_id=str(row.version),
            detail={"orders": [order.name for order in orders]},
        )
        await record_changes(session, [Change("standing_orders_changed", {"version": row.version})])
        return InForce(version=row.version, text=text, applied_by=actor, applied_at=row.applied_at, orders=orders)

    async def in_force(self, session: AsyncSession) -> InForce:
        """The newest version of this tenant, or what ships when there is none."""
        tenant_id = tenant_of(session)
        version = (
            await session.scalar(
                sa.select(sa.func.max(StandingOrderVersion.version)).where(StandingOrderVersion.tenant_id == tenant_id)
            )
        ) or 0
        known = self._parsed.get((tenant_id, version))
        if known is None:
            known = await self._load(session, tenant_id, version)
            self._parsed = {k: v for k, v in self._parsed.items() if k[0] != tenant_id} | {(tenant_id, version): known}
        return known

    async def _load(self, session: AsyncSession, tenant_id: UUID, version: int) -> InForce:
        if version == 0:
            text = document.shipped()
            return InForce(version=0, text=text, applied_by="shipped", applied_at=None, orders=self.check(text))
        row = (
            await session.scalars(
                sa.select(StandingOrderVersion).where(
                    StandingOrderVersion.tenant_id == tenant_id, StandingOrderVersion.version == version
                )
            )
        ).one()
        return InForce(
            version=row.version,
            text=row.text,
            applied_by=row.applied_by,
            applied_at=row.applied_at,
            orders=self._still_valid(row.text, version),
        )

    def _still_valid(self, text: str, version: int) -> Sequence[StandingOrder]:
        """The orders of a text in force that hold up. An upgrade may have removed what one of them names: that must
        not take the others out of force, nor keep events from being taken in."""
        try:
            return self.check(text)
        except StandingOrderErrors as error:
            problems = error.problems
        orders, faulty = self._without_faulty(text, problems)
        log.warning(
            "events.standing_orders.faulty",
            version=version,
            faulty=faulty,
            left=[order.name for order in orders],
            problems=[problem.as_dict() for problem in problems[:20]],
        )
        return orders

    def _without_faulty(
        self, text: str, problems: Sequence[FieldProblem]
    ) -> tuple[Sequence[StandingOrder], Sequence[str]]:
        """What is left when each faulty order is taken out, and the names of those; nothing where the file as a whole
        is at fault."""
        import yaml

        if any(_ORDER.match(problem.field) is None for problem in problems):
            return [], ["all"]
        # BaseLoader takes every value as text, as our own reader does; sound YAML it is, or the file were at fault
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 -- BaseLoader builds nothing but text
        names: list[str] = []
        while True:
            bad = {int(found[1]) for problem in problems if (found := _ORDER.match(problem.field))}
            if not bad:
                return [], ["all"]
            items = document["orders"]
            names += [_name_of(items[number], number) for number in sorted(bad)]
            document["orders"] = [item for number, item in enumerate(items) if number not in bad]
            try:
                return self.check(yaml.safe_dump(document, sort_keys=False, allow_unicode=True)), names
            except StandingOrderErrors as error:
                problems = error.problems

    async def match(self, session: AsyncSession, subject: Subject) -> StandingOrder | None:
        """The first order in force that covers this, now."""
        return document.first_match((await self.in_force(session)).orders, subject, now())

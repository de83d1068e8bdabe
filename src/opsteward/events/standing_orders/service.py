"""Standing orders in force: versions per tenant in the database, parsed once and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.types import Limits
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.computing import compute, in_fair_thread
from opsteward.core.db import tenant_of
from opsteward.core.log import get_logger
from opsteward.events.models import StandingOrderVersion
from opsteward.events.standing_orders import document, lost_systems
from opsteward.events.standing_orders.document import ActionInfo, FaultyOrder, Rule, StandingOrder, Subject
from opsteward.events.standing_orders.located_yaml import FileProblem
from opsteward.events.standing_orders.parser import Reading, read_orders
from opsteward.systems.service import Inventory
from opsteward.telemetry import audit

log = get_logger(__name__)

#: Matching so many characters, times the values that they are compared with, takes well below a millisecond or two.
CHARACTERS_AT_ONCE = 200_000
_CHECK_SECONDS, _LOAD_SECONDS = 3.0, 10.0  # of processor time


def values_of(orders: Sequence[Rule]) -> int:
    """With how many values something is compared that is matched with these."""
    return sum(len(choices) for order in orders for choices in order.match.values())


def limits_of(order: StandingOrder) -> Limits:
    """An order's cooldown and counts as the action service takes them."""
    return Limits(
        cooldown=order.cooldown.total_seconds(), per_target=order.limits.per_target, per_hour=order.limits.per_hour
    )


@dataclass(frozen=True, kw_only=True)
class InForce:
    """`version` 0 with the text that ships means that nobody applied any yet. `rules` are its orders, in its order;
    those that held when they were applied and hold up no longer are faulty there, and `problems` says why."""

    version: int
    text: str
    applied_by: str
    applied_at: datetime | None
    rules: Sequence[Rule]
    problems: Sequence[FileProblem] = ()

    @property
    def orders(self) -> Sequence[StandingOrder]:
        """Those that hold up."""
        return [rule for rule in self.rules if isinstance(rule, StandingOrder)]

    @property
    def faulty(self) -> Sequence[FaultyOrder]:
        """Those that do not: what they may have meant goes to a person."""
        return [rule for rule in self.rules if isinstance(rule, FaultyOrder)]


class StandingOrders:
    """One per process. `known_actions` is what an order may name; `inventory` knows the systems."""

    def __init__(self, known_actions: Mapping[str, ActionInfo], inventory: Inventory) -> None:
        self._known_actions = known_actions
        self._inventory = inventory
        self._parsed: dict[tuple[UUID, int], InForce] = {}

    async def check(self, text: str) -> Sequence[StandingOrder]:
        """Parse without applying. Raises StandingOrderErrors with line, problem and remedy of each; TooExpensive."""
        return await compute(_CHECK_SECONDS, document.parse, text, known_actions=self._known_actions)

    async def apply(self, session: AsyncSession, *, text: str, actor: str) -> InForce:
        """Put a new version in force for this tenant. The same text again changes nothing."""
        orders = await self.check(text)
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
        return InForce(version=row.version, text=text, applied_by=actor, applied_at=row.applied_at, rules=orders)

    async def in_force(self, session: AsyncSession, *, version: int | None = None) -> InForce:
        """The newest version of this tenant (`version`, for who has read that), or what ships when there is none."""
        tenant_id = tenant_of(session)
        if version is None:
            newest = sa.select(sa.func.max(StandingOrderVersion.version))
            version = await session.scalar(newest.where(StandingOrderVersion.tenant_id == tenant_id)) or 0
        known = self._parsed.get((tenant_id, version))
        if known is None:
            known = await self._load(session, tenant_id, version)
            self._parsed = {k: v for k, v in self._parsed.items() if k[0] != tenant_id} | {(tenant_id, version): known}
        return await self._with_systems(session, known)

    async def as_if_applied(self, session: AsyncSession, text: str) -> InForce:
        """As it would be in force. Raises what `check` raises."""
        orders = await self.check(text)
        return await self._with_systems(
            session, InForce(version=0, text=text, applied_by="", applied_at=None, rules=orders)
        )

    async def _with_systems(self, session: AsyncSession, known: InForce) -> InForce:
        """As it is while some of the systems that its orders name are renamed or gone."""
        named = lost_systems.systems_named(known.rules)
        lost = await self._inventory.lost_names(session, names=named) if named else {}
        if not lost:
            return known
        return replace(
            known,
            rules=lost_systems.with_lost_systems(known.rules, lost),
            problems=[*known.problems, *lost_systems.lost_problems(known.rules, lost)],
        )

    async def _load(self, session: AsyncSession, tenant_id: UUID, version: int) -> InForce:
        if version == 0:
            text = document.shipped()
            found = await self._read(text, version)
            return InForce(
                version=0,
                text=text,
                applied_by="shipped",
                applied_at=None,
                rules=found.rules,
                problems=found.problems,
            )
        row = (
            await session.scalars(
                sa.select(StandingOrderVersion).where(
                    StandingOrderVersion.tenant_id == tenant_id, StandingOrderVersion.version == version
                )
            )
        ).one()
        found = await self._read(row.text, version)
        return InForce(
            version=row.version,
            text=row.text,
            applied_by=row.applied_by,
            applied_at=row.applied_at,
            rules=found.rules,
            problems=found.problems,
        )

    async def _read(self, text: str, version: int) -> Reading:
        """The orders of a text in force. An upgrade may have removed what one of them names: that must not take the
        others out of force, nor keep events from being taken in."""
        found = await compute(_LOAD_SECONDS, read_orders, text, known_actions=self._known_actions)
        if found.problems:
            log.warning(
                "events.standing_orders.faulty",
                version=version,
                faulty=[rule.name for rule in found.rules if isinstance(rule, FaultyOrder)],
                left=[order.name for order in found.orders],
                problems=[problem.as_dict() for problem in found.problems[:20]],
            )
        return found

    async def match(self, session: AsyncSession, subject: Subject) -> Rule | None:
        """The first order in force that covers this now, or that is faulty and may have."""
        orders = (await self.in_force(session)).rules
        size = sum(len(value) for value in subject.fields.values())
        if size * values_of(orders) <= CHARACTERS_AT_ONCE:
            return document.first_match(orders, subject, now())
        return await in_fair_thread(document.first_match, orders, subject, now())

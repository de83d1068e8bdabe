"""Which silence or inhibition keeps something quiet: judged for events on their way in, and for open incidents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.events.models import Incident
from opsteward.events.muting.matchers import Matcher, all_hold, loaded
from opsteward.events.muting.models import Inhibition, Silence
from opsteward.events.types import IncidentStatus, Muted
from opsteward.systems.service import Inventory
from opsteward.systems.topology import needed_by_each

OPEN_LIMIT = 20_000
Values = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What is judged: an incident, or an event that may open one. `number` 0: it has none yet."""

    values: Values
    system_id: UUID | None
    number: int = 0
    id: UUID | None = None


@dataclass(frozen=True)
class _Rule:
    row: Inhibition
    source: list[Matcher]
    target: list[Matcher]

    def joins(self, target: Judged, source: Judged, needed: Mapping[UUID, Collection[UUID]]) -> bool:
        """Whether the one keeps the other quiet, given what each system needs."""
        if source.id == target.id or not all_hold(self.source, source.values):
            return False
        if all_hold(self.source, target.values) and all_hold(self.target, source.values):
            return False  # of two that could keep each other quiet, both are told
        if any(source.values.get(name, "") != target.values.get(name, "") for name in self.row.equal):
            return False
        if not self.row.dependents:
            return True
        mine, theirs = target.system_id, source.system_id
        return mine is not None and theirs is not None and theirs in needed.get(mine, ())


@dataclass
class Mutings:
    """The silences and inhibitions in force at one moment."""

    silences: list[tuple[Silence, list[Matcher]]] = field(default_factory=list)
    rules: list[_Rule] = field(default_factory=list)
    #: Open incidents that may inhibit, and what each system needs; read when there are rules.
    sources: list[Judged] = field(default_factory=list)
    needed: Mapping[UUID, Collection[UUID]] = field(default_factory=dict)

    def silence_of(self, values: Values) -> Muted | None:
        """The silence that matches and ends last."""
        found = [silence for silence, matchers in self.silences if all_hold(matchers, values)]
        if not found:
            return None
        last = max(found, key=lambda silence: silence.ends_at)
        until = f"{last.ends_at:%Y-%m-%d %H:%M:%S} UTC"
        return Muted(by="silence", id=str(last.id), reason=last.reason, until=until)

    def inhibition_of(self, one: Judged, also: Sequence[Judged] = ()) -> Muted | None:
        """The first rule by which an open incident, or one of `also`, keeps this quiet."""
        for rule in self.rules:
            if not all_hold(rule.target, one.values):
                continue
            for source in (*self.sources, *also):
                if rule.joins(one, source, self.needed):
                    return Muted(by="inhibition", id=str(rule.row.id), reason=rule.row.reason, incident=source.number)
        return None

    def may_inhibit(self, values: Values) -> bool:
        """Whether this is what a rule has as its source."""
        return any(all_hold(rule.source, values) for rule in self.rules)


async def in_force(session: AsyncSession) -> Mutings:
    """What is in force now, in one statement each."""
    tenant_id, at = tenant_of(session), now()
    silences = await session.scalars(
        sa.select(Silence).where(
            Silence.tenant_id == tenant_id, Silence.ends_at > at, Silence.starts_at <= at, Silence.ended_at.is_(None)
        )
    )
    found = Mutings(silences=[(row, loaded(row.matchers)) for row in silences])
    rules = await session.scalars(
        sa.select(Inhibition).where(Inhibition.tenant_id == tenant_id, Inhibition.removed_at.is_(None))
    )
    found.rules = [_Rule(row, loaded(row.source), loaded(row.target)) for row in rules]
    return found


async def read_sources(session: AsyncSession, mutings: Mutings, inventory: Inventory) -> None:
    """The open incidents that may inhibit; nothing without a rule."""
    if mutings.rules:
        may_be = sa.or_(*(_narrowed(rule.source) for rule in mutings.rules))
        incidents = [one for one in await open_incidents(session, inventory, where=[may_be]) if not _is_muted(one)]
        mutings.sources = [judged(row, name) for row, name in incidents if mutings.may_inhibit(values_of(row, name))]
        mutings.needed = await needed_by_each(session)


def _narrowed(matchers: Sequence[Matcher]) -> sa.ColumnElement[bool]:
    """What the database can say of these matchers, so that few of many open incidents are read."""
    columns = {"severity": Incident.severity, "source": Incident.source, "category": Incident.category}
    found: list[sa.ColumnElement[bool]] = [sa.true()]
    for one in matchers:
        if one.op != "=" or one.name in ("system", "title"):
            continue
        column = columns.get(one.name)
        if column is not None:
            found.append(column == one.value)
        elif one.value:
            found.append(Incident.labels[one.name].astext == one.value)
    return sa.and_(*found)


def _is_muted(one: tuple[Incident, str]) -> bool:
    return one[0].muted is not None and one[0].muted.get("by") == "inhibition"


async def open_incidents(
    session: AsyncSession, inventory: Inventory, *, where: Iterable[sa.ColumnElement[bool]] = (), lock: bool = False
) -> list[tuple[Incident, str]]:
    """The newest open ones with the names of their systems; locked, in the order in which everybody locks them."""
    query = sa.select(Incident).where(
        Incident.tenant_id == tenant_of(session), Incident.status != IncidentStatus.RESOLVED, *where
    )
    if lock:
        query = query.order_by(Incident.id).with_for_update(key_share=True).execution_options(populate_existing=True)
    else:
        query = query.order_by(Incident.number.desc())
    rows = (await session.scalars(query.limit(OPEN_LIMIT))).all()
    names = await inventory.names_of(session, system_ids={row.system_id for row in rows if row.system_id})
    return [(row, names.get(row.system_id, "") if row.system_id else "") for row in rows]


def values_of(row: Incident, system: str) -> dict[str, str]:
    """What matchers see of an incident."""
    return {str(name): str(value) for name, value in row.labels.items()} | {
        "source": row.source,
        "system": system or row.source,
        "severity": row.severity,
        "category": row.category,
        "title": row.title,
    }


def judged(row: Incident, system: str) -> Judged:
    """An incident as it is judged."""
    return Judged(values=values_of(row, system), system_id=row.system_id, number=row.number, id=row.id)

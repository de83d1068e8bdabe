"""The first read of two lists that both come as lines of COPY: side by side into temporary tables, paired there by
their keys, and stored once as they belong together. Nothing is kept of a read that breaks off.

Each side is stored by a session of its own, so that two processors work on it; both sessions have both lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.records import RecordTarget
from opsteward.core.copy_stream import copy_lines
from opsteward.core.db import Database
from opsteward.provisioning.sync.reading import ReadReport, over_whole_lists
from opsteward.provisioning.sync.types import MappingDefinition, Side

T = TypeVar("T")
Open = Callable[[UUID], AbstractAsyncContextManager[RecordTarget]]

_SIDES: tuple[Side, Side] = ("source", "target")
_IS_KNOWN = sa.text("""
select exists (select from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping)
""")
#: The source is stored before the target: a process that died between the two left pairs that have one half.
_DROP_HALF = sa.text("""
delete from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping
    and not exists (select from opsteward.sync_records
        where tenant_id = :tenant and mapping_id = :mapping and side = 'target')
    and exists (select from opsteward.sync_records
        where tenant_id = :tenant and mapping_id = :mapping and side = 'source' and pair_id is not null)
""")
#: Who stores, and who looks whether something is stored, one after the other.
_LOCK = sa.text("select pg_advisory_xact_lock(hashtextextended('first read of ' || cast(:mapping as text), 0))")
_TABLE = """
create temp table sync_first_{side} (native_id text not null, digest text not null, version text, active boolean,
    changed_at timestamptz, {attributes}) on commit drop
"""
_COPY = "copy pg_temp.sync_first_{side} from stdin"
#: A key that fits more than one pair is for `pairing`.
_HAS_DOUBLES = """
select exists (select from pg_temp.sync_first_{side} where {key} is not null group by {key} having count(*) > 1)
"""
_DOUBLES = """
create temp table sync_first_doubles on commit drop as
select key from (select {key} as key from pg_temp.sync_first_source
    union all select {key} from pg_temp.sync_first_target) k
where key is not null group by key having count(*) > 2
"""
_STORE = """
insert into opsteward.sync_records (tenant_id, mapping_id, side, native_id, key, fields, pair_id, version, active,
    changed_at, digest, may_differ)
select :tenant, :mapping, :side, r.native_id, r.{key},
    case when num_nulls(variadic array[{ours}]) = 0 then jsonb_object(cast(:fields as text[]), array[{ours}])
        else jsonb_strip_nulls(jsonb_object(cast(:fields as text[]), array[{ours}])) end,
    o.native_id, r.version, r.active, r.changed_at, decode(r.digest, 'hex'),
    o.native_id is null or ({ours}) is distinct from ({theirs}) or coalesce({is_off}, false)
from pg_temp.sync_first_{side} r
left join pg_temp.sync_first_{other} o on o.{key} = r.{key} {alone}
{order}
"""
_ALONE = "and not exists (select from pg_temp.sync_first_doubles d where d.key = r.{key})"
#: Whether the ids came nearly as the index has them, as numbers given one after the other do; then to sort the rows
#: costs more than it spares. Of others it spares a walk through the whole index.
_IS_IN_ORDER = """
select coalesce(avg((native_id > before)::int) > 0.8, true) from (
    select native_id, lag(native_id) over () as before
    from (select native_id from pg_temp.sync_first_{side} limit 10000) first
) n where before is not null
"""
_IS_OFF: dict[Side, str] = {
    "source": "r.active is false and o.active",
    "target": "o.active is false and r.active",
}


@dataclass(frozen=True)
class ListToRead:
    """One side: the system, and the list there."""

    side: Side
    system_id: UUID
    resource: str
    attributes: Sequence[str]


class _ByRecords(Exception):
    """One of the lists does not come as lines, or something is known already."""


class Staging:
    """A session that has both lists, to store one of them."""

    def __init__(self, session: AsyncSession, definition: MappingDefinition, about: Mapping[str, object]) -> None:
        self.session = session
        self._about = about
        self._fields = [each.target for each in definition.fields]
        self._key = f"a{self._fields.index(definition.key)}"
        self._turn = asyncio.Lock()  # both lists come at once

    async def begin(self) -> None:
        """Make room for both lists, in this transaction."""
        await over_whole_lists(self.session)
        # nothing says yet that a key stands once, and the planner would sort both lists
        for setting in ("enable_mergejoin = off", "idle_in_transaction_session_timeout = '5min'"):
            await self.session.execute(sa.text(f"set local {setting}"))
        attributes = ", ".join(f"a{n} text" for n in range(len(self._fields)))
        for side in _SIDES:
            await self.session.execute(sa.text(_TABLE.format(side=side, attributes=attributes)))

    async def add(self, side: Side, lines: bytes) -> None:
        """A part of one list; each line is whole."""
        async with self._turn:
            await copy_lines(self.session, _COPY.format(side=side), lines)

    async def has_doubles(self, side: Side) -> bool:
        """Whether a key stands twice there."""
        return bool(await self.session.scalar(sa.text(_HAS_DOUBLES.format(side=side, key=self._key))))

    async def store(self, side: Side, other: Side, *, has_doubles: bool) -> None:
        """One list into the shadow, with its pairs in the other; `has_doubles`: a key may fit more than one."""
        if has_doubles:
            await self.session.execute(sa.text(_DOUBLES.format(key=self._key)))
        in_order = await self.session.scalar(sa.text(_IS_IN_ORDER.format(side=side)))
        statement = _STORE.format(
            side=side,
            other=other,
            key=self._key,
            is_off=_IS_OFF[side],
            ours=self._values("r"),
            theirs=self._values("o"),
            alone=_ALONE.format(key=self._key) if has_doubles else "",
            order="" if in_order else "order by r.native_id",
        )
        fields = sa.bindparam("fields", self._fields, type_=ARRAY(sa.Text))
        await self.session.execute(sa.text(statement).bindparams(fields), dict(self._about) | {"side": side})

    def _values(self, alias: str) -> str:
        return ", ".join(f"{alias}.a{n}" for n in range(len(self._fields)))


class FirstRead:
    """Both sides of one mapping."""

    def __init__(
        self,
        db: Database,
        tenant_id: UUID,
        mapping_id: UUID,
        definition: MappingDefinition,
        *,
        turns: asyncio.Semaphore,
    ) -> None:
        """`turns`: as many as may be read at once; who waits for one holds no connection."""
        self._db, self._turns = db, turns
        self._about = {"tenant": tenant_id, "mapping": mapping_id}
        self._definition = definition

    async def read(self, open_system: Open, systems: Mapping[Side, UUID]) -> dict[Side, ReadReport]:
        """Read and store both; nothing where that has to be done record by record, or something is known already.

        Raises ConnectorError.
        """
        lists = self._lists(systems)
        try:
            if await self._is_known() or lists is None:
                return {}
            # the target's ends last
            async with self._turns, self._staging() as target, self._staging() as source:
                reports = await self._stage_both(lists, open_system, (source, target))
                await self._store(source, target)
        except _ByRecords:
            return {}
        async with self._db.unit_of_work(self._about["tenant"]) as session:
            await session.execute(sa.text("select opsteward.analyze_sync_records()"))
        return reports

    async def _is_known(self) -> bool:
        async with self._db.unit_of_work(self._about["tenant"]) as session:
            if not await session.scalar(_IS_KNOWN, self._about):
                return False
            await over_whole_lists(session)
            await session.execute(_LOCK, {"mapping": self._about["mapping"]})
            await session.execute(_DROP_HALF, self._about)
            return bool(await session.scalar(_IS_KNOWN, self._about))

    @asynccontextmanager
    async def _staging(self) -> AsyncIterator[Staging]:
        async with self._db.unit_of_work(self._about["tenant"]) as session:
            staging = Staging(session, self._definition, self._about)
            await staging.begin()
            yield staging

    async def _stage_both(
        self, lists: Sequence[ListToRead], open_system: Open, stagings: Sequence[Staging]
    ) -> dict[Side, ReadReport]:
        gives_up = False

        async def stage(one: ListToRead) -> ReadReport:
            nonlocal gives_up
            try:
                async with open_system(one.system_id) as system:
                    report = ReadReport(mark=await system.mark(one.resource))
                    async for lines in system.lines(one.resource, one.attributes):
                        if gives_up:
                            raise _ByRecords
                        await _both(staging.add(one.side, lines) for staging in stagings)
                        report.records += lines.count(b"\n")
                if not report.records:
                    raise _ByRecords
            except Exception:
                gives_up = True
                raise
            return report

        found = await _both(stage(one) for one in lists)
        return {one.side: report for one, report in zip(lists, found, strict=True)}

    def _lists(self, systems: Mapping[Side, UUID]) -> list[ListToRead] | None:
        """What to read; None where values are changed on their way, or say more than their text."""
        d = self._definition
        sources = [each.source for each in d.fields]
        if d.last_used is not None or any(each.transforms for each in d.fields):
            return None
        return [
            ListToRead("source", systems["source"], d.source_resource, [name for name in sources if name is not None]),
            ListToRead("target", systems["target"], d.target_resource, [each.target for each in d.fields]),
        ]

    async def _store(self, source: Staging, target: Staging) -> None:
        for each in (source, target):  # the one that is done sooner waits for the other, however long that takes
            await each.session.execute(sa.text("set local idle_in_transaction_session_timeout = 0"))
        await target.session.execute(_LOCK, {"mapping": self._about["mapping"]})
        # who had the lock before may have died since we looked; by the session that stores the same rows anew
        await source.session.execute(_DROP_HALF, self._about)
        if await source.session.scalar(_IS_KNOWN, self._about):
            raise _ByRecords
        doubles = any(await _both([source.has_doubles("source"), target.has_doubles("target")]))
        await _both(
            [
                source.store("source", "target", has_doubles=doubles),
                target.store("target", "source", has_doubles=doubles),
            ]
        )


async def _both(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What both give, at the same time. Raises what one of them does, sooner `_ByRecords` than a fault: the read record
    by record says what is wrong, if anything is but our giving up. Neither is broken off when the other ends: a
    connection would be left in the middle of a COPY."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    faults = [one for one in found if isinstance(one, BaseException)]
    if faults:
        raise min(faults, key=lambda fault: not isinstance(fault, _ByRecords))
    return [one for one in found if not isinstance(one, BaseException)]

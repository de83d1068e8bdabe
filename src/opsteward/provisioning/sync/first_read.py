"""The first read of two lists that both come by their columns: side by side into two temporary tables, paired there by
their keys, and stored once as they belong together. Nothing is stored of a read that breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.records import RecordColumns, RecordTarget
from opsteward.core.db import Database
from opsteward.provisioning.sync.reading import ReadReport, over_whole_lists
from opsteward.provisioning.sync.types import MappingDefinition, Side

Open = Callable[[UUID], AbstractAsyncContextManager[RecordTarget]]

_IS_KNOWN = sa.text("""
select exists (select from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping)
""")
_TABLE = """
create temp table sync_first_{side} (native_id text not null, key text, fields jsonb not null, hash uuid not null,
    version text, active boolean, changed_at timestamptz, digest uuid not null) on commit drop
"""
_ADD = """
insert into pg_temp.sync_first_{side} (native_id, key, fields, hash, version, active, changed_at, digest)
select r.native_id, r.{key}, f.fields, md5(f.fields::text)::uuid, r.version, r.active, r.changed_at, r.digest
from unnest(cast(:native_ids as text[]), cast(:versions as text[]), cast(:active as boolean[]),
    cast(:changed_at as timestamptz[]), cast(:digests as uuid[]), {arrays})
    as r(native_id, version, active, changed_at, digest, {names})
cross join lateral (select case when num_nulls({names}) = 0 then jsonb_object(cast(:fields as text[]), array[{names}])
    else jsonb_strip_nulls(jsonb_object(cast(:fields as text[]), array[{names}])) end as fields offset 0) f
"""
#: A key that fits more than one pair is for `pairing`.
_DOUBLES = """
create temp table sync_first_doubles on commit drop as
select key from (select key from pg_temp.sync_first_source union all select key from pg_temp.sync_first_target) k
where key is not null group by key having count(*) > 2
"""
_STORE = """
insert into opsteward.sync_records (tenant_id, mapping_id, side, native_id, key, hash, fields, pair_id, version, active,
    changed_at, digest, may_differ)
select :tenant, :mapping, :side, r.native_id, r.key, r.hash, r.fields, o.native_id, r.version, r.active, r.changed_at,
    r.digest, o.native_id is null or o.hash <> r.hash or coalesce({is_off}, false)
from pg_temp.sync_first_{side} r
left join (
    select native_id, key, hash, active from pg_temp.sync_first_{other} k
    where not exists (select from pg_temp.sync_first_doubles d where d.key = k.key)
) o on o.key = r.key
{order}
"""
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
    """One of the lists does not come by its columns."""


class FirstRead:
    """Both sides of one mapping."""

    def __init__(self, db: Database, tenant_id: UUID, mapping_id: UUID, definition: MappingDefinition) -> None:
        self._db = db
        self._about = {"tenant": tenant_id, "mapping": mapping_id}
        self._definition = definition
        self._turn = asyncio.Lock()  # both sides use one transaction

    async def read(self, open_system: Open, systems: Mapping[Side, UUID]) -> dict[Side, ReadReport]:
        """Read and store both; nothing where that has to be done record by record, or something is known already.

        Raises ConnectorError.
        """
        lists = self._lists(systems)
        try:
            async with self._db.unit_of_work(self._about["tenant"]) as session:
                if lists is None or await session.scalar(_IS_KNOWN, self._about):
                    return {}
                await over_whole_lists(session)
                await session.execute(sa.text("set local idle_in_transaction_session_timeout = '5min'"))
                reports = await self._stage_both(session, lists, open_system)
                await self._store(session)
        except _ByRecords:
            return {}
        return reports

    async def _stage_both(
        self, session: AsyncSession, lists: Sequence[ListToRead], open_system: Open
    ) -> dict[Side, ReadReport]:
        reports: dict[Side, ReadReport] = {}

        async def stage(one: ListToRead) -> None:
            async with open_system(one.system_id) as system:
                reports[one.side] = await self._stage(session, one, system)
            if not reports[one.side].records:
                raise _ByRecords

        try:
            async with asyncio.TaskGroup() as reading:
                for one in lists:
                    reading.create_task(stage(one))
        except ExceptionGroup as several:
            found = sorted(several.exceptions, key=lambda error: isinstance(error, _ByRecords))
            raise found[0] from None
        return reports

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

    async def _stage(self, session: AsyncSession, which: ListToRead, system: RecordTarget) -> ReadReport:
        statement = self._adding(which.side)
        mark = await system.mark(which.resource)
        report = ReadReport(mark=mark)
        async with self._turn:
            await session.execute(sa.text(_TABLE.format(side=which.side)))
        async for part in system.columns(which.resource, which.attributes):
            async with self._turn:
                added = await session.execute(statement, _bound(part))
            report.records += added.rowcount  # type: ignore[attr-defined]
        return report

    def _adding(self, side: Side) -> sa.TextClause:
        """The statement that brings a part into the form both sides are compared in."""
        fields = self._definition.fields
        key = next(n for n, each in enumerate(fields) if each.target == self._definition.key)
        statement = sa.text(
            _ADD.format(
                side=side,
                key=f"a{key}",
                arrays=", ".join(f"cast(:a{n} as text[])" for n in range(len(fields))),
                names=", ".join(f"a{n}" for n in range(len(fields))),
            )
        )
        return statement.bindparams(sa.bindparam("fields", [each.target for each in fields], type_=ARRAY(sa.Text)))

    async def _store(self, session: AsyncSession) -> None:
        await session.execute(sa.text(_DOUBLES))
        sides: Sequence[tuple[Side, Side]] = (("source", "target"), ("target", "source"))
        for side, other in sides:
            in_order = await session.scalar(sa.text(_IS_IN_ORDER.format(side=side)))
            order = "" if in_order else "order by r.native_id"
            statement = _STORE.format(side=side, other=other, is_off=_IS_OFF[side], order=order)
            await session.execute(sa.text(statement), self._about | {"side": side})
        await session.execute(sa.text("select opsteward.analyze_sync_records()"))


def _bound(part: RecordColumns) -> dict[str, object]:
    return {
        "native_ids": part.native_ids,
        "versions": part.versions,
        "active": part.active,
        "changed_at": part.changed_at,
        "digests": part.digests,
        **{f"a{n}": values for n, values in enumerate(part.attributes)},
    }

"""One side of a mapping is read into its shadow: by COPY, a few thousand records at a time, compared there.

Memory does not grow with the size of the list. What may be concluded from an absence is the connector's word
(`Coverage`); a list that came empty never says that anything is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.attribute_paths import value_at
from opsteward.contracts.records import MAX_BATCH, Batch, Coverage, Cursor, Record, RecordSource, RecordTarget
from opsteward.core.blocking_calls import in_thread
from opsteward.core.copy_stream import copy_stream
from opsteward.core.db import Database, copy_text, leave_to_the_log_writer
from opsteward.core.errors import BadReply, ConnectorError
from opsteward.core.ids import uuid7
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.storable_text import storable
from opsteward.provisioning.sync.last_use import instant_of
from opsteward.provisioning.sync.projection import match_key, project
from opsteward.provisioning.sync.types import MappingDefinition, Side

#: Records of one COPY.
CHUNK = 10_000
_COPY = "copy pg_temp.sync_stage (native_id, key, fields, version, active, changed_at, digest, used_at) from stdin"
_STAGE = sa.text("""
create temp table sync_stage (
    native_id text, key text, fields jsonb, version text, active boolean, changed_at timestamptz, digest text,
    used_at timestamptz)
on commit drop
""")
_MERGE = sa.text("""
insert into opsteward.sync_records as r
    (tenant_id, mapping_id, side, native_id, key, fields, version, active, changed_at, digest, used_at)
select distinct on (s.native_id) :tenant, :mapping, :side, s.native_id, s.key, s.fields, s.version, s.active,
    s.changed_at, decode(s.digest, 'hex'), s.used_at
from pg_temp.sync_stage s
-- what is as it was is left out here: a conflict that updates nothing would still lock its row
left join opsteward.sync_records o on o.tenant_id = :tenant and o.mapping_id = :mapping and o.side = :side
    and o.native_id = s.native_id
where o.native_id is null or o.fields <> s.fields or o.gone or o.active is distinct from s.active
    or o.version is distinct from s.version or o.digest is distinct from decode(s.digest, 'hex')
    or o.used_at is distinct from s.used_at
on conflict (tenant_id, mapping_id, side, native_id) do update set
    key = excluded.key, fields = excluded.fields, version = excluded.version,
    active = excluded.active, changed_at = excluded.changed_at, digest = excluded.digest, gone = false,
    may_differ = true, used_at = excluded.used_at,
    base = case when r.pair_id is null or r.fields = excluded.fields then r.base else coalesce(r.base, r.fields) end
""")
_SEEN = sa.text("""
insert into opsteward.sync_seen (tenant_id, read_id, native_id)
select :tenant, :read, native_id from pg_temp.sync_stage on conflict do nothing
""")
_SEEN_IDS = sa.text("""
insert into opsteward.sync_seen (tenant_id, read_id, native_id)
select :tenant, :read, unnest(cast(:ids as text[])) on conflict do nothing
""")
_ABSENT = """
 r.tenant_id = :tenant and r.mapping_id = :mapping and r.side = :side and not exists (
    select from opsteward.sync_seen s where s.tenant_id = :tenant and s.read_id = :read and s.native_id = r.native_id)
"""
_LISTED = """
 r.tenant_id = :tenant and r.mapping_id = :mapping and r.side = :side and r.native_id = any(cast(:ids as text[]))
"""


_KNOWN = sa.text("""
select count(*) from opsteward.sync_records r where r.tenant_id = :tenant and r.mapping_id = :mapping and r.side = :side
    and not r.gone
""")
_HAS_DIGESTS = sa.text("""
select exists (select from opsteward.sync_records r where r.tenant_id = :tenant and r.mapping_id = :mapping
    and r.side = :side and r.digest is not null)
""")
_DIGESTS = sa.text("create temp table sync_digests (native_id text not null, digest text not null) on commit drop")
_COPY_DIGESTS = "copy pg_temp.sync_digests (native_id, digest) from stdin"
_CHANGED = sa.text("""
select d.native_id from pg_temp.sync_digests d
left join opsteward.sync_records r on r.tenant_id = :tenant and r.mapping_id = :mapping and r.side = :side
    and r.native_id = d.native_id
where r.native_id is null or r.gone or r.digest is distinct from decode(d.digest, 'hex') limit :limit
""")
_NOT_TOLD = """
 r.tenant_id = :tenant and r.mapping_id = :mapping and r.side = :side and not exists (
    select from pg_temp.sync_digests s where s.native_id = r.native_id)
"""


@dataclass
class ReadReport:
    """What one side's read gave. `deletions`: whether an absence was taken for one. `mark`: where the list stood
    before, if it was read whole."""

    records: int = 0
    deletions: bool = True
    cursor: Cursor | None = None
    mark: str | None = None
    notes: list[str] = field(default_factory=list)


class SideReader:
    """Reads one side of one mapping."""

    def __init__(self, db: Database, tenant_id: UUID, mapping_id: UUID, definition: MappingDefinition) -> None:
        self._db = db
        self._tenant = tenant_id
        self._mapping = mapping_id
        self._definition = definition
        self._merged: dict[Side, int] = {"source": 0, "target": 0}
        self._analyze_at: dict[Side, int] = {"source": CHUNK // 2, "target": CHUNK // 2}

    async def read(self, side: Side, source: RecordSource, since: Cursor | None, mark: str | None = None) -> ReadReport:
        """Read it all, as far as it is not known to be as it was at the mark, or what changed since the cursor. Raises
        ConnectorError."""
        d = self._definition
        resource = d.source_resource if side == "source" else d.target_resource
        if since is not None:
            return await self._read_batches(side, resource, source, since)
        mark_now = await source.mark(resource)
        report = await self._read_newer(side, resource, source, mark) if mark is not None else None
        report = report or await self._read_by_digests(side, resource, source)
        report = report or await self._read_batches(side, resource, source, None)
        report.mark = mark_now if report.deletions else None
        return report

    async def _read_newer(self, side: Side, resource: str, source: RecordSource, mark: str) -> ReadReport | None:
        """Only what is newer than the mark; None where that does not say it all: something is gone."""
        waiting, total = list[Record](), None
        try:
            async for batch in source.newer(resource, mark):
                if batch.deleted_ids:
                    await self._note(side, None, batch)
                waiting += batch.upserts
                if len(waiting) >= CHUNK or (batch.coverage is not None and waiting):
                    await self._merge(side, None, waiting)
                    waiting = []
                total = batch.total
        except ConnectorError:
            return None
        known = await self._count(side)
        return ReadReport(records=known) if known and known == total else None

    async def _read_batches(self, side: Side, resource: str, source: RecordSource, since: Cursor | None) -> ReadReport:
        report, waiting, read_id = ReadReport(), list[Record](), uuid7()
        is_new = since is None and not await self._count(side)  # then none can be gone
        last: Batch | None = None
        merging: asyncio.Task[None] | None = None
        try:
            async for batch in source.read(resource, since):
                last = batch
                report.records += len(batch.upserts) + len(batch.unchanged_ids)
                report.notes += [storable(each, limit=300) for each in batch.problems[: 20 - len(report.notes)]]
                waiting += batch.upserts
                if batch.deleted_ids or batch.unchanged_ids:
                    await self._note(side, read_id, batch)
                if len(waiting) >= CHUNK:
                    if merging is not None:
                        await merging
                    # the database works on these while the next are read
                    merging = asyncio.create_task(self._merge(side, None if is_new else read_id, waiting))
                    waiting = []
            if merging is not None:
                await merging
            if waiting:
                await self._merge(side, None if is_new else read_id, waiting)
            if last is None or last.coverage is None:
                raise BadReply(f"the list of the {side} broke off without its end")
            await self._conclude(side, None if is_new else read_id, last, report)
        finally:
            if merging is not None and not merging.done():
                merging.cancel()
                await asyncio.wait({merging})
            async with self._db.unit_of_work(self._tenant) as session:
                await session.execute(
                    sa.text("delete from opsteward.sync_seen where tenant_id = :tenant and read_id = :read"),
                    {"tenant": self._tenant, "read": read_id},
                )
        return report

    async def _read_by_digests(self, side: Side, resource: str, source: RecordSource) -> ReadReport | None:
        """Only what is other than it was, where the system can tell; None where all has to be read."""
        if not isinstance(source, RecordTarget):
            return None
        about: dict[str, object] = {"tenant": self._tenant, "mapping": self._mapping, "side": side}
        try:
            async with self._db.unit_of_work(self._tenant) as session:
                if not await session.scalar(_HAS_DIGESTS, about):
                    return None
                await over_whole_lists(session)
                await session.execute(_DIGESTS)
                if not await copy_stream(session, _COPY_DIGESTS, source.digests(resource)):
                    return None
                await session.execute(sa.text("analyze pg_temp.sync_digests"))
                total = int(await session.scalar(sa.text("select count(*) from pg_temp.sync_digests")) or 0)
                changed = list(await session.scalars(_CHANGED, about | {"limit": max(CHUNK, total // 4)}))
                if len(changed) >= max(CHUNK, total // 4):
                    return None
                await _forget(session, _NOT_TOLD, about)
            for at in range(0, len(changed), MAX_BATCH):
                records = await source.get(resource, changed[at : at + MAX_BATCH])
                await self._merge(side, None, list(records.values()))
        except ConnectorError:
            return None  # the read of all says what is wrong
        return ReadReport(records=total)

    async def _count(self, side: Side) -> int:
        about = {"tenant": self._tenant, "mapping": self._mapping, "side": side}
        async with self._db.unit_of_work(self._tenant) as session:
            return int(await session.scalar(_KNOWN, about) or 0)

    def _about(self, side: Side, read_id: UUID | None) -> dict[str, object]:
        return {"tenant": self._tenant, "mapping": self._mapping, "side": side, "read": read_id}

    async def _merge(self, side: Side, read_id: UUID | None, records: Sequence[Record]) -> None:
        async with self._db.unit_of_work(self._tenant) as session:
            await leave_to_the_log_writer(session)
            for setting in ("enable_hashjoin = off", "enable_mergejoin = off"):
                # each is looked up: else the planner goes through all records for every few thousand
                await session.execute(sa.text(f"set local {setting}"))
            await stage(session, self._definition, side, records)
            about = {"tenant": self._tenant, "mapping": self._mapping, "side": side}
            self._merged[side] += await merge(session, about)
            if read_id is not None:
                await session.execute(_SEEN, {"tenant": self._tenant, "read": read_id})
        if self._merged[side] >= self._analyze_at[side]:
            self._analyze_at[side] *= 4
            async with self._db.unit_of_work(self._tenant) as session:
                await session.execute(sa.text("select opsteward.analyze_sync_records()"))

    async def _note(self, side: Side, read_id: UUID | None, batch: Batch) -> None:
        about = self._about(side, read_id)
        async with self._db.unit_of_work(self._tenant) as session:
            if batch.unchanged_ids:
                await session.execute(_SEEN_IDS, about | {"ids": list(batch.unchanged_ids)})
            if batch.deleted_ids:
                await _forget(session, _LISTED, about | {"ids": list(batch.deleted_ids)})

    async def _conclude(self, side: Side, read_id: UUID | None, last: Batch, report: ReadReport) -> None:
        report.cursor = last.cursor
        if last.coverage in (Coverage.CHANGES, Coverage.UPDATES):
            return
        if last.coverage is Coverage.PARTIAL:
            report.deletions = False
            report.notes.append(f"the list of the {side} is incomplete, nothing is taken for gone: {last.note}"[:500])
            return
        if not report.records:
            report.deletions = False
            report.notes.append(f"the list of the {side} is empty: nothing is taken for gone")
            return
        if read_id is None:
            return
        async with self._db.unit_of_work(self._tenant) as session:
            await over_whole_lists(session)
            await _forget(session, _ABSENT, self._about(side, read_id))


async def over_whole_lists(session: AsyncSession) -> None:
    """Let the statements of this transaction go over all records of a mapping: they may take long, and join by hash.
    Of a list that has just been read there are no statistics yet, without which the planner takes it for a few rows
    and joins each with each."""
    for setting in ("statement_timeout = 0", "enable_nestloop = off", "work_mem = '64MB'"):
        await session.execute(sa.text(f"set local {setting}"))


async def _forget(session: AsyncSession, which: str, about: dict[str, object]) -> None:
    """Those that have a pair are marked as gone, for the difference to see; the others are dropped."""
    paired = "update opsteward.sync_records r set gone = true, may_differ = true where pair_id is not null and not gone"
    await session.execute(sa.text(f"{paired} and {which}"), about)
    await session.execute(sa.text(f"delete from opsteward.sync_records r where pair_id is null and {which}"), about)


async def stage(session: AsyncSession, d: MappingDefinition, side: Side, records: Iterable[Record]) -> None:
    """The records in the form both sides are compared in, in `pg_temp.sync_stage` until the end of the transaction."""
    await session.execute(_STAGE)
    await copy_text(session, _COPY, [await in_thread(_lines, d, side, list(records))])


async def merge(session: AsyncSession, about: Mapping[str, object]) -> int:
    """What was staged is the shadow of this side (`about`: tenant, mapping and side); how many records are new or
    other than they were. What both sides agreed on before is kept beside, to compare with."""
    merged = await session.execute(_MERGE, dict(about))
    return cast("sa.CursorResult[object]", merged).rowcount


def _lines(d: MappingDefinition, side: Side, records: Sequence[Record]) -> str:
    """Blocking: of many thousands it takes a tenth of a second."""
    return storable("".join([_line(d, side, each) for each in records]))


def _line(d: MappingDefinition, side: Side, record: Record) -> str:
    fields = project(d, side, record)
    key = match_key(fields.get(d.key))
    columns = (
        _escaped(record.native_id),
        _escaped(key),
        # JSON escapes control characters itself, by the one character that COPY has to be told of
        _json_text(fields).replace("\\", "\\\\"),
        _escaped(record.version),
        "\\N" if record.active is None else "t" if record.active else "f",
        "\\N" if record.changed_at is None else record.changed_at.isoformat(),
        record.digest or "\\N",
        _last_use(d, side, record),
    )
    return "\t".join(columns) + "\n"


def _last_use(d: MappingDefinition, side: Side, record: Record) -> str:
    used_at = instant_of(value_at(record.values, d.last_used)) if d.last_used and side == "target" else None
    return used_at.isoformat() if used_at else "\\N"


_as_json = json.JSONEncoder(ensure_ascii=False).encode
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _json_text(fields: JsonObject) -> str:
    """As jsonb takes it: of NUL, which it has no place for, a replacement character is kept."""
    text = _as_json(fields)
    # a text may also hold a backslash and u0000 one after the other, and is to keep them: so the values are changed
    return _as_json(_without_nul(fields)) if "\\u0000" in text else text


def _without_nul(value: Json) -> Json:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {str(_without_nul(name)): _without_nul(each) for name, each in value.items()}
    return value


def _escaped(text: str | None) -> str:
    if text is None:
        return "\\N"
    return text if text.isalnum() else text.translate(_ESCAPES)  # most are, and to look is faster than to translate

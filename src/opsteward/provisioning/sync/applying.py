"""The approved changes of a sync are written, a batch at a time; what became of each is recorded with it.

A batch may be sent twice (a process dies between the system's answer and our record of it), so each is looked at
before: what is already as wanted is not written again, what is no longer as it was planned on is left for the next
plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from opsteward.contracts.attribute_paths import put_into
from opsteward.contracts.records import Change, ChangeResult, Operation, Outcome, Record, RecordTarget
from opsteward.core.backoff import backoff
from opsteward.core.db import Database
from opsteward.core.feed import announce
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact_text
from opsteward.core.storable_text import storable
from opsteward.provisioning.sync.projection import canonical, match_key, project, values_for
from opsteward.provisioning.sync.reading import SideReader, over_whole_lists
from opsteward.provisioning.sync.remembering import Remembered
from opsteward.provisioning.sync.types import SYNC_CHANGED, MappingDefinition, Side

#: Changes of one write.
BATCH = 500
#: Times that a change is sent which the system did not take for a passing reason.
MAX_TRIES = 3
_NEXT = sa.text("""
select number, side, operation, native_id, pair_id, key, version, before, after, whole from opsteward.sync_changes
where tenant_id = :tenant and operation_id = :operation and outcome is null and number > :after
order by number limit :limit
""")
_RECORD = sa.text("""
update opsteward.sync_changes c set outcome = r.outcome, problem = r.problem,
    native_id = coalesce(r.native_id, c.native_id), whole = coalesce(r.whole, c.whole)
from jsonb_to_recordset(:rows) as r(number int, outcome text, problem text, native_id text, whole jsonb)
where c.tenant_id = :tenant and c.operation_id = :operation and c.number = r.number
""").bindparams(sa.bindparam("rows", type_=JSONB))
_AGAIN = sa.text("""
update opsteward.sync_changes set outcome = null
where tenant_id = :tenant and operation_id = :operation and outcome = 'failed'
""")
_KEEP_WHOLE = sa.text("""
update opsteward.sync_changes c set whole = r.whole from jsonb_to_recordset(:rows) as r(number int, whole jsonb)
where c.tenant_id = :tenant and c.operation_id = :operation and c.number = r.number and c.whole is null
""").bindparams(sa.bindparam("rows", type_=JSONB))
#: Stands in what is kept of a record for its place: no attribute is called so.
_PLACE = ""
_WRITTEN = frozenset({Outcome.DONE.value, Outcome.UNCHANGED.value, "adopted"})


@dataclass(frozen=True)
class _Result:
    outcome: str
    native_id: str | None = None
    record: Record | None = None
    problem: str = ""
    retry_after: float | None = None


class Applier:
    """Writes the changes of one operation."""

    def __init__(
        self,
        db: Database,
        *,
        tenant_id: UUID,
        mapping_id: UUID,
        operation_id: UUID,
        definition: MappingDefinition,
        is_undo: bool,
    ) -> None:
        self._db = db
        self._tenant = tenant_id
        self._mapping = mapping_id
        self._operation = operation_id
        self._definition = definition
        self._is_undo = is_undo
        self._about = {"tenant": tenant_id, "operation": operation_id}

    async def run(self, sides: Mapping[Side, RecordTarget], progress: Any) -> None:
        """Until none is left; what fails for a passing reason is tried a few times. Raises ConnectorError."""
        for attempt in range(MAX_TRIES):
            wait = await self._pass(sides, progress)
            if wait is None or attempt + 1 == MAX_TRIES:
                return
            await asyncio.sleep(max(wait, backoff(attempt, factor=2.0, limit=30.0)))
            await self.settle_created(sides)
            async with self._db.unit_of_work(self._tenant) as session:
                await session.execute(_AGAIN, self._about)

    async def settle_created(self, sides: Mapping[Side, RecordTarget]) -> None:
        """Creates that may have been sent, without our knowing what came of them: the system is read again, and what
        is there is not made a second time. Raises ConnectorError."""
        reader = SideReader(self._db, self._tenant, self._mapping, self._definition)
        for side, system in sides.items():
            about = self._about | {"mapping": self._mapping, "side": side}
            async with self._db.unit_of_work(self._tenant) as session:
                has_open = await session.scalar(_OPEN_CREATES, about)
            if not has_open:
                continue
            await reader.read(side, system, None)
            async with self._db.unit_of_work(self._tenant) as session:
                await over_whole_lists(session)
                for statement in _SETTLE:
                    await session.execute(statement, about)

    async def _pass(self, sides: Mapping[Side, RecordTarget], progress: Any) -> float | None:
        """Send each open change once; the seconds to wait before those that failed, None where none did."""
        after, wait = 0, None
        while True:
            async with self._db.unit_of_work(self._tenant) as session:
                rows = (await session.execute(_NEXT, self._about | {"after": after, "limit": BATCH})).all()
            if not rows:
                return wait
            after = rows[-1].number
            for side, system in sides.items():
                for mine in _each_once([row for row in rows if row.side == side]):
                    for result in (await self._send(side, system, mine)).values():
                        if result.outcome == Outcome.FAILED.value:
                            wait = max(wait or 0.0, min(result.retry_after or 0.0, 300.0))
            progress(after)

    async def _send(self, side: Side, system: RecordTarget, rows: Sequence[Any]) -> dict[int, _Result]:
        d = self._definition
        resource = d.source_resource if side == "source" else d.target_resource
        known = [row.native_id for row in rows if row.native_id is not None]
        there = dict(await system.get(resource, known)) if known else {}
        wholes = [{"number": row.number, "whole": _whole(there[row.native_id])} for row in rows
                  if row.operation in ("disable", "delete") and row.native_id in there]  # fmt: skip
        if wholes:  # before anything is lost
            async with self._db.unit_of_work(self._tenant) as session:
                await session.execute(_KEEP_WHOLE, self._about | {"rows": wholes})
        results: dict[int, _Result] = {}
        changes: list[Change] = []
        numbers: dict[str, Any] = {}
        for row in rows:
            if (settled := self._settled(side, row, there)) is not None:
                results[row.number] = settled
                continue
            change = self._change(side, row, there)
            numbers[change.key] = row
            changes.append(change)
        for answer in await system.write(resource, changes) if changes else ():
            results[numbers[answer.key].number] = await self._answered(resource, system, numbers[answer.key], answer)
        async with self._db.unit_of_work(self._tenant) as session:
            await self._remembered(rows, results, there).store(
                session, d, side, {"tenant": self._tenant, "mapping": self._mapping}, is_undo=self._is_undo
            )
            await session.execute(_RECORD, self._about | {"rows": [_recorded(n, one) for n, one in results.items()]})
            await announce(session, kind=SYNC_CHANGED, object_id=str(self._operation))
        return results

    def _settled(self, side: Side, row: Any, there: Mapping[str, Record]) -> _Result | None:
        """What needs no write, or must not have one."""
        if row.operation == "create":
            return None
        record = there.get(row.native_id)
        if record is None:
            if row.operation == "delete":
                return _Result(Outcome.UNCHANGED.value, row.native_id)
            return _Result(Outcome.MISSING.value, row.native_id, problem="the record is gone from the system")
        if row.operation == "disable":
            return _Result(Outcome.UNCHANGED.value, row.native_id, record) if record.active is False else None
        now = project(self._definition, side, record)
        planned = row.after if row.operation == "update" and row.whole is None else None
        if planned is not None and all(now.get(name) == value for name, value in planned.items()):
            return _Result(Outcome.UNCHANGED.value, row.native_id, record)
        if row.before is not None and any(now.get(name) != value for name, value in row.before.items()):
            return _Result(Outcome.CONFLICT.value, row.native_id, problem="the record was changed since the plan")
        return None

    def _change(self, side: Side, row: Any, there: Mapping[str, Record]) -> Change:
        record = there.get(row.native_id) if row.native_id is not None else None
        if row.whole is not None and row.operation == "create":
            values = {name: value for name, value in row.whole.items() if name and canonical(value) is not None}
        elif row.whole is not None and row.operation == "update" and record is not None:
            values = {
                name: row.whole.get(name)
                for name in {*row.whole, *record.values} - {_PLACE}
                if canonical(row.whole.get(name)) != canonical(record.values.get(name))
            }
        else:
            values = values_for(self._definition, side, row.after or {})
        return Change(
            key=f"{self._operation}:{row.number}",
            operation=Operation(row.operation),
            native_id=row.native_id if row.operation != "create" else None,
            values=values,
            version=record.version if record is not None else None,
            place=row.whole.get(_PLACE) if row.whole is not None and row.operation == "create" else None,
        )

    async def _answered(self, resource: str, system: RecordTarget, row: Any, answer: ChangeResult) -> _Result:
        problem = redact_text(storable(answer.problem, limit=500))
        native_id = answer.native_id or (answer.record.native_id if answer.record else None)
        if answer.outcome is Outcome.EXISTS:
            record = answer.record
            if record is None and native_id is not None:
                record = (await system.get(resource, [native_id])).get(native_id)
            if record is None:
                return _Result(Outcome.REFUSED.value, None, problem=problem or "another record has this key")
            return _Result("adopted", record.native_id, record, problem)
        return _Result(answer.outcome.value, native_id or row.native_id, answer.record, problem, answer.retry_after)

    def _remembered(
        self, rows: Sequence[Any], results: Mapping[int, _Result], there: Mapping[str, Record]
    ) -> Remembered:
        """What became of these rows, for the shadow."""
        what = Remembered()
        for row in rows:
            result = results.get(row.number)
            if result is None:
                continue
            if result.outcome not in _WRITTEN:
                if row.native_id in there:  # found otherwise than planned on: the next plan sees it as it is
                    what.records[row.native_id] = there[row.native_id]
                continue
            if row.operation == "delete":
                what.deleted.append(row.native_id)
                what.partners += [row.pair_id] if row.pair_id is not None else []
            elif row.operation == "disable":
                what.switched_off.append(row.native_id)
            else:
                self._written(what, row, result)
        return what

    def _written(self, what: Remembered, row: Any, result: _Result) -> None:
        fields, native_id = dict(row.after or {}), result.native_id
        if native_id is None:
            return
        if result.record is not None:
            what.records[native_id] = result.record
        elif row.operation == "create":
            side: Side = row.side
            whole = {name: value for name, value in (row.whole or {}).items() if name}
            made = whole or put_into({}, values_for(self._definition, side, fields))
            what.records[native_id] = Record(native_id=native_id, values=made)
        else:
            key = match_key(fields[self._definition.key]) if self._definition.key in fields else None
            what.written.append((row.native_id, native_id, fields, key))
        if row.pair_id is not None and not self._is_undo:
            what.pairs.append((native_id, row.pair_id, fields, row.operation == "create"))


_OPEN_CREATES = sa.text("""
select exists (select from opsteward.sync_changes where tenant_id = :tenant and operation_id = :operation
    and side = :side and operation = 'create' and (outcome is null or outcome = 'failed'))
""")
_CREATED = """
select c.number, c.pair_id, t.native_id, t.fields @> coalesce(c.after, t.fields) as is_ours
from opsteward.sync_changes c join opsteward.sync_records t on t.tenant_id = c.tenant_id and t.mapping_id = :mapping
    and t.side = c.side and t.key = c.key and not t.gone
where c.tenant_id = :tenant and c.operation_id = :operation and c.side = :side and c.operation = 'create'
    and (c.outcome is null or c.outcome = 'failed') and (t.pair_id is null or t.pair_id = c.pair_id)
"""
_SETTLE = tuple(
    sa.text(f"with made as materialized ({_CREATED}) {statement}")
    for statement in (
        """delete from opsteward.sync_records r using made where r.tenant_id = :tenant and r.mapping_id = :mapping
        and r.side = :side and r.gone and r.pair_id = made.pair_id""",
        """update opsteward.sync_records r
        set may_differ = true, pair_id = case when r.side = :side then made.pair_id else made.native_id end
        from made where r.tenant_id = :tenant and r.mapping_id = :mapping and made.pair_id is not null
        and r.native_id = case when r.side = :side then made.native_id else made.pair_id end""",
        """update opsteward.sync_changes c set native_id = made.native_id,
        outcome = case when made.is_ours then 'done' else 'adopted' end
        from made where c.tenant_id = :tenant and c.operation_id = :operation and c.number = made.number""",
    )
)


def _whole(record: Record) -> JsonObject:
    """All of a record, and its place, to bring it back."""
    place: JsonObject = {} if record.place is None else {_PLACE: record.place}
    return {**record.values, **place}


def _each_once(rows: Sequence[Any]) -> list[list[Any]]:
    """In parts of which none names a record twice: the second change is made to the record as the first left it."""
    parts: list[list[Any]] = []
    turns: dict[str, int] = {}
    for row in rows:
        names = [f"{what} {name}" for what, name in (("id", row.native_id), ("pair", row.pair_id)) if name is not None]
        turn = max((turns.get(name, 0) for name in names), default=0)
        turns |= dict.fromkeys(names, turn + 1)
        if turn == len(parts):
            parts.append([])
        parts[turn].append(row)
    return parts


def _recorded(number: int, one: _Result) -> JsonObject:
    return {"number": number, "outcome": one.outcome, "problem": one.problem, "native_id": one.native_id, "whole": None}

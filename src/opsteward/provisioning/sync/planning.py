"""From two shadows to a plan: one statement finds what differs, the few that do are decided and written down.

The plan is the rows of `sync_changes`; its hash covers all of them, so that what is approved is what is written.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.crypto import canonical_json
from opsteward.core.db import tenant_of
from opsteward.core.json_types import Json, JsonObject
from opsteward.provisioning.sync.deciding import Decision, Shadow, decide
from opsteward.provisioning.sync.types import MappingDefinition

_CHUNK = 1000
_FEW_LIMIT = 100_000  # pairs
_SAMPLES = 5  # of each field
_SIDE = "r.tenant_id = :tenant and r.mapping_id = :mapping and r.side"
#: Pairs that differ, or one of which is gone or switched off: the difference of both lists in one statement.
_DIFFERENT = sa.text("""
select r.native_id as s_id, t.native_id as t_id, coalesce(t.key, r.key) as key, r.fields as s_fields,
    t.fields as t_fields, r.base as s_base, t.base as t_base, r.changed_at as s_changed, t.changed_at as t_changed,
    r.gone as s_gone, t.gone as t_gone, r.active as s_active, t.active as t_active, r.version as s_version,
    t.version as t_version
from (
    select native_id as ours, pair_id as theirs from opsteward.sync_records
    where tenant_id = :tenant and mapping_id = :mapping and side = 'source' and may_differ and pair_id is not null
    union
    select pair_id, native_id from opsteward.sync_records
    where tenant_id = :tenant and mapping_id = :mapping and side = 'target' and may_differ and pair_id is not null
) d
join opsteward.sync_records r on r.tenant_id = :tenant and r.mapping_id = :mapping and r.side = 'source'
    and r.native_id = d.ours and r.pair_id = d.theirs
join opsteward.sync_records t on t.tenant_id = :tenant and t.mapping_id = :mapping and t.side = 'target'
    and t.native_id = d.theirs
where r.fields <> t.fields or r.gone or t.gone or (r.active is false and t.active)
order by d.ours
""")
_ALONE = sa.text("""
select r.native_id as id, r.key, r.fields, r.active from opsteward.sync_records r
where r.tenant_id = :tenant and r.mapping_id = :mapping and r.side = :side and r.pair_id is null
    and (r.key is not null) and not exists (select from opsteward.sync_conflicts c where c.tenant_id = :tenant
        and c.mapping_id = :mapping and c.kind = 'match' and c.choice is distinct from 'separate'
        and c.source_native_id = r.native_id)
""")
_MAY_DIFFER = sa.text("""
select count(*) from (select from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping
    and side in ('source', 'target') and may_differ and pair_id is not null limit :limit) r
""")
_DORMANT = sa.text("""
select native_id as id, pair_id, key, fields, version from opsteward.sync_records
where tenant_id = :tenant and mapping_id = :mapping and side = 'target' and used_at < :before and active is not false
    and not gone and pair_id is not null
order by native_id
""")
_AGREED = sa.text("""
update opsteward.sync_records r set base = null, may_differ = r.gone or o.gone or coalesce(
    case r.side when 'source' then r.active is false and o.active else o.active is false and r.active end, false)
from opsteward.sync_records o
where r.tenant_id = :tenant and r.mapping_id = :mapping and r.may_differ and r.pair_id is not null
    and o.tenant_id = :tenant and o.mapping_id = :mapping
    and o.side = case r.side when 'source' then 'target' else 'source' end and o.native_id = r.pair_id
    and o.fields = r.fields
""")
_TOTALS = sa.text("""
select count(*) filter (where r.side = 'target' and not r.gone) as target,
    count(*) filter (where r.side = 'source' and not r.gone) as source,
    count(*) filter (where r.side = 'target' and not r.gone and r.pair_id is null) as orphans,
    count(*) filter (where r.side = 'source' and r.key is null) as without_key
from opsteward.sync_records r where r.tenant_id = :tenant and r.mapping_id = :mapping
""")
_INSERT = sa.text("""
insert into opsteward.sync_changes (tenant_id, operation_id, number, side, operation, native_id, pair_id, key, version,
    before, after)
select :tenant, :operation, c.number, c.side, c.operation, c.native_id, c.pair_id, c.key, c.version, c.before, c.after
from jsonb_to_recordset(:rows) as c(number int, side text, operation text, native_id text, pair_id text, key text,
    version text, before jsonb, after jsonb)
""").bindparams(sa.bindparam("rows", type_=JSONB))
_CONFLICT = sa.text("""
insert into opsteward.sync_conflicts as c (id, tenant_id, mapping_id, kind, source_native_id, target_native_id, field,
    source_value, target_value, found_at)
select gen_random_uuid(), :tenant, :mapping, r.kind, r.source_native_id, r.target_native_id, r.field, r.source_value,
    r.target_value, now()
from jsonb_to_recordset(:rows) as r(kind text, source_native_id text, target_native_id text, field text,
    source_value text, target_value text)
on conflict on constraint uq_sync_conflicts_what do update set source_value = excluded.source_value,
    target_value = excluded.target_value, choice = null, decided_by = null, found_at = excluded.found_at
where c.source_value is distinct from excluded.source_value or c.target_value is distinct from excluded.target_value
""").bindparams(sa.bindparam("rows", type_=JSONB))
_CHOICES = sa.text("""
select source_native_id as ours, target_native_id as theirs, field, choice, source_value, target_value
from opsteward.sync_conflicts where tenant_id = :tenant and mapping_id = :mapping and kind in ('field', 'missing')
    and choice is not null
""")


class Planner:
    """Makes the plan of one operation, in one transaction."""

    def __init__(
        self, session: AsyncSession, *, mapping_id: UUID, operation_id: UUID, definition: MappingDefinition
    ) -> None:
        self._session = session
        self._about = {"tenant": tenant_of(session), "mapping": mapping_id}
        self._operation = operation_id
        self._definition = definition
        self._rows: list[JsonObject] = []
        self._conflicts: list[JsonObject] = []
        self._number = 0
        self._hash = hashlib.sha256()
        self._choices: dict[tuple[str, str], dict[str, tuple[str, str | None, str | None]]] = {}
        self._removed: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.samples: dict[str, list[JsonObject]] = {}

    @property
    def plan_hash(self) -> str:
        return self._hash.hexdigest()

    async def make(self) -> None:
        """Fill `sync_changes`, `counts`, `samples` and the queue of conflicts."""
        session = self._session
        await session.execute(sa.text("delete from opsteward.sync_conflicts where tenant_id = :tenant and mapping_id = "
                                      ":mapping and choice is null and kind <> 'match'"), self._about)  # fmt: skip
        await self._choose_joins()
        await session.execute(_AGREED, self._about)
        for row in await session.execute(_CHOICES, self._about):
            of_pair = self._choices.setdefault((str(row.ours), str(row.theirs)), {})
            of_pair[row.field] = (row.choice, row.source_value, row.target_value)
        async for row in await session.stream(_DIFFERENT, self._about, execution_options={"yield_per": _CHUNK}):
            self._pair(row)
            await self._write_full()
        for side in ("source", "target"):
            if self._definition.create != "both" and (side == "target" or self._definition.create == "none"):
                continue
            found = await session.stream(_ALONE, self._about | {"side": side}, execution_options={"yield_per": _CHUNK})
            async for row in found:
                self._alone(side, row)
                await self._write_full()
        if self._definition.dormant == "disable":
            await self._dormant()
        await self._write()
        totals = (await session.execute(_TOTALS, self._about)).one()
        self.counts["source_records"], self.counts["target_records"] = totals.source, totals.target
        self.counts["orphans"], self.counts["without_key"] = totals.orphans, totals.without_key

    async def _dormant(self) -> None:
        about = self._about | {"before": now() - timedelta(days=self._definition.dormant_days)}
        async for row in await self._session.stream(_DORMANT, about, execution_options={"yield_per": _CHUNK}):
            if row.id not in self._removed:
                self._change("target", "disable", row.id, row.pair_id, row.key, row.version,
                             before=row.fields, after=None)  # fmt: skip
                self.counts["dormant"] += 1
            await self._write_full()

    async def _choose_joins(self) -> None:
        """A few pairs are looked up one by one, many are joined: the planner can't know, of new lists."""
        count = int(await self._session.scalar(_MAY_DIFFER, self._about | {"limit": _FEW_LIMIT}) or 0)
        if count < _FEW_LIMIT:
            for setting in ("enable_nestloop = on", "enable_hashjoin = off", "enable_mergejoin = off"):
                await self._session.execute(sa.text(f"set local {setting}"))

    def _pair(self, row: Any) -> None:
        if row.s_gone:
            self._missing_in_source(row)
        elif row.t_gone:
            self._missing_in_target(row)
        else:
            self._differing(row)

    def _missing_in_source(self, row: Any) -> None:
        missing = self._definition.missing
        if missing == "keep" or (missing == "disable" and row.t_active is False):
            self.counts["kept"] += 1
            return
        self._change("target", missing, row.t_id, row.s_id, row.key, row.t_version, before=row.t_fields, after=None)

    def _missing_in_target(self, row: Any) -> None:
        choice = self._choices.get((row.s_id, row.t_id), {}).get("", ("",))[0] or self._definition.policy
        if choice == "manual":
            self._conflict("missing", row.s_id, row.t_id, "", row.key, None)
        elif choice != "target":
            after = _some(row.s_fields)
            self._change("target", "create", None, row.s_id, row.key, None, before=None, after=after)
        elif self._definition.create == "both" and self._definition.missing != "keep":
            self._change("source", self._definition.missing, row.s_id, row.t_id, row.key, row.s_version,
                         before=row.s_fields, after=None)  # fmt: skip
        else:
            self.counts["kept"] += 1

    def _differing(self, row: Any) -> None:
        if row.s_active is False and row.t_active:  # and its fields follow: the next sync is to find nothing
            before = row.t_fields
            self._change("target", "disable", row.t_id, row.s_id, row.key, row.t_version, before=before, after=None)
        ours = Shadow(native_id=row.s_id, fields=row.s_fields, base=row.s_base, changed_at=row.s_changed)
        theirs = Shadow(native_id=row.t_id, fields=row.t_fields, base=row.t_base, changed_at=row.t_changed)
        decision = decide(self._definition, ours, theirs, self._chosen(row))
        for side, fields, own, other, version in (
            ("target", decision.to_target, row.t_id, row.s_id, row.t_version),
            ("source", decision.to_source, row.s_id, row.t_id, row.s_version),
        ):
            if fields:
                before = {name: pair[0] for name, pair in fields.items()}
                after = {name: pair[1] for name, pair in fields.items()}
                self._change(side, "update", own, other, row.key, version, before=before, after=after)
        self._left(row, decision)

    def _left(self, row: Any, decision: Decision) -> None:
        self.counts["kept"] += bool(decision.kept)
        for name in decision.conflicts:
            ours, theirs = row.s_fields.get(name), row.t_fields.get(name)
            self._conflict("field", row.s_id, row.t_id, name, _shown(ours), _shown(theirs))

    def _chosen(self, row: Any) -> dict[str, str]:
        """A person's choices that are about these very values."""
        return {
            name: choice
            for name, (choice, ours, theirs) in self._choices.get((row.s_id, row.t_id), {}).items()
            if (ours, theirs) == (_shown(row.s_fields.get(name)), _shown(row.t_fields.get(name)))
        }

    def _alone(self, side: str, row: Any) -> None:
        other = "target" if side == "source" else "source"
        fields = _some(row.fields)
        if other == "source":
            fields = {each.target: fields[each.target] for each in self._definition.fields
                      if each.direction == "both" and each.target in fields}  # fmt: skip
        if row.active is False:
            self.counts["inactive_not_created"] += 1
            return
        self._change(other, "create", None, row.id, row.key, None, before=None, after=fields)

    def _change(
        self,
        side: str,
        operation: str,
        native_id: str | None,
        pair_id: str | None,
        key: str | None,
        version: str | None,
        *,
        before: JsonObject | None,
        after: JsonObject | None,
    ) -> None:
        self._number += 1
        row: JsonObject = {
            "number": self._number, "side": side, "operation": operation, "native_id": native_id, "pair_id": pair_id,
            "key": key, "version": version, "before": before, "after": after,
        }  # fmt: skip
        self._hash.update(canonical_json(row).encode())
        self._rows.append(row)
        if operation in ("disable", "delete") and side == "target" and native_id is not None:
            self._removed.add(native_id)
        self.counts[operation if side == "target" else f"{operation}_in_source"] += 1
        if operation == "update":
            for name in after or {}:
                shown: JsonObject = {"key": key, "before": (before or {}).get(name), "after": (after or {})[name]}
                self._sample(name if side == "target" else f"{name} (to source)", shown)
        else:
            self._sample(f"{operation} in {side}", {"key": key})

    def _sample(self, of: str, shown: JsonObject) -> None:
        self.counts[f"field:{of}"] += 1
        kept = self.samples.setdefault(of, [])
        if len(kept) < _SAMPLES:
            kept.append(shown)

    def _conflict(self, kind: str, ours: str, theirs: str, name: str, one: str | None, other: str | None) -> None:
        self.counts["conflicts"] += 1
        self._conflicts.append({"kind": kind, "source_native_id": ours, "target_native_id": theirs, "field": name,
                                "source_value": one, "target_value": other})  # fmt: skip

    async def _write_full(self) -> None:
        if len(self._rows) >= _CHUNK or len(self._conflicts) >= _CHUNK:
            await self._write()

    async def _write(self) -> None:
        rows, conflicts = self._rows, self._conflicts
        self._rows, self._conflicts = [], []
        if rows:
            about = {"tenant": self._about["tenant"], "operation": self._operation, "rows": rows}
            await self._session.execute(_INSERT, about)
        if conflicts:
            await self._session.execute(_CONFLICT, self._about | {"rows": conflicts})


def _some(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _shown(value: Json) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False)


def refusals(definition: MappingDefinition, counts: Counter[str], *, max_deletions: int | None) -> Sequence[str]:
    """Why this plan may not be carried out unasked, in words with a remedy; none: it may."""
    guard, found = definition.guard, list[str]()
    for side, suffix in (("target", ""), ("source", "_in_source")):
        gone, total = counts["delete" + suffix] + counts["disable" + suffix], counts[f"{side}_records"]
        changed = counts["update" + suffix]
        allowed = guard.max_deletions if max_deletions is None else max_deletions
        share = total * guard.max_deletions_percent / 100
        if gone and gone >= total and total > 0:
            found.append(f"it would remove all {total} records of the {side}; that is never done")
        elif gone > (share if allowed is None else allowed):
            limit = f"{guard.max_deletions_percent:g} %" if allowed is None else f"{allowed}"
            found.append(
                f"it would remove {gone} of {total} records of the {side}, more than {limit}:"
                f" look at the plan, then run it with max_deletions={gone}"
            )
        by_share = None if guard.max_changes_percent is None else total * guard.max_changes_percent / 100
        for limit_of in (guard.max_changes, by_share):
            if limit_of is not None and changed > limit_of:
                found.append(f"it would change {changed} of {total} records of the {side}: raise guard.max_changes")
    return found

"""Which record of the source is which of the target: found out once, then remembered by their own ids, whatever their
keys become. By the key first, then by each rule of the mapping; what fits twice is for a person to decide."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.provisioning.sync.types import MappingDefinition, MatchRule

#: Candidates: a record of the source without a pair; one of the target without a pair, or whose pair is gone.
_CANDIDATES = """
create temp table sync_found on commit drop as
with s as (
    select {s_value} as value, s.native_id, s.fields, s.active from opsteward.sync_records s
    where s.tenant_id = :tenant and s.mapping_id = :mapping and s.side = 'source' and s.pair_id is null
        and {s_value} is not null
), t as (
    select {t_value} as value, t.native_id, t.fields, t.active from opsteward.sync_records t
    where t.tenant_id = :tenant and t.mapping_id = :mapping and t.side = 'target' and not t.gone
        and t.pair_id is null and {t_value} is not null
    union all
    select {t_value}, t.native_id, t.fields, t.active from opsteward.sync_records p
    join opsteward.sync_records t on t.tenant_id = p.tenant_id and t.mapping_id = p.mapping_id
        and t.side = 'target' and t.native_id = p.pair_id and not t.gone
    where p.tenant_id = :tenant and p.mapping_id = :mapping and p.side = 'source' and p.gone
        and {t_value} is not null
)
select s.native_id as source_id, t.native_id as target_id,
    count(*) over (partition by s.native_id) = 1 and count(*) over (partition by t.native_id) = 1 as alone,
    s.fields <> t.fields or coalesce(s.active is false and t.active, false) as differs
from s join t using (value)
"""
_HAS_UNPAIRED = sa.text("""
select exists (select from opsteward.sync_records r where r.tenant_id = :tenant and r.mapping_id = :mapping
    and r.side = 'source' and r.pair_id is null)
""")
_TIE = (
    # whose pair is gone gives it to the one that came in its place: the same person under another id
    """delete from opsteward.sync_records old using pg_temp.sync_found f, opsteward.sync_records t
    where f.alone and t.tenant_id = :tenant and t.mapping_id = :mapping and t.side = 'target'
        and t.native_id = f.target_id and old.tenant_id = :tenant and old.mapping_id = :mapping
        and old.side = 'source' and old.native_id = t.pair_id and old.native_id <> f.source_id""",
    """update opsteward.sync_records s set pair_id = f.target_id, may_differ = f.differs,
        base = case when f.differs then s.base end from pg_temp.sync_found f
    where f.alone and s.tenant_id = :tenant and s.mapping_id = :mapping and s.side = 'source'
        and s.native_id = f.source_id""",
    """update opsteward.sync_records t set pair_id = f.source_id, may_differ = f.differs,
        base = case when f.differs then t.base end from pg_temp.sync_found f
    where f.alone and t.tenant_id = :tenant and t.mapping_id = :mapping and t.side = 'target'
        and t.native_id = f.target_id""",
)
_DOUBTFUL = sa.text("""
insert into opsteward.sync_conflicts (id, tenant_id, mapping_id, kind, source_native_id, target_native_id, field,
    source_value, target_value, found_at)
select gen_random_uuid(), :tenant, :mapping, 'match', source_id, target_id, :field, null, null, now()
from pg_temp.sync_found where not alone limit 10000
on conflict do nothing
""")
_DECIDED = """
create temp table sync_found on commit drop as
select source_native_id as source_id, target_native_id as target_id, true as alone, true as differs
from opsteward.sync_conflicts where tenant_id = :tenant and mapping_id = :mapping and kind = 'match'
    and choice = 'same'
    and exists (select from opsteward.sync_records s where s.tenant_id = :tenant and s.mapping_id = :mapping
        and s.side = 'source' and s.native_id = source_native_id and s.pair_id is null)
    and exists (select from opsteward.sync_records t where t.tenant_id = :tenant and t.mapping_id = :mapping
        and t.side = 'target' and t.native_id = target_native_id and t.pair_id is null)
"""
#: Both sides have lost it: nothing to remember.
_BOTH_GONE = sa.text("""
delete from opsteward.sync_records r using opsteward.sync_records o
where r.tenant_id = :tenant and r.mapping_id = :mapping and r.gone and o.tenant_id = :tenant
    and o.mapping_id = :mapping and o.side <> r.side and o.native_id = r.pair_id and o.gone
""")


async def pair(session: AsyncSession, mapping_id: UUID, definition: MappingDefinition) -> None:
    """Tie what belongs together and is not tied yet."""
    about: dict[str, object] = {"tenant": tenant_of(session), "mapping": mapping_id}
    await session.execute(_BOTH_GONE, about)
    if not await session.scalar(_HAS_UNPAIRED, about):  # as most times, and there are many to look through
        return
    await _tie(session, _DECIDED, about)
    key = MatchRule(field=definition.key)
    for rule in [key, *definition.match]:
        await _tie(session, _candidates(rule, is_key=rule is key), about | {"field": rule.field})


def _candidates(rule: MatchRule, *, is_key: bool) -> str:
    def value(alias: str) -> str:
        if is_key:
            return f"{alias}.key"
        text = f"({alias}.fields ->> :field)"
        return text if rule.how == "exact" else f"nullif(lower(regexp_replace({text}, '\\s+', '', 'g')), '')"

    return _CANDIDATES.format(s_value=value("s"), t_value=value("t"))


async def _tie(session: AsyncSession, found: str, about: dict[str, object]) -> None:
    statement = sa.text(found)
    used = {name: value for name, value in about.items() if f":{name}" in found}
    await session.execute(statement, used)
    for each in _TIE:
        await session.execute(sa.text(each), {"tenant": about["tenant"], "mapping": about["mapping"]})
    if "field" in about:
        await session.execute(_DOUBTFUL, about)
    await session.execute(sa.text("drop table pg_temp.sync_found"))

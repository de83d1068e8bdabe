"""Rows that an earlier import took as they are, of users whom nobody has changed since, need no second look.

A batch of rows is known by its digest. Only batches without any problem are kept, and only those of the last completed
import with the same options under the same rules count.
"""

from __future__ import annotations

import hashlib
import json
import marshal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.ids import uuid7
from opsteward.core.version import __version__
from opsteward.directory.enrollment_rules.rules import Rules
from opsteward.directory.imports.models import ImportBatch, ImportJob
from opsteward.directory.imports.records import Record

_KEEP = sa.text("""
insert into opsteward.import_batches (id, tenant_id, job_id, digest, rows, user_ids, managers, dn_keys)
select :id, :tenant, :job, :digest, array_agg(row order by row), array_agg(user_id order by row),
       case when count(manager) > 0 then array_agg(manager order by row) end,
       case when count(dn_key) > 0 then array_agg(dn_key order by row) end
from (
    select s.row, s.dn_key, coalesce(m.user_id, s.id) as user_id,
        case when s.manager <> '' or m.manager_id is not null then s.manager end as manager
    from pg_temp.import_stage s left join pg_temp.import_match m on m.row = s.row
) r
having count(*) > 0
on conflict do nothing
""")
#: Whether each of them is there as the import left it.
_UNTOUCHED = sa.text("""
select count(*) = cardinality(b.user_ids) from opsteward.import_batches b
cross join lateral unnest(b.user_ids) as x (id)
join opsteward.users u on u.tenant_id = :tenant and u.id = x.id and u.holds_names and u.updated_at <= :since
where b.tenant_id = :tenant and b.job_id = :before and b.digest = :digest group by b.id
""")
_TAKE = sa.text("""
with rows as (
    insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager, dn_key)
    select :tenant, :job, x.user_id, x.row + :shift, 'unchanged', x.manager, x.dn_key
    from opsteward.import_batches b
    cross join lateral unnest(b.user_ids, b.rows, b.managers, b.dn_keys) as x (user_id, row, manager, dn_key)
    where b.tenant_id = :tenant and b.job_id = :before and b.digest = :digest
    on conflict do nothing returning 1
), kept as (
    insert into opsteward.import_batches (id, tenant_id, job_id, digest, rows, user_ids, managers, dn_keys)
    select :id, :tenant, :job, b.digest, array(select one + :shift from unnest(b.rows) with ordinality as o (one, at)
        order by at), b.user_ids, b.managers, b.dn_keys
    from opsteward.import_batches b where b.tenant_id = :tenant and b.job_id = :before and b.digest = :digest
    on conflict do nothing
)
select count(*) from rows
""")
_FIRST = sa.text("""
select b.rows[1] as begins, cardinality(b.rows) as size from opsteward.import_batches b
where b.tenant_id = :tenant and b.job_id = :before and b.digest = :digest
""")


@dataclass(frozen=True, kw_only=True)
class Before:
    """An earlier import whose rows may come again; `since` is when it had ended."""

    job_id: UUID
    since: datetime
    digests: frozenset[str]


def digest_of(records: Sequence[Record]) -> str:
    """Of all that the rows say, whatever their numbers; empty where there is none."""
    content = [
        (one.values, [tuple(said) for said in one.said], one.problem, one.skipped, one.hints)
        if one.said or one.values is None or one.hints
        else one.values
        for one in records
    ]
    try:  # in this version equal values are equal bytes
        return hashlib.blake2b(marshal.dumps(content, 0), digest_size=20).hexdigest()
    except ValueError:  # nested too deep
        return ""


def context_of(rules: Rules) -> str:
    """Of what else decides what becomes of a row: the rules, and this version of the program."""
    every = {name: rule.model_dump(mode="json") for name, rule in sorted(rules.by_name.items())}
    content = json.dumps([__version__, every, sorted(rules.duty_pairs)], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=20).hexdigest()


async def earlier(session: AsyncSession, job: ImportJob) -> Before | None:
    """The last completed import with the options of this one, if rows of it can be taken over."""
    if job.mode == "create":
        return None
    same = (
        ImportJob.tenant_id == job.tenant_id, ImportJob.status == "completed", ~ImportJob.dry_run,
        ImportJob.options == job.options, ImportJob.id != job.id,
    )  # fmt: skip
    found = await session.scalar(sa.select(ImportJob).where(*same).order_by(ImportJob.id.desc()).limit(1))
    if found is None or found.ended_at is None:
        return None
    of_job = (ImportBatch.tenant_id == job.tenant_id, ImportBatch.job_id == found.id)
    digests = frozenset(await session.scalars(sa.select(ImportBatch.digest).where(*of_job)))
    return Before(job_id=found.id, since=found.ended_at, digests=digests) if digests else None


async def keep(session: AsyncSession, job: ImportJob, digest: str) -> None:
    """Remember the rows of the batch that was just written, none of which was refused."""
    await session.execute(_KEEP, {"id": uuid7(), "tenant": job.tenant_id, "job": job.id, "digest": digest})


async def take_over(session: AsyncSession, job: ImportJob, before: Before, digest: str, *, first: int) -> int:
    """Note the users of a known batch as met, and unchanged; how many, or 0 and nothing done if it can't be so."""
    values = {"tenant": job.tenant_id, "before": before.job_id, "digest": digest, "since": before.since}
    if not await session.scalar(_UNTOUCHED, values):
        return 0
    known = (await session.execute(_FIRST, values)).one()
    values |= {"job": job.id, "id": uuid7(), "shift": first - known.begins}
    async with session.begin_nested() as savepoint:
        taken: int = (await session.execute(_TAKE, values)).scalar_one()
        if taken < known.size:  # a row before them in this file means one of these users
            await savepoint.rollback()
            return 0
    return taken

"""Rows that an earlier import took as they are, of users whom nobody has changed since, need no second look.

A row is known by the digest of what it says, wherever in the file it stands. Only rows without any problem are kept,
and only those of the last completed import with the same options under the same rules count.
"""

from __future__ import annotations

import hashlib
import json
import marshal
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.blocking_calls import in_thread
from opsteward.core.version import __version__
from opsteward.directory.enrollment_rules.rules import Rules
from opsteward.directory.imports.batches import Batch
from opsteward.directory.imports.models import ImportBatch, ImportJob
from opsteward.directory.imports.records import KnownRow, Record

#: Bytes of a digest, and of an id.
_WIDTH = 16
#: Most rows of an earlier import that are held in memory, 32 bytes each; those beyond are looked at again.
_MOST = 2_000_000

_STAGED = sa.text("""
select array_agg(s.row order by s.row) as rows,
       string_agg(uuid_send(coalesce(m.user_id, s.id)), '' order by s.row) as ids
from pg_temp.import_stage s left join pg_temp.import_match m on m.row = s.row
where s.row <> all(:left_out)
""")
_NAMED = sa.text("""
select exists (select from opsteward.import_rows x
    where x.tenant_id = :tenant and x.job_id = :job and (x.manager is not null or x.dn_key is not null))
""")
_TAKE = """
with taken as (
    insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager, dn_key)
    select :tenant, :job, k.id, k.row, 'unchanged', {names}
    from unnest(cast(:ids as uuid[]), cast(:rows as int[])) as k (id, row)
    cross join lateral (select from opsteward.users x
        where x.tenant_id = :tenant and x.id = k.id and x.holds_names and x.updated_at <= :since limit 1) u
    {found} {met} returning 1
)
select count(*) from taken
"""
_FOUND = """cross join lateral (select manager, dn_key from opsteward.import_rows x
        where x.tenant_id = :tenant and x.job_id = :before and x.user_id = k.id limit 1) o"""
_TAKEN = sa.text("""
select k.row from unnest(cast(:ids as uuid[]), cast(:rows as int[])) as k (id, row)
cross join lateral (select row from opsteward.import_rows x
    where x.tenant_id = :tenant and x.job_id = :job and x.user_id = k.id limit 1) r
where r.row = k.row
""")


class KnownRows:
    """The rows of an earlier import that may come again: by the digest of each, the user whom it meant."""

    def __init__(self, digests: bytes, user_ids: bytes) -> None:
        """Of each row one, one behind the other."""
        import numpy as np

        self._halves = np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)
        order = self._halves[:, 0].argsort()
        self._halves = self._halves[order]
        self._user_ids = np.frombuffer(user_ids, dtype=f"V{_WIDTH}")[order]

    def find(self, digests: Sequence[bytes]) -> list[bytes]:
        """The ids of the users whom rows of these digests meant; empty where none did."""
        import numpy as np

        if not len(self._halves):
            return [b""] * len(digests)
        wanted = np.frombuffer(b"".join(one or bytes(_WIDTH) for one in digests), dtype=np.uint64).reshape(-1, 2)
        places = self._halves[:, 0].searchsorted(wanted[:, 0]).clip(max=len(self._halves) - 1)
        found = (self._halves[places] == wanted).all(axis=1).tolist()
        ids = self._user_ids[places].tobytes()
        return [ids[at * _WIDTH : (at + 1) * _WIDTH] if one else b"" for at, one in enumerate(found)]


@dataclass(frozen=True, kw_only=True)
class Before:
    """An earlier import whose rows may come again; `since` is when it had ended.

    `named`: whether a row of it has a manager or a distinguished name.
    """

    job_id: UUID
    since: datetime
    named: bool
    rows: KnownRows


def digest_of(record: Record) -> bytes:
    """Of all that the row says, whatever its number; empty where there is always something to be said of it."""
    if record.values is None or record.hints or record.skipped:
        return b""
    content = [record.values, *map(tuple, record.said)]
    try:  # in this version equal values are equal bytes
        return hashlib.blake2b(marshal.dumps(content, 0), digest_size=_WIDTH).digest()
    except ValueError:  # nested too deep
        return b""


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
    kept = sa.select(ImportBatch.digests, ImportBatch.user_ids).where(*of_job).order_by(ImportBatch.id)
    digests, user_ids = bytearray(), bytearray()
    async for batch in await session.stream(kept.execution_options(yield_per=10)):
        digests += batch.digests
        user_ids += batch.user_ids
        if len(digests) >= _MOST * _WIDTH:
            break
    rows = await in_thread(KnownRows, bytes(digests), bytes(user_ids))
    named = (await session.execute(_NAMED, {"tenant": job.tenant_id, "job": found.id})).scalar_one()
    return Before(job_id=found.id, since=found.ended_at, named=named, rows=rows)


async def keep(session: AsyncSession, job: ImportJob, batch: Batch, troubled: Collection[int]) -> None:
    """Remember what the rows of the batch that was just written say, and whom they mean, but for the troubled ones."""
    rows, ids = [one.row for one in batch.known], b"".join(one.user_id for one in batch.known)
    if batch.staged:
        left_out = [row for row in troubled if row not in batch.failed]
        staged = (await session.execute(_STAGED, {"left_out": left_out})).one()
        rows, ids = [*rows, *(staged.rows or ())], ids + (staged.ids or b"")
    if rows:
        digests = b"".join([batch.digests[row] for row in rows])
        session.add(ImportBatch(tenant_id=job.tenant_id, job_id=job.id, digests=digests, user_ids=ids))


async def take_over(session: AsyncSession, job: ImportJob, before: Before, known: Sequence[KnownRow]) -> list[KnownRow]:
    """Note those whom nobody has changed since as met, and unchanged, unless this import has met them in a row before.

    Gives them; the others need to be looked at.
    """
    ordered = sorted(known, key=lambda one: one.user_id)  # neighbours in the indexes, too
    values: dict[str, object] = {
        "tenant": job.tenant_id, "job": job.id, "since": before.since,
        "ids": "{" + ",".join([one.user_id.hex() for one in ordered]) + "}",
        "rows": "{" + ",".join([str(one.row) for one in ordered]) + "}",
    }  # fmt: skip
    if before.named:
        values["before"] = before.job_id
    try:
        async with session.begin_nested():
            count = (await session.execute(_take(before, met=""), values)).scalar_one()
    except IntegrityError:
        count = (await session.execute(_take(before, met="on conflict do nothing"), values)).scalar_one()
    if count == len(known):
        return list(known)
    asked = {name: values[name] for name in ("tenant", "job", "ids", "rows")}
    taken = set(await session.scalars(_TAKEN, asked)) if count else set()
    return [one for one in known if one.row in taken]


def _take(before: Before, *, met: str) -> sa.TextClause:
    names, found = ("o.manager, o.dn_key", _FOUND) if before.named else ("null, null", "")
    return sa.text(_TAKE.format(names=names, found=found, met=met))

"""The audit log: written in the caller's transaction, sealed into a hash chain in batches, verified on demand.

Writers never wait for each other: an entry is a plain insert, and the sealer (one, on the leader) gives it its
number and hash about a second later. Until then an entry is listed as pending, so a removal in that short window
shows as well. Entries hold references to people, never their names, so that erasing a person leaves the proof whole.

Every hash is keyed with a key that is not in the database, so that who owns the database can't make the chain anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7
from opsteward.core.log import correlation_id
from opsteward.telemetry.audit_chain import GENESIS, end_hash, entry_hash
from opsteward.telemetry.models import AuditEntry, AuditHead, AuditPending, AuditSeal

_BATCH = 1000
#: Made once: an insert is built anew for each `values(...)`, which costs more than sending it.
_ADD = insert(cast(sa.Table, AuditEntry.__table__)).on_conflict_do_nothing()


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """An entry as it is read back; `seq` is None while it waits for its seal."""

    id: UUID
    seq: int | None
    at: datetime
    actor: str
    verb: str
    object_type: str
    object_id: str
    correlation_id: str
    detail: dict[str, Any]


@dataclass
class Verdict:
    """What a verification found. `problems` names each altered or missing entry."""

    sealed: int = 0
    pending: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


async def record(
    session: AsyncSession,
    *,
    actor: str,
    verb: str,
    object_type: str,
    object_id: str,
    detail: dict[str, Any] | None = None,
    entry_id: UUID | None = None,
) -> None:
    """Add one entry in this transaction. With an `entry_id` (a repeated step) the second time does nothing."""
    row = {
        "id": entry_id or uuid7(),
        "tenant_id": tenant_of(session),
        "at": now(),
        "actor": actor,
        "verb": verb,
        "object_type": object_type,
        "object_id": object_id,
        "correlation_id": correlation_id.get(),
        "detail": detail or {},
    }
    await session.execute(_ADD, row)


async def record_all(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add many entries in one statement; each row gives actor, verb, object_type, object_id and detail."""
    if not rows:
        return
    common = {"tenant_id": tenant_of(session), "at": now(), "correlation_id": correlation_id.get()}
    await session.execute(insert(AuditEntry), [{"id": uuid7(), **common, **row} for row in rows])


async def seal(session: AsyncSession, *, key: bytes) -> int:
    """Give the waiting entries of this tenant their place in the chain. Returns how many; call until 0.

    `key` is `SecretBox.audit_key()`, the same for every seal and verification of an installation.
    """
    tenant_id = tenant_of(session)
    await session.execute(insert(AuditHead).values(tenant_id=tenant_id, seq=0, hash=GENESIS).on_conflict_do_nothing())
    head = (await session.scalars(sa.select(AuditHead).where(AuditHead.tenant_id == tenant_id).with_for_update())).one()
    entries = (
        await session.scalars(
            sa.select(AuditEntry)
            .join(AuditPending, (AuditPending.tenant_id == tenant_id) & (AuditPending.entry_id == AuditEntry.id))
            .where(AuditEntry.tenant_id == tenant_id)
            .order_by(AuditEntry.at, AuditEntry.id)
            .limit(_BATCH)
        )
    ).all()
    if not entries:
        return 0
    seals, seq, previous = [], head.seq, await _last_hash(session, head, key)
    for entry in entries:
        seq += 1
        previous = entry_hash(entry, seq=seq, previous=previous, key=key)
        seals.append({"tenant_id": tenant_id, "seq": seq, "entry_id": entry.id, "hash": previous})
    head.seq, head.hash = seq, end_hash(tenant_id, seq=seq, last=previous, key=key)
    await session.execute(sa.insert(AuditSeal), seals)
    await session.execute(
        sa.delete(AuditPending).where(
            AuditPending.tenant_id == tenant_id, AuditPending.entry_id.in_([e.id for e in entries])
        )
    )
    return len(entries)


async def _last_hash(session: AsyncSession, head: AuditHead, key: bytes) -> str:
    """What the next entry is bound to: the hash of the last one. Where that is not the one that we left at the end,
    it is bound to something else, so that verification names the break for ever."""
    if head.seq == 0:
        return GENESIS
    last = await session.scalar(
        sa.select(AuditSeal.hash).where(AuditSeal.tenant_id == head.tenant_id, AuditSeal.seq == head.seq)
    )
    if last is None or end_hash(head.tenant_id, seq=head.seq, last=last, key=key) != head.hash:
        return f"not the end that was left: {head.hash}"
    return last


async def verify(session: AsyncSession, *, key: bytes) -> Verdict:
    """Walk the tenant's whole chain and compare every entry with its seal, made with the same `key`."""
    tenant_id = tenant_of(session)
    verdict = Verdict()
    # Read before the walk: what is sealed meanwhile only adds to the chain, so the walk must come past this end.
    head = await session.get(AuditHead, tenant_id)
    seq, previous = 0, GENESIS
    while rows := await _sealed_after(session, tenant_id, seq):
        for seal_row, entry in rows:
            if seal_row.seq != seq + 1:
                verdict.problems.append(f"entries {seq + 1} to {seal_row.seq - 1}: their seals are missing")
            elif entry is None:
                verdict.problems.append(f"entry {seal_row.seq} ({seal_row.entry_id}): removed")
            elif entry_hash(entry, seq=seal_row.seq, previous=previous, key=key) != seal_row.hash:
                verdict.problems.append(
                    f"entry {seal_row.seq} ({seal_row.entry_id}, {entry.verb}): altered after it was sealed"
                )
            end = end_hash(tenant_id, seq=seal_row.seq, last=seal_row.hash, key=key)
            if head is not None and seal_row.seq == head.seq and end != head.hash:
                verdict.problems.append(
                    f"entry {seal_row.seq} ({seal_row.entry_id}): another one was sealed in its place"
                )
            seq, previous = seal_row.seq, seal_row.hash
            verdict.sealed += 1
    head = head or await session.get(AuditHead, tenant_id)  # the first seal may have come during the walk
    if head is None and seq:
        verdict.problems.append(f"the end of the chain is not on record: entries after {seq} may be missing")
    elif head is not None and head.seq > seq:
        verdict.problems.append(f"entries {seq + 1} to {head.seq}: cut off the end of the chain")
    await _check_unsealed(session, tenant_id, verdict)
    if not verdict.sealed and not verdict.pending:
        verdict.problems.append("the log is empty, though every tenant's begins with entry 1, its creation")
    return verdict


async def _sealed_after(session: AsyncSession, tenant_id: UUID, seq: int) -> list[tuple[AuditSeal, AuditEntry | None]]:
    rows = await session.execute(
        sa.select(AuditSeal, AuditEntry)
        .outerjoin(AuditEntry, (AuditEntry.id == AuditSeal.entry_id) & (AuditEntry.tenant_id == tenant_id))
        .where(AuditSeal.tenant_id == tenant_id, AuditSeal.seq > seq)
        .order_by(AuditSeal.seq)
        .limit(_BATCH)
    )
    return [(seal_row, entry) for seal_row, entry in rows.all()]


async def _check_unsealed(session: AsyncSession, tenant_id: UUID, verdict: Verdict) -> None:
    pending = (
        await session.execute(
            sa.select(AuditPending.entry_id, AuditEntry.id)
            .outerjoin(AuditEntry, (AuditEntry.id == AuditPending.entry_id) & (AuditEntry.tenant_id == tenant_id))
            .where(AuditPending.tenant_id == tenant_id)
        )
    ).all()
    verdict.pending = len(pending)
    verdict.problems += [
        f"entry {waiting}: removed before it was sealed" for waiting, found in pending if found is None
    ]
    orphans = await session.scalars(
        sa.select(AuditEntry.id)
        .outerjoin(AuditSeal, (AuditSeal.entry_id == AuditEntry.id) & (AuditSeal.tenant_id == tenant_id))
        .outerjoin(AuditPending, (AuditPending.entry_id == AuditEntry.id) & (AuditPending.tenant_id == tenant_id))
        .where(AuditEntry.tenant_id == tenant_id, AuditSeal.seq.is_(None), AuditPending.entry_id.is_(None))
    )
    verdict.problems += [f"entry {orphan}: has no seal and does not wait for one" for orphan in orphans]


async def list_entries(
    session: AsyncSession,
    *,
    object_id: str | None = None,
    actor: str | None = None,
    verb: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[AuditRecord]:
    """The newest entries first; `before` is the last id of the previous page. `verb` is one, or the beginning of some
    (`approval`)."""
    tenant_id = tenant_of(session)
    query = (
        sa.select(AuditEntry, AuditSeal.seq)
        .outerjoin(AuditSeal, (AuditSeal.entry_id == AuditEntry.id) & (AuditSeal.tenant_id == tenant_id))
        .where(AuditEntry.tenant_id == tenant_id)
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    if object_id is not None:
        query = query.where(AuditEntry.object_id == object_id)
    if actor is not None:
        query = query.where(AuditEntry.actor == actor)
    if verb is not None:
        query = query.where(sa.or_(AuditEntry.verb == verb, AuditEntry.verb.startswith(f"{verb}.", autoescape=True)))
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    if until is not None:
        query = query.where(AuditEntry.at < until)
    if before is not None:
        edge = sa.select(AuditEntry.at, AuditEntry.id).where(AuditEntry.tenant_id == tenant_id, AuditEntry.id == before)
        query = query.where(sa.tuple_(AuditEntry.at, AuditEntry.id) < edge.scalar_subquery())
    return [_as_record(entry, seq) for entry, seq in (await session.execute(query)).all()]


def _as_record(entry: AuditEntry, seq: int | None) -> AuditRecord:
    return AuditRecord(
        id=entry.id,
        seq=seq,
        at=entry.at,
        actor=entry.actor,
        verb=entry.verb,
        object_type=entry.object_type,
        object_id=entry.object_id,
        correlation_id=entry.correlation_id,
        detail=entry.detail,
    )


async def tenants_to_seal(session: AsyncSession) -> Iterable[UUID]:
    """Tenants with waiting entries, seen across tenants by a look-up function of the owner."""
    return list(await session.scalars(sa.text("select opsteward.tenants_with_unsealed_audit()")))

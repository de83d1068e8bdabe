"""Gives waiting entries of the audit log their place in the chain: those that a process of ours wrote, as it did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.ids import derived_id
from opsteward.core.log import get_logger
from opsteward.telemetry.audit.chain import GENESIS, end_hash, entry_hash, is_marked
from opsteward.telemetry.audit.recording import record
from opsteward.telemetry.models import AuditEntry, AuditHead, AuditPending, AuditSeal

log = get_logger(__name__)

_BATCH = 1000

UNMARKED = "it has no mark of a process of this installation"
WRONG_MARK = "it is not as its writer marked it"
TWICE = "it is in the chain already"


async def tenants_to_seal(session: AsyncSession) -> Iterable[UUID]:
    """Tenants with waiting entries, seen across tenants by a look-up function of the owner."""
    return list(await session.scalars(sa.text("select opsteward.tenants_with_unsealed_audit()")))


async def seal(session: AsyncSession, *, key: bytes) -> int:
    """Give the waiting entries of this tenant their place in the chain. Returns how many it looked at; call until 0.

    `key` is `SecretBox.audit_key()`, the same for every mark, seal and verification of an installation. An entry
    without its writer's mark is no part of the log: it is kept aside for good, and verification names it.
    """
    tenant_id = tenant_of(session)
    await session.execute(insert(AuditHead).values(tenant_id=tenant_id, seq=0, hash=GENESIS).on_conflict_do_nothing())
    head = (await session.scalars(sa.select(AuditHead).where(AuditHead.tenant_id == tenant_id).with_for_update())).one()
    entries, waiting = [], await _waiting(session, tenant_id)
    for entry, sealed_as in waiting:
        why = _reason_against(entry, sealed_as, key)
        if why is None:
            entries.append(entry)
        else:
            await _keep_aside(session, entry, why)
    if not entries:
        return len(waiting)
    seq, previous = await _end_of_chain(session, head, key)
    seals = []
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
    return len(waiting)


async def _waiting(session: AsyncSession, tenant_id: UUID) -> Sequence[tuple[AuditEntry, int | None]]:
    """Entries in their order, with their number where they are sealed already."""
    found = await session.execute(
        sa.select(AuditEntry, AuditSeal.seq)
        .join(AuditPending, (AuditPending.tenant_id == tenant_id) & (AuditPending.entry_id == AuditEntry.id))
        .outerjoin(AuditSeal, (AuditSeal.tenant_id == tenant_id) & (AuditSeal.entry_id == AuditEntry.id))
        .where(AuditEntry.tenant_id == tenant_id, AuditPending.refused.is_(None))
        .order_by(AuditEntry.at, AuditEntry.id)
        .limit(_BATCH)
    )
    return [(entry, seq) for entry, seq in found.all()]


def _reason_against(entry: AuditEntry, sealed_as: int | None, key: bytes) -> str | None:
    if sealed_as is not None:
        return TWICE
    if entry.mark is None:
        return UNMARKED
    return None if is_marked(entry, key=key) else WRONG_MARK


async def _keep_aside(session: AsyncSession, entry: AuditEntry, why: str) -> None:
    """It waits no longer, and the log itself says so for good."""
    log.error("telemetry.audit.entry_refused", tenant_id=str(entry.tenant_id), entry_id=str(entry.id), reason=why)
    await session.execute(
        sa.update(AuditPending)
        .where(AuditPending.tenant_id == entry.tenant_id, AuditPending.entry_id == entry.id)
        .values(refused=why)
    )
    await record(
        session,
        actor="system:sealer",
        verb="audit.entry_refused",
        object_type="audit_entry",
        object_id=str(entry.id),
        detail={"reason": why},
        entry_id=derived_id(entry.id, f"refused {why}"),
    )


async def _end_of_chain(session: AsyncSession, head: AuditHead, key: bytes) -> tuple[int, str]:
    """What the next entry comes after and is bound to: number and hash of the last one. Where that is not the one
    that we left at the end, it is bound to something else, so that verification names the break for ever."""
    last = (
        await session.execute(
            sa.select(AuditSeal.seq, AuditSeal.hash)
            .where(AuditSeal.tenant_id == head.tenant_id)
            .order_by(AuditSeal.seq.desc())
            .limit(1)
        )
    ).first()
    if last is None and head.seq == 0:
        return 0, GENESIS
    if last is None or (last.seq, end_hash(head.tenant_id, seq=last.seq, last=last.hash, key=key)) != (
        head.seq, head.hash,
    ):  # fmt: skip
        return max(head.seq, last.seq if last else 0), f"not the end that was left: {head.hash}"
    return last.seq, last.hash

"""The audit log: written in the caller's transaction, sealed into a hash chain in batches, verified on demand.

Other rooms see it through here: `recording`, `sealing` and `verification` do the work.

Writers never wait for each other: an entry is a plain insert, and the sealer (one, on the leader) gives it its
number and hash about a second later. Until then an entry is listed as pending, so a removal in that short window
shows as well. Entries hold references to people, never their names, so that erasing a person leaves the proof whole.

Every mark and hash is keyed with a key that is not in the database, so that who owns the database can neither add an
entry nor make the chain anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.json_types import JsonObject
from opsteward.core.keyset import in_order
from opsteward.telemetry.audit.recording import record, record_all
from opsteward.telemetry.audit.sealing import seal, tenants_to_seal
from opsteward.telemetry.audit.verification import Verdict, verify
from opsteward.telemetry.models import AuditEntry, AuditSeal

__all__ = [
    "AuditRecord",
    "Deed",
    "Verdict",
    "deeds_of_operators",
    "list_entries",
    "record",
    "record_all",
    "seal",
    "tenants_to_seal",
    "verify",
]


#: So many entries are looked through for who did something to the objects of one page.
DEEDS_LIMIT = 5000


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """An entry as it is read back; `seq` is None while it waits for its seal."""

    id: UUID
    seq: int | None
    at: datetime
    actor: str
    #: The API token by which the actor did it; null for a person's own session, and for what acts by itself.
    token_id: UUID | None
    verb: str
    object_type: str
    object_id: str
    correlation_id: str
    detail: JsonObject


@dataclass(frozen=True, slots=True)
class Deed:
    """That an operator did something to an object, and by which API token, if by one."""

    object_id: str
    actor: str
    at: datetime
    token_id: UUID | None


async def list_entries(
    session: AsyncSession,
    *,
    object_id: str | None = None,
    object_type: str | None = None,
    actors: Sequence[str] | None = None,
    verb: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: UUID | None = None,
    limit: int = 100,
    oldest_first: bool = False,
) -> list[AuditRecord]:
    """The newest entries first; `before` is the last id of the previous page. `actors` are references; `verb` is one,
    or the beginning of some (`approval`)."""
    tenant_id = tenant_of(session)
    query = (
        sa.select(AuditEntry, AuditSeal.seq)
        .outerjoin(AuditSeal, (AuditSeal.entry_id == AuditEntry.id) & (AuditSeal.tenant_id == tenant_id))
        .where(AuditEntry.tenant_id == tenant_id)
        .limit(limit)
    )
    if object_id is not None:
        query = query.where(AuditEntry.object_id == object_id)
    if object_type is not None:
        query = query.where(AuditEntry.object_type == object_type)
    if actors is not None:
        query = query.where(AuditEntry.actor.in_(actors))
    if verb is not None:
        query = query.where(sa.or_(AuditEntry.verb == verb, AuditEntry.verb.startswith(f"{verb}.", autoescape=True)))
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    if until is not None:
        query = query.where(AuditEntry.at < until)
    query = in_order(query, by=AuditEntry.at, row_id=AuditEntry.id, descending=not oldest_first, after=before)
    return [_as_record(entry, seq) for entry, seq in (await session.execute(query)).all()]


async def deeds_of_operators(session: AsyncSession, object_ids: Collection[str]) -> list[Deed]:
    """What operators did to these objects, a token's owner among them; DEEDS_LIMIT of them, the newest."""
    if not object_ids:
        return []
    rows = await session.execute(
        sa.select(AuditEntry.object_id, AuditEntry.actor, AuditEntry.at, AuditEntry.token_id)
        .where(
            AuditEntry.tenant_id == tenant_of(session),
            AuditEntry.object_id.in_(object_ids),
            AuditEntry.actor.startswith("operator:"),
        )
        .order_by(AuditEntry.at.desc())
        .limit(DEEDS_LIMIT)
    )
    return [Deed(*row) for row in rows]


def _as_record(entry: AuditEntry, seq: int | None) -> AuditRecord:
    return AuditRecord(
        id=entry.id,
        seq=seq,
        at=entry.at,
        actor=entry.actor,
        token_id=entry.token_id,
        verb=entry.verb,
        object_type=entry.object_type,
        object_id=entry.object_id,
        correlation_id=entry.correlation_id,
        detail=entry.detail,
    )

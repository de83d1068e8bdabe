"""What counts once: signatures and deliveries that were taken, each remembered for a while by its digest."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import UsedSignature
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7


async def use_once(session: AsyncSession, *, digest: bytes, remembered_for: timedelta) -> bool:
    """Whether this is the first time. It is remembered with this transaction, of its tenant; another one that does the
    same meanwhile waits for it."""
    row = {
        "id": uuid7(),
        "tenant_id": tenant_of(session),
        "digest": digest,
        "until": now() + remembered_for,
    }
    added = await session.scalar(insert(UsedSignature).values(row).on_conflict_do_nothing().returning(UsedSignature.id))
    return added is not None

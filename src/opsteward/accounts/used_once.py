"""What counts once: signatures and deliveries that were taken, each remembered for a while by its digest."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import UsedSignature
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7

_DIGESTS = ARRAY(sa.LargeBinary)


async def use_once(session: AsyncSession, *, digest: bytes, remembered_for: timedelta) -> bool:
    """Whether this is the first time. It is remembered with this transaction, of its tenant; another one that does the
    same meanwhile waits for it."""
    return bool(await use_each_once(session, digests=[digest], remembered_for=remembered_for))


async def use_each_once(session: AsyncSession, *, digests: Collection[bytes], remembered_for: timedelta) -> set[bytes]:
    """The same of many: those for which this is the first time."""
    tenant_id, until = tenant_of(session), now() + remembered_for
    rows = [
        {"id": uuid7(), "tenant_id": tenant_id, "digest": digest, "until": until}
        for digest in sorted(set(digests))  # so that none waits for another that waits for it
    ]
    if not rows:
        return set()
    adding = insert(UsedSignature).on_conflict_do_nothing().returning(UsedSignature.digest)
    return set(await session.scalars(adding, rows))


async def used(session: AsyncSession, *, digests: Collection[bytes]) -> set[bytes]:
    """Those of them that were taken already."""
    found = sa.select(UsedSignature.digest).where(
        UsedSignature.tenant_id == tenant_of(session),
        UsedSignature.digest == sa.any_(sa.literal(list(digests), _DIGESTS)),
    )
    return set(await session.scalars(found)) if digests else set()

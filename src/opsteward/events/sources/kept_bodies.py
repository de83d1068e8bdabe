"""Bodies as they came: all of no known form, of the others the last few; to look at, to map and to be read again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of, when_committed
from opsteward.core.errors import NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.events.models import SourceBody

#: Of each source: bodies of no known form, and of known ones.
UNMAPPED_LIMIT, MAPPED_LIMIT = 200, 20
_MAPPED_BYTES_LIMIT = 262_144
_MAPPED_EVERY = 2.0  # seconds, of one source in one process
_SEEN_LIMIT = 10_000


@dataclass(frozen=True, kw_only=True)
class KeptBody:
    """`mapped`: it had a form that is declared. `reading`: {count, first} of the events that it became. `body` is given
    only where one is asked for."""

    id: UUID
    slug: str
    received_at: datetime
    kind: str
    headers: JsonObject
    mapped: bool
    trouble: str
    reading: JsonObject
    body: str | None = None


class KeptBodies:
    """Of one process: it remembers of which sources it has just kept one."""

    def __init__(self) -> None:
        self._kept_at: dict[tuple[UUID, str], float] = {}

    async def keep(
        self,
        session: AsyncSession,
        *,
        slug: str,
        raw: bytes,
        kind: str,
        headers: Mapping[str, str],
        mapped: bool,
        trouble: str,
        reading: JsonObject,
    ) -> None:
        """Keep it with this transaction; older ones beyond the limit go. Of mapped ones not each is kept."""
        tenant_id = tenant_of(session)
        if mapped:
            at = time.monotonic()
            last = self._kept_at.get((tenant_id, slug))
            if len(raw) > _MAPPED_BYTES_LIMIT or (last is not None and at - last < _MAPPED_EVERY):
                return
            when_committed(session, partial(self._note_kept, tenant_id, slug, at))
        body = SourceBody(
            id=uuid7(),
            tenant_id=tenant_id,
            slug=slug,
            kind=kind[:200],
            headers=dict(headers),
            body=raw.decode("utf-8", "replace").replace("\0", ""),
            mapped=mapped,
            trouble=trouble,
            reading=reading,
        )
        session.add(body)
        await session.flush()
        oldest_kept = (
            sa.select(SourceBody.id)
            .where(SourceBody.tenant_id == tenant_id, SourceBody.slug == slug, SourceBody.mapped == mapped)
            .order_by(SourceBody.id.desc())
            .offset(MAPPED_LIMIT if mapped else UNMAPPED_LIMIT)
            .limit(1)
            .scalar_subquery()
        )
        await session.execute(
            sa.delete(SourceBody)
            .where(SourceBody.tenant_id == tenant_id, SourceBody.slug == slug, SourceBody.mapped == mapped)
            .where(SourceBody.id <= oldest_kept)
            .execution_options(synchronize_session=False)
        )

    def _note_kept(self, tenant_id: UUID, slug: str, at: float) -> None:
        if len(self._kept_at) >= _SEEN_LIMIT:
            self._kept_at.clear()
        self._kept_at[tenant_id, slug] = at


async def page(session: AsyncSession, *, slug: str, before: UUID | None = None, limit: int = 20) -> list[KeptBody]:
    """The source's bodies, the newest first, without what they hold."""
    names = [name for name in KeptBody.__dataclass_fields__ if name != "body"]
    query = sa.select(*(getattr(SourceBody, name) for name in names)).where(
        SourceBody.tenant_id == tenant_of(session), SourceBody.slug == slug
    )
    if before is not None:
        query = query.where(SourceBody.id < before)
    rows = await session.execute(query.order_by(SourceBody.id.desc()).limit(limit))
    return [KeptBody(**dict(zip(names, row, strict=True))) for row in rows]


async def one(session: AsyncSession, *, slug: str, body_id: UUID) -> KeptBody:
    """With what it holds. Raises NotFound."""
    row = await session.scalar(
        sa.select(SourceBody).where(
            SourceBody.tenant_id == tenant_of(session), SourceBody.slug == slug, SourceBody.id == body_id
        )
    )
    if row is None:
        raise NotFound("this source has no such body any more", remedy="see its last bodies")
    return KeptBody(**{name: getattr(row, name) for name in KeptBody.__dataclass_fields__})


async def note_reading(
    session: AsyncSession, *, body_id: UUID, mapped: bool, trouble: str, reading: JsonObject
) -> None:
    """It was read again."""
    await session.execute(
        sa.update(SourceBody)
        .where(SourceBody.tenant_id == tenant_of(session), SourceBody.id == body_id)
        .values(mapped=mapped, trouble=trouble, reading=reading)
    )

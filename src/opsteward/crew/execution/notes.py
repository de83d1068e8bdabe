"""The notes that agents keep for later work of their tenant, where that is on; a person may erase them."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.db import Database, tenant_of
from opsteward.core.redact import redact_text
from opsteward.core.storable_text import storable
from opsteward.crew.models import CrewNote
from opsteward.telemetry import audit

RECALLED = 20  # the newest
_LIMIT = 2_000  # characters


async def keep(db: Database, tenant_id: UUID, *, agent: str, text: str, run_id: UUID) -> None:
    """Keep a note; secrets are cut out."""
    async with db.unit_of_work(tenant_id) as session:
        kept = storable(redact_text(text), limit=_LIMIT)
        session.add(CrewNote(tenant_id=tenant_id, agent=agent, text=kept, run_id=run_id))


async def recall(db: Database, tenant_id: UUID, *, agent: str) -> list[str]:
    """The agent's newest notes."""
    async with db.unit_of_work(tenant_id) as session:
        query = sa.select(CrewNote.text).where(CrewNote.tenant_id == tenant_id, CrewNote.agent == agent)
        return list((await session.scalars(query.order_by(CrewNote.created_at.desc()).limit(RECALLED))).all())


async def erase(session: AsyncSession, *, by: Identity) -> int:
    """Erase all notes of the tenant; returns how many there were."""
    gone = (
        await session.scalars(
            sa.delete(CrewNote).where(CrewNote.tenant_id == tenant_of(session)).returning(CrewNote.id)
        )
    ).all()
    await audit.record(
        session,
        actor=by.actor,
        verb="crew.notes.erased",
        object_type="crew_notes",
        object_id=str(tenant_of(session)),
        detail={"count": len(gone)},
    )
    return len(gone)

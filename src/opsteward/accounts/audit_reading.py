"""The audit log for people: entries with who acted by name, found by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of, references_called
from opsteward.accounts.types import Actor
from opsteward.telemetry import audit
from opsteward.telemetry.audit import AuditRecord


@dataclass(frozen=True, kw_only=True)
class AuditEntryInFull(AuditRecord):
    """An entry with who acted by name, and the reason, where one was given."""

    who: Actor
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which entries; all that is given must fit. `actor`: a name, an id or a reference. `verb`: one, or the beginning
    of some (`approval`)."""

    object_id: str | None = None
    object_type: str | None = None
    actor: str | None = None
    verb: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def read_audit(
    session: AsyncSession,
    *,
    wanted: AuditFilter,
    before: UUID | None = None,
    limit: int = 100,
    oldest_first: bool = False,
) -> list[AuditEntryInFull]:
    """The newest first; `before` is the last id of the previous page."""
    entries = await audit.list_entries(
        session,
        object_id=wanted.object_id,
        object_type=wanted.object_type,
        actors=None if wanted.actor is None else await references_called(session, wanted.actor),
        verb=wanted.verb,
        since=wanted.since,
        until=wanted.until,
        before=before,
        limit=limit,
        oldest_first=oldest_first,
    )
    actors = await actors_of(session, [entry.actor for entry in entries], tokens=[entry.token_id for entry in entries])
    return [
        AuditEntryInFull(**vars(entry), who=actors(entry.actor, token_id=entry.token_id), reason=_reason(entry.detail))
        for entry in entries
    ]


def _reason(detail: dict[str, Any]) -> str | None:
    told = detail.get("reason") or detail.get("why")
    return told if isinstance(told, str) else None

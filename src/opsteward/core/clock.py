"""The one clock: aware UTC instants, and their text form."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def iso(at: datetime) -> str:
    """ISO 8601 UTC with microseconds: sortable and exact."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")

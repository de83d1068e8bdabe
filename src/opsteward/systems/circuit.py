"""The circuit breaker of each system: after failures nobody asks it for a while, then one tries for all.

Its state is in the system's row, so every process sees the same, and so do people. Only failures of the connection
count: what a system refuses is an answer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.backoff import backoff
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import AuthFailed, ConnectorError, NotFound, RateLimited, Timeout, Unreachable
from opsteward.systems.models import System
from opsteward.systems.types import Circuit

FAILURES_BEFORE_OPEN = 3
_FIRST_PAUSE, _MAX_PAUSE = 10.0, 900.0  # seconds
#: A refused sign-in is not repeated soon: the account would be locked.
_AUTH_PAUSE = 300.0
#: How long the one that tries for all has, before another may.
_TRIAL = timedelta(seconds=60)
_REASON_CHARS = 300


def circuit_of(row: System) -> Circuit:
    """The state of a system's circuit at this moment."""
    state: Literal["closed", "open", "half_open"] = "closed"
    if row.circuit_open_until is not None:
        state = "open" if row.circuit_open_until > now() else "half_open"
    return Circuit(
        state=state,
        failures=row.circuit_failures,
        open_until=row.circuit_open_until,
        reason=row.circuit_reason,
    )


async def require_closed(session: AsyncSession, *, system_id: UUID) -> None:
    """Go through, as the one that tries if the pause is over. Raises Unreachable while it is open, NotFound."""
    row = await session.scalar(sa.select(System).where(System.tenant_id == tenant_of(session), System.id == system_id))
    if row is None:
        raise NotFound("no system of this id")
    if row.circuit_open_until is None:
        return
    claimed = await session.scalar(
        sa.update(System)
        .where(System.tenant_id == tenant_of(session), System.id == system_id, System.circuit_open_until <= now())
        .values(circuit_open_until=now() + _TRIAL)
        .returning(System.id)
    )
    if claimed is None:
        wait = max(1.0, (row.circuit_open_until - now()).total_seconds())
        raise Unreachable(
            f"{row.name} is not asked for another {wait:.0f} s: {row.circuit_reason}",
            remedy="it is tried again by itself; a check now tries at once",
            extra={"kind": "circuit", "retry_after": wait},
        )


async def note_success(session: AsyncSession, *, system_id: UUID) -> None:
    """It answers: the circuit is closed."""
    await session.execute(
        sa.update(System)
        .where(
            System.tenant_id == tenant_of(session),
            System.id == system_id,
            sa.or_(System.circuit_failures > 0, System.circuit_open_until.is_not(None)),
        )
        .values(circuit_failures=0, circuit_open_until=None, circuit_reason=None)
    )


async def note_failure(session: AsyncSession, *, system_id: UUID, error: ConnectorError) -> None:
    """Count a failure of the connection; others leave the circuit as it is."""
    if not counts(error):
        return
    failures = await session.scalar(
        sa.update(System)
        .where(System.tenant_id == tenant_of(session), System.id == system_id)
        .values(circuit_failures=System.circuit_failures + 1, circuit_reason=error.detail[:_REASON_CHARS])
        .returning(System.circuit_failures)
    )
    pause = _pause_after(error, failures or 0)
    if pause is not None:
        await session.execute(
            sa.update(System)
            .where(System.tenant_id == tenant_of(session), System.id == system_id)
            .values(circuit_open_until=now() + timedelta(seconds=pause))
        )


def counts(error: ConnectorError) -> bool:
    """Whether this says that the system can't be used at all for now."""
    kind = error.extra.get("kind")
    if kind in {"circuit", "permission"}:
        return False
    return isinstance(error, AuthFailed | RateLimited | Timeout | Unreachable)


def _pause_after(error: ConnectorError, failures: int) -> float | None:
    if isinstance(error, AuthFailed):
        return _AUTH_PAUSE
    if isinstance(error, RateLimited):
        asked = error.extra.get("retry_after")
        return min(float(asked), _MAX_PAUSE) if asked else _FIRST_PAUSE
    if failures < FAILURES_BEFORE_OPEN:
        return None
    return min(_FIRST_PAUSE * backoff(failures - FAILURES_BEFORE_OPEN, factor=2, limit=_MAX_PAUSE), _MAX_PAUSE)

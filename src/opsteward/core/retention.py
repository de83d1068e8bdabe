"""No table grows without end: what has ended long ago is forgotten, by the leader, in small bites."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.log import get_logger

log = get_logger(__name__)

_EVERY = 600.0  # seconds
_BITE = 5_000


async def apply_retention(db: Database, retention: Mapping[str, float]) -> None:
    """Call every ten minutes, until cancelled, each of the database's `forget_*` functions with its seconds."""
    while True:
        try:
            for function, seconds in retention.items():
                gone = await forget(db, function, seconds)
                if gone:
                    log.info("core.retention.forgot", what=function, rows=gone)
        except Unavailable:
            pass  # the next round comes
        await asyncio.sleep(_EVERY)


async def forget(db: Database, function: str, seconds: float) -> int:
    """Call one of the database's `forget_*(before, most)` functions until nothing that old is left."""
    total = 0
    before = now() - timedelta(seconds=seconds)
    while True:
        async with db.unit_of_work(None) as session:
            gone = await session.scalar(
                sa.text(f"select opsteward.{function}(:before, :most)"),
                {"before": before, "most": _BITE},
            )
        total += int(gone or 0)
        if not gone or gone < _BITE:
            return total

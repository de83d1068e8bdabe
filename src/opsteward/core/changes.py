"""PROVISIONAL, to be overwritten by whoever builds the live feed: same names, same signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True)
class Change:
    type: str
    data: dict[str, Any]


async def record_changes(session: AsyncSession, changes: Sequence[Change]) -> None:
    """Nothing yet."""

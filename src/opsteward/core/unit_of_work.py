"""The type of a unit of work, for rooms that only hand it on to the services: see `core.db.Database.unit_of_work`."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

UnitOfWork: TypeAlias = AsyncSession

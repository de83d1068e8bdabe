"""What a person calls a row, to its id: a name, the id, or an end or a beginning of the id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import TenantRow, tenant_of

#: Rows, the newest, whose ids' ends are looked at: no index can serve that behind row-level security.
NEWEST_LIMIT = 100_000
CANDIDATES_LIMIT = 20
_PART_OF_ID = re.compile(r"[0-9a-f]{4,32}")


async def called(
    session: AsyncSession,
    model: type[TenantRow],
    ref: str,
    *,
    names: Sequence[sa.ColumnElement[bool]] = (),
    newest_names: Sequence[str] = (),
) -> list[UUID]:
    """Ids of the tenant's rows that are called `ref`, up to CANDIDATES_LIMIT; several are for the asker to sort out.

    `names`: conditions that an index serves; `newest_names`: columns without one, compared in the newest rows only.
    A name goes before a part of an id.
    """
    try:
        return [UUID(ref)]
    except ValueError:
        pass
    own: Any = sa.select(model.id).where(model.tenant_id == tenant_of(session)).limit(CANDIDATES_LIMIT)
    if names and (found := list(await session.scalars(own.where(sa.or_(*names))))):
        return found
    columns = [getattr(model, name) for name in newest_names]
    newest = (
        sa.select(model.id, *columns)
        .where(model.tenant_id == tenant_of(session))
        .order_by(model.id.desc())
        .limit(NEWEST_LIMIT)
        .subquery()
    )
    some: Any = sa.select(newest.c.id).limit(CANDIDATES_LIMIT)
    if columns:
        same = sa.or_(*(newest.c[column.key] == ref for column in columns))
        if found := list(await session.scalars(some.where(same))):
            return found
    part = ref.lower().replace("-", "")
    if not _PART_OF_ID.fullmatch(part):
        return []
    begins = model.id.between(UUID(part.ljust(32, "0")), UUID(part.ljust(32, "f")))
    ends = sa.func.right(sa.func.replace(sa.cast(newest.c.id, sa.Text), "-", ""), len(part)) == part
    found = [*await session.scalars(own.where(begins)), *await session.scalars(some.where(ends))]
    return list(dict.fromkeys(found))

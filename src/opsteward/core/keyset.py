"""Pages of a list in an order of the reader's choice: each begins behind the last row of the one before."""

from __future__ import annotations

from typing import Any, TypeVarTuple
from uuid import UUID

import sqlalchemy as sa

_Row = TypeVarTuple("_Row")


def in_order(
    query: sa.Select[*_Row], *, by: Any, row_id: Any, descending: bool = False, after: UUID | None = None
) -> sa.Select[*_Row]:
    """The query by `by`, an expression that is never null, and `row_id`, its rows' key; `after`: behind this row. A
    row that is gone meanwhile has nothing behind it."""
    if after is not None:
        edge = sa.select(by, row_id).where(row_id == after).correlate(None).scalar_subquery()
        here = sa.tuple_(by, row_id)
        query = query.where(here < edge if descending else here > edge)
    return query.order_by(by.desc() if descending else by, row_id.desc() if descending else row_id)

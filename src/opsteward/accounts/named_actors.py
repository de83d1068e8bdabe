"""Puts who acted, by name, beside the references that records hold: all of a page in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of

Record = TypeVar("Record")


@dataclass(frozen=True)
class Said:
    """That the record's field `reference` says who did something at the time in its field `at`, and that the actor
    goes into the field `into`."""

    reference: str
    at: str
    into: str


async def with_actors(
    session: AsyncSession,
    records: Sequence[Record],
    *fields: Said,
    object_id: Callable[[Record], object] = lambda record: cast(Any, record).id,
) -> list[Record]:
    """These records with their actors by name. `object_id`: what the audit log calls the record."""
    references = [getattr(record, one.reference) for record in records for one in fields]
    actors = await actors_of(session, references, about=[object_id(record) for record in records])
    return [
        _with(
            record,
            {
                one.into: actors.doing(getattr(record, one.reference), object_id(record), getattr(record, one.at))
                for one in fields
            },
        )
        for record in records
    ]


def _with(record: Record, fields: dict[str, object]) -> Record:
    if isinstance(record, BaseModel):
        return cast(Record, record.model_copy(update=fields))
    assert is_dataclass(record) and not isinstance(record, type)
    return replace(record, **fields)

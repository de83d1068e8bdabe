"""What the REST routes take and give. Our own resources refuse unknown fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from opsteward.core.error_words import refusal

T = TypeVar("T")
_YEARS = range(1900, 3000)


def _instant_text(value: object) -> object:
    if not isinstance(value, str):
        raise refusal("is no ISO 8601 text", "write it like 2026-01-31T12:00:00Z")
    return value


def _within_years(value: datetime) -> datetime:
    """Beyond what every part on the way can hold: in UTC, a day near the first or last year is none at all."""
    try:
        known = value.astimezone(UTC).year in _YEARS
    except OverflowError:
        known = False
    if not known:
        raise refusal(f"lies outside of the years {_YEARS.start} to {_YEARS.stop - 1}", "give a date within them")
    return value


#: An instant of a body: ISO 8601 text with its zone, and no number of seconds.
Instant = Annotated[AwareDatetime, BeforeValidator(_instant_text), AfterValidator(_within_years)]


#: In a list: only what a person calls so.
Ref = Annotated[
    str | None,
    Query(min_length=1, max_length=320, description="only what is called so: its name, or an end of its id"),
]


#: Whether a list tells what only writes something down, too.
Routine = Annotated[
    bool, Query(description="with what only writes something down: log_and_monitor, log_only, return_validation_error")
]


class Input(BaseModel):
    """Base of every body we take: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid")


class NoFields(Input):
    """The body of a route that takes none: nothing at all, or `{}`."""


NoBody = NoFields | None


class Page(BaseModel, Generic[T]):
    """One page of a list. `next` goes into the query of the next one; null at the end. `searched`: how many of the
    newest a search for text looked at, at most."""

    items: list[T]
    next: str | None = None
    searched: int | None = None


def page_of(items: list[T], *, limit: int, cursor: str = "id", searched: int | None = None) -> Page[T]:
    """A page of what was found; a full one has a `next`."""
    last = str(getattr(items[-1], cursor)) if len(items) == limit else None
    return Page(items=items, next=last, searched=searched)

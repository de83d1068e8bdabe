"""What the REST routes take and give. Our own resources refuse unknown fields."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict


class Input(BaseModel):
    """Base of every body we take: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid")


class NoFields(Input):
    """The body of a route that takes none: nothing at all, or `{}`."""


NoBody = NoFields | None


class Page(BaseModel):
    """One page of a list. `next` goes into the query of the next one; null at the end."""

    items: list[dict[str, Any]]
    next: str | None = None


def page_of(items: list[Any], *, limit: int, cursor: str = "id") -> Page:
    """A page from dataclasses; a full one has a `next`."""
    last = str(getattr(items[-1], cursor)) if len(items) == limit else None
    return Page(items=[asdict(item) for item in items], next=last)

"""A decision of people about a group of events, as drafts need it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """`category`: what its events are (null: as judged). `joins`: the fingerprint whose events they are counted with.
    `apart`: they join no incident of a related system."""

    category: str | None = None
    joins: str | None = None
    apart: bool = False

"""What the routes of segregation of duties answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DutyPairs:
    """Pairs of permissions that nobody may have together."""

    pairs: list[list[str]]

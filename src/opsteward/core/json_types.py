"""The types of a JSON value and of a JSON object, as they are stored, sent and received."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
else:
    # What frameworks see: JSON was checked when it was parsed, and is not walked through again for each answer.
    Json = Any

JsonObject: TypeAlias = dict[str, Json]


def depth_of(value: Mapping[str, Json] | list[Json]) -> int:
    """How many levels of objects and lists there are, found without recursion."""
    level: list[Mapping[str, Json] | list[Json]] = [value]
    deepest = 0
    while level:
        deepest += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, Mapping) else one)
            if isinstance(inner, Mapping | list)
        ]
    return deepest

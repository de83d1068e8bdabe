"""The types of a JSON value and of a JSON object, as they are stored, sent and received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
else:
    # What frameworks see: JSON was checked when it was parsed, and is not walked through again for each answer.
    Json = Any

JsonObject: TypeAlias = dict[str, Json]

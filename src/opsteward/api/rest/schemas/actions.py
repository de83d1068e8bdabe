"""What the routes of actions answer, beside what `actions.types` holds."""

from __future__ import annotations

from dataclasses import dataclass

from opsteward.core.json_types import JsonObject


@dataclass(frozen=True, kw_only=True)
class ActionTypeInfo:
    """An action that can be requested, with its risk and the JSON Schema of its parameters."""

    action: str
    title: str
    risk: str
    undoable: bool
    schemes: list[str]
    params: JsonObject

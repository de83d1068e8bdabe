"""What is to be done about one pair of records that differ: field by field, from both values and the agreed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from opsteward.core.json_types import Json, JsonObject
from opsteward.provisioning.sync.projection import alike
from opsteward.provisioning.sync.types import FieldMap, MappingDefinition

Choices = Mapping[tuple[str, str, str], tuple[str, str | None, str | None]]


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """One side of a pair: its fields, and those that were last agreed on, where they differ from that."""

    native_id: str
    fields: JsonObject
    base: JsonObject | None
    changed_at: datetime | None

    def has_changed(self, name: str) -> bool:
        return self.base is not None and self.base.get(name) != self.fields.get(name)


@dataclass
class Decision:
    """Fields to write on each side, as (before, after); `conflicts` are for a person; `kept` differ and may."""

    to_target: dict[str, tuple[Json, Json]] = field(default_factory=dict)
    to_source: dict[str, tuple[Json, Json]] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def decide(definition: MappingDefinition, source: Shadow, target: Shadow, choices: Mapping[str, str]) -> Decision:
    """`choices` are a person's, by field: source or target."""
    decision = Decision()
    for each in definition.fields:
        name = each.target
        ours, theirs = source.fields.get(name), target.fields.get(name)
        if alike(each, ours, theirs):
            continue
        winner = choices.get(name) or _winner(definition, each, source, target)
        if winner == "source":
            decision.to_target[name] = (theirs, ours)
        elif winner == "manual":
            decision.conflicts.append(name)
        elif each.direction == "both":
            decision.to_source[name] = (ours, theirs)
        else:
            decision.kept.append(name)
    return decision


def _winner(definition: MappingDefinition, each: FieldMap, source: Shadow, target: Shadow) -> str:
    """Who alone changed a field decides it; the policy decides where both did, where nobody knows, and where the
    target drifted in a field that only goes there."""
    ours, theirs = source.has_changed(each.target), target.has_changed(each.target)
    if ours and not theirs:
        return "source"
    if theirs and not ours and each.direction == "both":
        return "target"
    policy = definition.policy_of(each)
    if policy != "newest":
        return policy
    if source.changed_at is None or target.changed_at is None:
        return "source" if ours or not theirs else "target"
    return "source" if source.changed_at >= target.changed_at else "target"

"""Records of both sides in one form, so that they can be compared: the target's fields, as text or sorted lists."""

from __future__ import annotations

import json
from collections.abc import Mapping

from opsteward.contracts.attribute_paths import value_at
from opsteward.contracts.records import Record
from opsteward.core.json_types import Json, JsonObject
from opsteward.provisioning.sync.transforms import transformed
from opsteward.provisioning.sync.types import FieldMap, MappingDefinition, Side

_TRUE = frozenset({"true", "t", "yes", "y", "1", "on"})


def project(definition: MappingDefinition, side: Side, record: Record) -> JsonObject:
    """The mapped fields of a record, without those that have no value."""
    found: JsonObject = {}
    for field in definition.fields:
        if side == "target":
            value = _value(record.values, field.target)
        else:
            value = _value(record.values, field.source) if field.source is not None else None
            if field.transforms:
                value = transformed(value, field.transforms, record.values)
        if (plain := canonical(value)) is not None:
            found[field.target] = plain
    return found


def _value(values: Mapping[str, Json], name: str) -> Json:
    value = values.get(name)
    return value_at(values, name) if value is None and ("." in name or "[" in name or ":" in name) else value


def canonical(value: Json) -> Json:
    """None, "" and [] are no value; numbers and truth are text; a list is sorted, one of a single value is it."""
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        plain: list[Json] = [each for each in (canonical(one) for one in value) if each is not None]
        plain.sort(key=_sorting)
        if len(plain) > 1:
            return plain
        return plain[0] if plain else None
    return value


def _sorting(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def alike(field: FieldMap, one: Json, other: Json) -> bool:
    """Whether two values in the common form say the same."""
    if one == other or not field.ignore_case:
        return one == other
    return json.dumps(one).casefold() == json.dumps(other).casefold()


def match_key(value: Json) -> str | None:
    """The key of a record, as it is compared."""
    return value if isinstance(value, str) else None if value is None else json.dumps(value)


def written(field: FieldMap, value: Json) -> Json:
    """A value in the common form as the system takes it."""
    if field.type == "list":
        return value if isinstance(value, list) else [] if value is None else [value]
    if not isinstance(value, str):
        return value
    try:
        if field.type == "integer":
            return int(value)
        if field.type == "number":
            return float(value)
    except ValueError:
        return value  # the system says what it thinks of it
    return value.casefold() in _TRUE if field.type == "boolean" else value


def values_for(definition: MappingDefinition, side: Side, fields: Mapping[str, Json]) -> JsonObject:
    """These fields under the names, and in the types, of the side they are written to."""
    named = {each.target: each for each in definition.fields}
    made: JsonObject = {}
    for name, value in fields.items():
        field = named[name]
        if side == "target":
            made[name] = written(field, value)
        elif field.source is not None:
            made[field.source] = written(field, value)
    return made

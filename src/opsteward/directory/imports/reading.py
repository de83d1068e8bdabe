"""From the blocks of a file to its records, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from opsteward.core.errors import Malformed
from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.imports.columns import ALIASES, ColumnsByShape
from opsteward.directory.imports.csv_records import csv_records
from opsteward.directory.imports.json_records import json_records, ndjson_records
from opsteward.directory.imports.ldif_records import ldif_records
from opsteward.directory.imports.records import Blocks, Reading, Record
from opsteward.directory.user_fields import FIELD_NAMES

#: Formats by content type.
FORMATS = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    "application/json-seq": "ndjson",
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "csv",
    "text/ldif": "ldif",
    "application/ldif": "ldif",
    "text/x-ldif": "ldif",
}
_OWN = frozenset(FIELD_NAMES)
#: Where interfaces put what is of a user beside the rest.
_ATTRIBUTES = frozenset(("attributes", "customattributes", "userattributes"))
#: How a manager is named by an object, the best name first.
_NAMES_OF_MANAGERS = ("username", "userName", "userPrincipalName", "primaryEmail", "mail", "email", "value", "id")


def format_of(content_type: str) -> str:
    """Raises Malformed for a kind that is not taken."""
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind not in FORMATS:
        raise Malformed.field("content-type", f"{kind[:60]!r} is not taken here", f"use one of {', '.join(FORMATS)}")
    return FORMATS[kind]


def records(blocks: Blocks, reading: Reading, note: Callable[[str], None]) -> Iterator[Record]:
    """The rows of a file, in order. `note` takes what concerns the whole file. Raises Unreadable."""
    if reading.format == "csv":
        return csv_records(blocks, reading, note)
    if reading.format == "ldif":
        return ldif_records(blocks, reading, note)
    found = (json_records if reading.format == "json" else ndjson_records)(blocks, reading.encoding)
    if reading.strict and not reading.mapping:
        return found
    return _named(found, reading, note)


def _named(found: Iterator[Record], reading: Reading, note: Callable[[str], None]) -> Iterator[Record]:
    """Objects by our fields. Those that have our own names alone are taken as they are."""
    columns = ColumnsByShape(reading.mapping, note, ALIASES, address_as_username=True)
    mapped = bool(reading.mapping)
    for record in found:
        values = record.values
        if values is None or (not mapped and values.keys() <= _OWN):
            yield record
            continue
        flat = _flat(values, reading.mapping)
        shape = columns.of(tuple(flat))
        cells = list(flat.values())
        known = shape.named(cells)
        if reading.strict:
            known |= {name: value for name, value in values.items() if name not in reading.mapping and name not in _OWN}
        yield record._replace(values=known, said=shape.said(cells))


def _flat(values: Mapping[str, Json], mapping: Mapping[str, str]) -> JsonObject:
    """Without the levels that interfaces put names, profiles, attributes and extensions into (SCIM, Okta, Google)."""
    flat: JsonObject = {}
    for name, given in values.items():
        kind = name.lower()
        value = _attributes(given) if kind in _ATTRIBUTES and name not in mapping else given
        if name in mapping or not isinstance(value, dict | list):
            flat[name] = value
        elif kind == "manager" and isinstance(value, dict):
            flat[name] = next((value[key] for key in _NAMES_OF_MANAGERS if value.get(key)), None)
        elif kind == "emails" and isinstance(value, list):
            flat[name] = _address(value)
        elif isinstance(value, dict) and name not in _OWN:
            plain = name.startswith("urn:") or kind in _ATTRIBUTES
            plain = plain or (name == "profile" and not value.keys().isdisjoint(("login", "email")))
            inner = _flat(value, mapping) if plain else {f"{name}.{key}": inner for key, inner in value.items()}
            flat |= {key: one for key, one in inner.items() if flat.get(key) is None}
        else:
            flat[name] = value
    return flat


def _attributes(value: Json) -> Json:
    """What some keep as lists of one value each, or as pairs of name and value, as an object."""
    if isinstance(value, list):
        pairs = [{key.lower(): one for key, one in pair.items()} for pair in value if isinstance(pair, dict)]
        if not value or len(pairs) < len(value) or not all({"name", "value"} <= pair.keys() for pair in pairs):
            return value
        value = {str(pair["name"]): pair["value"] for pair in pairs}
    if not isinstance(value, dict):
        return value
    return {key: one[0] if isinstance(one, list) and len(one) == 1 else one for key, one in value.items()}


def _address(listed: list[Json]) -> Json:
    """The primary one of several addresses, or the first."""
    found = [{key.lower(): one for key, one in entry.items()} for entry in listed if isinstance(entry, dict)]
    found.sort(key=lambda one: not one.get("primary"))
    named = [one.get("value") or one.get("address") for one in found] or [one for one in listed if isinstance(one, str)]
    return next((one for one in named if one), None)

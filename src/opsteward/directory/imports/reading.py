"""From the blocks of a file to its records, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opsteward.core.errors import Malformed
from opsteward.core.json_types import Json
from opsteward.directory.imports.columns import ALIASES, ColumnsByShape
from opsteward.directory.imports.csv_records import csv_records
from opsteward.directory.imports.flat_objects import flat
from opsteward.directory.imports.json_records import json_records, ndjson_records
from opsteward.directory.imports.ldif_records import ldif_records
from opsteward.directory.imports.records import Blocks, Note, Reading, Record
from opsteward.directory.imports.vcard_records import vcard_records
from opsteward.directory.imports.xml_records import xml_records
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
    "application/xml": "xml",
    "text/xml": "xml",
    "text/vcard": "vcard",
    "text/x-vcard": "vcard",
}
_OWN = frozenset(FIELD_NAMES)
#: Fields of ours that are no plain values.
_DEEP = frozenset(("tags", "profile_data"))


def format_of(content_type: str) -> str:
    """Raises Malformed for a kind that is not taken."""
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind not in FORMATS:
        raise Malformed.field("content-type", f"{kind[:60]!r} is not taken here", f"use one of {', '.join(FORMATS)}")
    return FORMATS[kind]


def records(blocks: Blocks, reading: Reading, note: Note) -> Iterator[Record]:
    """The rows of a file, in order. `note` takes what concerns the whole file. Raises Unreadable."""
    if reading.format == "csv":
        return csv_records(blocks, reading, note)
    if reading.format == "ldif":
        return ldif_records(blocks, reading, note)
    if reading.format == "xml":
        return _named(xml_records(blocks, reading.encoding, note), reading, note)
    if reading.format == "vcard":
        return _named(vcard_records(blocks, reading.encoding), reading, note)
    found = (json_records if reading.format == "json" else ndjson_records)(blocks, reading.encoding, note)
    if reading.strict and not reading.mapping:
        return found
    return _named(found, reading, note)


def _named(found: Iterator[Record], reading: Reading, note: Note) -> Iterator[Record]:
    """Objects by our fields. Those that have our own names alone are taken as they are."""
    columns = ColumnsByShape(reading.mapping, note, ALIASES, address_as_username=True)
    mapped = bool(reading.mapping)
    for record in found:
        values = record.values
        if values is None or (not mapped and values.keys() <= _OWN and not _is_nested(values)):
            yield record
            continue
        level = flat(values, reading.mapping)
        shape = columns.of(tuple(level))
        cells = list(level.values())
        known = shape.named(cells)
        if reading.strict:
            known |= {name: value for name, value in values.items() if name not in reading.mapping and name not in _OWN}
        yield record._replace(values=known, said=shape.said(cells))


def _is_nested(values: Mapping[str, Json]) -> bool:
    return any(isinstance(one, dict | list) and name not in _DEEP for name, one in values.items())

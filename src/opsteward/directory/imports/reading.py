"""From the blocks of a file to its records, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opsteward.core.errors import Malformed
from opsteward.directory.imports.columns import NOTHING, PROFILE
from opsteward.directory.imports.csv_records import csv_records
from opsteward.directory.imports.json_records import array_records, ndjson_records
from opsteward.directory.imports.ldif_records import ldif_records
from opsteward.directory.imports.records import Blocks, Reading, Record

#: Formats by content type.
FORMATS = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    "text/csv": "csv",
    "application/csv": "csv",
    "text/ldif": "ldif",
    "application/ldif": "ldif",
}


def format_of(content_type: str) -> str:
    """Raises Malformed for a kind that is not taken."""
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind not in FORMATS:
        raise Malformed.field("content-type", f"{kind[:60]!r} is not taken here", f"use one of {', '.join(FORMATS)}")
    return FORMATS[kind]


def records(blocks: Blocks, reading: Reading, note: Callable[[str], None]) -> Iterator[Record]:
    """The rows of a file, in order. `note` is told what concerns the whole file. Raises Unreadable."""
    if reading.format == "csv":
        return csv_records(blocks, reading, note)
    if reading.format == "ldif":
        return ldif_records(blocks, reading, note)
    found = (array_records if reading.format == "json" else ndjson_records)(blocks, reading.encoding)
    return _renamed(found, reading.mapping) if reading.mapping else found


def _renamed(found: Iterator[Record], mapping: Mapping[str, str]) -> Iterator[Record]:
    for record in found:
        if record.values is None:
            yield record
            continue
        values: dict[str, Any] = {}
        profile: dict[str, Any] = {}
        twice = ""
        for name, value in record.values.items():
            field = mapping.get(name, name)
            if field == NOTHING:
                continue
            if field.startswith(PROFILE):
                profile[field.removeprefix(PROFILE)] = value
                continue
            twice = field if field in values else twice
            values[field] = value
        if profile:
            values["profile_data." if "profile_data" in values else "profile_data"] = profile
        if twice:
            yield Record(record.row, record.line, None, f"has {twice} twice, by its own name and by the mapping")
        else:
            yield Record(record.row, record.line, values)

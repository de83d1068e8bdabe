"""Records of one file, one after the other, and back: CSV, JSON, NDJSON, LDIF, Parquet. Blocking; knows no addresses.

A reader raises `CutOff` where the file ends in the middle of a record: what came before it is true, and not all.
"""

from __future__ import annotations

import base64
import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TypeAlias, cast

from opsteward.contracts.record_values import binary, json_value
from opsteward.core.errors import BadReply, Invalid
from opsteward.core.format_words import CSV_PROBLEM, json_problem
from opsteward.core.json_types import Json, JsonObject

Values: TypeAlias = JsonObject
_FIELD_BYTES_LIMIT = 8 * 1024 * 1024
_JSON_BYTES_LIMIT = 512 * 1024 * 1024
_DELIMITERS = ",;\t|"
_SAMPLE_BYTES, _SAMPLE_ROWS = 64 * 1024, 50
csv.field_size_limit(_FIELD_BYTES_LIMIT)


class CutOff(Exception):
    """The file ends in the middle of a record."""


def read_csv(stream: IO[bytes]) -> Iterator[Values]:
    """Rows by the header's names; an empty cell is the empty text. The delimiter is the one that fits most rows."""
    source = _Ending(stream, stream.read(_SAMPLE_BYTES))
    delimiter = delimiter_of(source.sample)
    text = io.TextIOWrapper(cast("IO[bytes]", source), encoding="utf-8-sig", newline="")
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for row in rows:
            if not row:
                continue
            if not names:
                names = row
                if len(set(names)) != len(names):
                    raise BadReply("two columns of the CSV file have one name")
                continue
            if len(row) != len(names):
                what = f"line {rows.line_num} has {len(row)} cells instead of {len(names)}"
                raise CutOff(what) if len(row) < len(names) else BadReply(what)
            yield dict(zip(names, row, strict=True))
    except csv.Error:
        raise CutOff(f"line {rows.line_num} {CSV_PROBLEM}") from None
    if not names:
        raise CutOff("the file is empty, without even a header")
    if source.last not in (b"\n", b"\r"):
        raise CutOff("the last line has no end: end it with a line break")


@dataclass(frozen=True)
class CsvStyle:
    """How a CSV file is written: its columns, and what its writer had a choice of."""

    columns: tuple[str, ...]
    delimiter: str = ","
    line_end: str = "\n"
    all_quoted: bool = False
    byte_order_mark: bool = False


def style_of(stream: IO[bytes]) -> CsvStyle:
    """How this file is written, so that it is written so again."""
    sample = stream.read(_SAMPLE_BYTES)
    delimiter = delimiter_of(sample)
    columns = next((row for row in _sample_rows(sample, delimiter) if row), [])
    text = sample.decode("utf-8-sig", "replace")
    quoted = delimiter.join('"' + name.replace('"', '""') + '"' for name in columns)
    return CsvStyle(
        tuple(columns),
        delimiter,
        line_end="\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n",
        all_quoted=bool(columns) and text.lstrip("\r\n").startswith(quoted),
        byte_order_mark=sample.startswith(codecs.BOM_UTF8),
    )


def delimiter_of(sample: bytes) -> str:
    """The delimiter by which most of the first rows have as many cells as the first; of equals that with more cells."""

    def fit(delimiter: str) -> tuple[float, int]:
        rows = [row for row in _sample_rows(sample, delimiter) if row]
        width = len(rows[0]) if rows else 0
        alike = sum(len(row) == width for row in rows)
        return (alike / len(rows) if width > 1 else 0.0), width

    return max(_DELIMITERS, key=fit)


def _sample_rows(sample: bytes, delimiter: str) -> list[list[str]]:
    text = io.StringIO(sample.decode("utf-8-sig", "replace"), newline="")
    rows: list[list[str]] = []
    try:
        for row in csv.reader(text, delimiter=delimiter):
            rows.append(row)
            if len(rows) > _SAMPLE_ROWS:
                return rows
    except csv.Error:
        pass
    return rows[:-1] if len(sample) == _SAMPLE_BYTES and len(rows) > 1 else rows  # the last one may be cut


class _Ending(io.RawIOBase):
    """Passes a stream on, from the sample that was read of it, and remembers its last byte."""

    def __init__(self, stream: IO[bytes], sample: bytes) -> None:
        self._stream = stream
        self._left = self.sample = sample
        self.last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # all that callers pass
        data = self._left[: len(buffer)] or self._stream.read(len(buffer))
        self._left = self._left[len(data) :]
        if data:
            self.last = data[-1:]
        buffer[: len(data)] = data
        return len(data)


def read_ndjson(stream: IO[bytes]) -> Iterator[Values]:
    """One JSON object a line."""
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        if len(line) > _FIELD_BYTES_LIMIT:
            raise BadReply(f"line {number} is longer than {_FIELD_BYTES_LIMIT} bytes")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            what = f"line {number} is no JSON"
            raise (BadReply(what) if line.endswith(b"\n") else CutOff(what)) from None
        if not isinstance(found, dict):
            raise BadReply(f"line {number} is no JSON object")
        yield found


def read_json(stream: IO[bytes]) -> Iterator[Values]:
    """A list of objects, or an object whose only list holds them."""
    content = stream.read(_JSON_BYTES_LIMIT + 1)
    if len(content) > _JSON_BYTES_LIMIT:
        raise BadReply("the JSON file is larger than 512 MB: write it as NDJSON, one object a line")
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        what = json_problem(error) if isinstance(error, ValueError) else "is nested too deeply"
        raise CutOff(f"the file {what}") from None
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        if len(lists) != 1:
            raise BadReply("the JSON file holds no list of records")
        found = lists[0]
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadReply("the JSON file is no list of objects")
    yield from found


def read_ldif(stream: IO[bytes]) -> Iterator[Values]:
    """Entries of RFC 2849 with their `dn`; every attribute is a list, what is no text is `{"base64": ...}`."""
    entry: dict[str, list[Json]] = {}
    dn: str | None = None
    closed = True
    for line, ended in _logical_lines(stream):
        closed = ended
        if not line:
            if dn is not None:
                yield {"dn": dn, **entry}
            dn, entry = None, {}
            continue
        name, _, rest = line.partition(b":")
        value = _ldif_value(rest)
        attribute = name.decode("ascii", "replace")
        if attribute.lower() == "version" and dn is None:
            continue
        if attribute.lower() == "changetype":
            raise BadReply("the LDIF file holds changes, not entries")
        if attribute.lower() == "dn":
            if not isinstance(value, str):
                raise BadReply("an entry's dn is no UTF-8")
            dn = value
        elif dn is None:
            raise BadReply("an LDIF entry starts without its dn")
        else:
            entry.setdefault(attribute, []).append(value)
    if dn is not None:
        if not closed:
            raise CutOff("the last line has no end: end it with a line break")
        yield {"dn": dn, **entry}


def _ldif_value(rest: bytes) -> Json:
    if rest.startswith(b"<"):
        raise BadReply("the LDIF file names values in other files, which are not read")
    content = rest.lstrip(b" ")
    if rest.startswith(b":"):
        try:
            content = base64.b64decode(rest[1:].strip(), validate=True)
        except ValueError:
            raise CutOff("a base64 value is broken") from None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return json_value(content)


def _logical_lines(stream: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines with their continuations joined, without comments, and whether the line had an end; empty ones too."""
    held: bytes | None = None
    closed = True
    for raw in stream:
        line = raw.rstrip(b"\r\n")
        if line.startswith(b" ") and held is not None:
            held += line[1:]
            closed = raw.endswith(b"\n")
            if len(held) > _FIELD_BYTES_LIMIT:
                raise BadReply(f"a value is longer than {_FIELD_BYTES_LIMIT} bytes")
            continue
        if held is not None and not held.startswith(b"#"):
            yield held, closed
        held, closed = line, raw.endswith(b"\n")
    if held is not None and not held.startswith(b"#"):
        yield held, closed


def read_parquet(stream: IO[bytes]) -> Iterator[Values]:
    """Rows by column. Raises Invalid where the extra is not installed."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise Invalid.field("endpoint", "Parquet needs the extra", "pip install 'opsteward[parquet]'") from None
    try:
        for part in parquet.ParquetFile(stream).iter_batches(batch_size=1_000):
            for row in part.to_pylist():
                yield {name: json_value(value) for name, value in row.items()}
    except (arrow.ArrowException, OSError):
        raise CutOff("the file is no whole Parquet") from None


READERS: Mapping[str, Callable[[IO[bytes]], Iterator[Values]]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".json": read_json,
    ".ndjson": read_ndjson,
    ".jsonl": read_ndjson,
    ".ldif": read_ldif,
    ".parquet": read_parquet,
}


def write_rows(suffix: str, stream: IO[bytes], rows: Iterator[Values], *, style: CsvStyle) -> None:
    """All records as a file of this kind. Parquet is not written: Raises Invalid."""
    if suffix in {".csv", ".tsv"}:
        encoding = "utf-8-sig" if style.byte_order_mark else "utf-8"
        text = io.TextIOWrapper(stream, encoding=encoding, newline="", write_through=True)
        writer = csv.DictWriter(
            text, style.columns, restval="", delimiter=style.delimiter, lineterminator=style.line_end,
            quoting=csv.QUOTE_ALL if style.all_quoted else csv.QUOTE_MINIMAL,
        )  # fmt: skip
        writer.writeheader()
        for row in rows:
            writer.writerow({name: "" if value is None else value for name, value in row.items()})
        text.detach()
    elif suffix in {".ndjson", ".jsonl"}:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    elif suffix == ".json":
        stream.write(b"[")
        for number, row in enumerate(rows):
            stream.write((b",\n" if number else b"\n") + json.dumps(row, ensure_ascii=False).encode())
        stream.write(b"\n]\n")
    elif suffix == ".ldif":
        stream.write(b"version: 1\n")
        for row in rows:
            stream.write(b"\n" + b"".join(_ldif_lines(row)))
    else:
        raise Invalid.field("resource", f"{suffix} files are read only", "write CSV, JSON, NDJSON or LDIF")


def _ldif_lines(row: Values) -> Iterator[bytes]:
    yield _ldif_line("dn", row.get("dn"))
    for name, value in row.items():
        if name != "dn" and value is not None:
            for each in value if isinstance(value, list) else [value]:
                yield _ldif_line(name, each)


def _ldif_line(name: str, value: Json) -> bytes:
    content = binary(value, field=name)
    content = str(value).encode() if content is None else content
    safe = all(32 <= byte < 127 for byte in content) and not content.startswith((b" ", b":", b"<"))
    if safe and not content.endswith(b" "):
        return f"{name}: ".encode() + content + b"\n"
    return f"{name}:: ".encode() + base64.b64encode(content) + b"\n"

"""Files of users and documents: how they are sent and what is asked of what takes them. No sending here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, cast
from uuid import UUID

from opsteward.client.connection import Call, path_id
from opsteward.client.types.users import ImportProblemInfo, ImportReport
from opsteward.core.json_types import Json

Mode = Literal["create", "upsert", "full"]
Format = Literal["csv", "json", "ldif", "ndjson", "xml", "vcard"]
#: What users are exported as.
ExportFormat = Literal["csv", "json", "ldif", "ndjson"]
_CONTENT_TYPES: dict[Format, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "ldif": "text/ldif",
    "ndjson": "application/x-ndjson",
    "xml": "application/xml",
    "vcard": "text/vcard",
}
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".ldif": "ldif", ".ldf": "ldif", ".ndjson": "ndjson",
    ".jsonl": "ndjson", ".xml": "xml", ".vcf": "vcard",
}  # fmt: skip
_EXPORTED: tuple[ExportFormat, ...] = ("csv", "json", "ldif", "ndjson")
_PIECE = 256 * 1024  # bytes
#: Users and errors of one page.
MAX_IDS = 10_000
Source = str | Path | Iterable[Mapping[str, Json]]


def format_of(path: Path, given: str | None = None) -> Format:
    """The format that is given, else the one of the file's name. Raises ValueError."""
    for each in _CONTENT_TYPES:
        if each == (given or _SUFFIXES.get(path.suffix.lower())):
            return each
    raise ValueError(f"{path.name} has no ending that tells its format: name one of {', '.join(_CONTENT_TYPES)}")


def export_format_of(path: Path, given: str | None = None) -> ExportFormat:
    """The same for a file that is written. Raises ValueError."""
    found = format_of(path, given)
    for each in _EXPORTED:
        if each == found:
            return each
    raise ValueError(f"users are not written as {found}: name one of {', '.join(_EXPORTED)}")


def bulk_import(
    file_format: Format,
    *,
    mode: Mode = "create",
    dry_run: bool = False,
    enrollment_type: str | None = None,
    mapping: Mapping[str, str] | None = None,
    delimiter: str = "",
    encoding: str = "",
) -> Call[ImportReport]:
    """The request whose body is the file."""
    params = {
        "mode": mode,
        "dry_run": str(dry_run).lower(),
        "enrollment_type": enrollment_type,
        "mapping": json.dumps(dict(mapping)) if mapping else None,
        "delimiter": delimiter or None,
        "encoding": encoding or None,
    }
    return Call(
        "POST", "/api/v1/users/bulk-import", params=params, headers={"Content-Type": _CONTENT_TYPES[file_format]}
    )


def content_of(source: Source, given: str | None) -> tuple[Format, Iterator[bytes]]:
    """(the format, the bytes in pieces) of a file, or of users as mappings. Raises ValueError, OSError."""
    if isinstance(source, str | Path):
        path = Path(source)
        return format_of(path, given), pieces(path)
    return "ndjson", (json.dumps(dict(user)).encode() + b"\n" for user in source)


def pieces(path: Path, seen: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """The file, read as it is sent; `seen` is called with each piece's bytes."""
    with path.open("rb") as file:
        while block := file.read(_PIECE):
            yield block
            seen(len(block))


async def as_async(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same, as the async form sends it; a piece is read in less time than a thread takes."""
    for block in blocks:
        yield block


def get_import(job_id: str | UUID) -> Call[ImportReport]:
    return Call("GET", f"/api/v1/users/imports/{path_id(job_id)}")


def ended(report: ImportReport) -> bool:
    """Whether nothing more will come of it."""
    return bool(report["ended_at"] is not None or report["status"] == "failed")


def lacks_ids(report: ImportReport) -> bool:
    """Whether the report holds but the first of its users."""
    return bool(not report["dry_run"] and len(report["user_ids"]) < report["successful_imports"])


def lacks_errors(report: ImportReport) -> bool:
    """Whether the report holds but the first of its errors."""
    return bool(len(report["errors"]) < report["error_count"])


def errors_of(lines: str) -> list[ImportProblemInfo]:
    """The errors among an import's problems, as the report shows them."""
    problems = (json.loads(line) for line in lines.split("\n") if line)
    errors = ({k: v for k, v in one.items() if k != "kind"} for one in problems if one["kind"] == "error")
    return cast(list[ImportProblemInfo], list(errors))


def document_of(document: str | Path | bytes, name: str | None) -> tuple[str, Iterator[bytes]]:
    """A document's name and its content, from the path of a file or the content itself. Raises ValueError."""
    if isinstance(document, bytes):
        if not name:
            raise ValueError("a document without a file needs a name")
        return name, iter([document])
    path = Path(document)
    return name or path.name, iter([path.read_bytes()])

"""The head of a server's reply, put into the form that a strict parser takes, by the rules of browsers.

There is one reply on each of our connections, so nothing can be smuggled past by an odd head; bytes after the end of
its body are left out. Bodies and what the headers mean do not belong here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"http/(\d)(?:\.(\d+))?[ \t]+(\d{3})(?!\d)[ \t]*([^\r\n]*)", re.IGNORECASE)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
_NO_BODY = frozenset({204, 304})


@dataclass(frozen=True)
class Head:
    """A head as the parser takes it; `size` is that of the original, `body_length` None when it isn't told."""

    status: int
    content: bytes
    size: int
    body_length: int | None


def first_head(data: bytes, *, method: str) -> Head | None:
    """The first complete head of the data; None when its end has not come yet. Raises ValueError: this is no HTTP."""
    start = len(data) - len(data.lstrip(b"\r\n"))
    if not b"HTTP/".startswith(data[start : start + 5].upper()):
        raise ValueError("not HTTP")
    end = _END.search(data, start)
    if end is None:
        return None
    first, *lines = data[start : end.start()].split(b"\n")
    line = _STATUS.match(first)
    if line is None:
        raise ValueError("no status line")
    fields = _fields(lines)
    status = int(line[3])
    length = _settle_length(fields, bodiless=method == "HEAD" or status in _NO_BODY)
    version = b"1.0" if line[1] == b"1" and line[2] == b"0" else b"1.1"
    content = b"HTTP/%s %s %s\r\n" % (version, line[3], line[4].strip())
    content += b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n"
    return Head(status, content, end.end(), length)


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Names and values; a line that is no header is passed over, a folded one belongs to the line before it."""
    fields: list[tuple[bytes, bytes]] = []
    folded: list[list[bytes]] = []
    for line in lines:
        if line[:1] in {b" ", b"\t"} and folded:
            folded[-1].append(line.strip())
        else:
            folded.append([line.rstrip(b"\r")])
    for parts in folded:
        field = _FIELD.fullmatch(b" ".join(parts))
        if field:
            fields.append((field[1], re.sub(rb"[\x00\r]", b" ", field[2]).strip()))
    return fields


def _settle_length(fields: list[tuple[bytes, bytes]], *, bodiless: bool) -> int | None:
    """What the body's length is; headers that say something else about it are taken out of `fields`."""
    codings = b",".join(value for name, value in fields if name.lower() == b"transfer-encoding").lower()
    chunked = b"chunked" in codings
    told = [v.strip() for name, value in fields if name.lower() == b"content-length" for v in value.split(b",")]
    lengths = {int(value) for value in told if value.isdigit() and len(value) < 19}
    if bodiless:
        out, length = {b"transfer-encoding"}, 0
    elif chunked:
        out, length = {b"content-length"}, None
    elif len(lengths) == 1:
        out, length = {b"transfer-encoding", b"content-length"}, lengths.pop()
    elif len(lengths) > 1:  # browsers too refuse two different lengths, and so does the parser
        return None
    else:
        out, length = {b"transfer-encoding", b"content-length"}, None
    fields[:] = [field for field in fields if field[0].lower() not in out]
    if length is not None and not any(name.lower() == b"content-length" for name, _ in fields):
        fields.append((b"Content-Length", b"%d" % length))
    return length

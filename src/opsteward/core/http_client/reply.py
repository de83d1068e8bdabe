"""What an HTTP server answered, and how its address and its failures are told. Knows no HTTP library."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from opsteward.core.errors import Unreachable

_CODINGS_LIMIT = 4  # one upon the other
_MEMBERS_LIMIT = 10_000  # of a gzip body
_BLOCK = 16 * 1024  # bytes
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def unreachable(kind: str, detail: str) -> Unreachable:
    """An `Unreachable` whose `extra["kind"]` says at which step it failed: dns, tcp, tls or policy."""
    return Unreachable(detail, extra={"kind": kind})


def safe_url(url: str) -> str:
    """The URL without user info, query and fragment: fit for messages and logs."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
    except ValueError:
        return "(unreadable URL)"


@dataclass(frozen=True, kw_only=True)
class HttpReply:
    """What came back. `seconds` runs from the first hop to the last byte; `url` is the final one, safe.

    `truncated`: the body is longer than what was read. `incomplete`: the server broke it off before its end.
    """

    url: str
    status: int
    headers: Mapping[str, str]  # lower-case names; of repeated headers the first
    body: bytes
    truncated: bool
    incomplete: bool = False
    seconds: float = 0.0
    redirects: Sequence[str] = ()

    @property
    def redirects_to(self) -> str | None:
        """The address that a redirect names, as it was written; None when this is none."""
        return self.headers.get("location") or None if self.status in _REDIRECTS else None

    def plain_body(self, limit: int = 1_000_000) -> bytes | None:
        """At most `limit` bytes of the body with gzip or deflate undone; None when it can't be. Blocks: 30 MB take a
        tenth of a second."""
        body = self.body
        codings = self.headers.get("content-encoding", "").lower().split(",")
        if len(codings) > _CODINGS_LIMIT:
            return None
        for coding in reversed([name.strip() for name in codings]):
            if coding in {"gzip", "x-gzip", "deflate"}:
                try:
                    body = _inflated(body, coding, limit)
                except zlib.error:
                    return None
            elif coding not in {"", "identity"}:
                return None
        return body[:limit]

    def text(self, limit: int = 100_000) -> str:
        """The body as text, at most `limit` bytes of it; empty when it came in a coding that we don't read."""
        body = self.plain_body(limit) or b""
        charset = self.headers.get("content-type", "").lower().partition("charset=")[2].split(";")[0].strip("\"' ")
        try:
            text = body.decode(charset or "utf-8", errors="replace")
        except (LookupError, UnicodeError):
            text = body.decode("utf-8", errors="replace")
        return text.replace("\x00", "\ufffd")  # what no database takes as text


def _inflated(data: bytes, coding: str, limit: int) -> bytes:
    """At most `limit` bytes of what was compressed; of data cut short, as much as there is. Raises zlib.error."""
    if coding == "deflate":
        try:
            return zlib.decompressobj().decompress(data, limit)
        except zlib.error:  # some servers send it without the header that the standard asks for
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit)
    parts: list[bytes] = []
    begin = members = 0
    while begin < len(data) and limit > 0:  # a gzip file may have several members
        members += 1
        if members > _MEMBERS_LIMIT:
            raise zlib.error("of very many members")
        try:
            part, begin = _member(data, begin, limit)
        except zlib.error:
            if not parts:
                raise
            break  # browsers too pass over what follows the last member
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _member(data: bytes, begin: int, limit: int) -> tuple[bytes, int]:
    """At most `limit` bytes of the gzip member that begins there, and where it ends. In blocks: of what follows it,
    zlib makes a copy."""
    member, parts = zlib.decompressobj(16 + zlib.MAX_WBITS), []
    while begin < len(data) and limit > 0 and not member.eof:
        block = data[begin : begin + _BLOCK]
        parts.append(member.decompress(block, limit))
        limit -= len(parts[-1])
        begin += len(block) - len(member.unused_data)
    return b"".join(parts), begin

"""Compressed bodies of what sends events here: gzip, deflate, Brotli and Zstandard, expanded within a limit.

Work and memory are bounded by the limit, whatever a few compressed bytes would become.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import FieldProblem, Malformed, TooLarge

_LAYERS = 2
_BEGINNINGS = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_FIRST_TRY = 128 * 1024  # bytes that are made without asking for room
_LOOP_BYTES = 16 * 1024  # larger bodies are expanded on a thread
_WINDOW = 8 * 1024 * 1024  # of Zstandard: what its format asks every reader to allow
_PIECE = 256 * 1024


class _Overflow(Exception):
    """It becomes more than was allowed."""


async def expand_body(scope: Scope, body: bytes, limit: int, hold: Callable[[int], Awaitable[None]]) -> bytes:
    """The body as its Content-Encoding has it; the header is taken away, for what follows gets the plain bytes.

    `hold` is asked for room for so many bytes before they are made. Raises Malformed for an unknown encoding or broken
    data, TooLarge for more than `limit` bytes.
    """
    headers = MutableHeaders(scope=scope)
    given = headers.get("content-encoding", "")
    names = [name for part in given.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if given:
        del headers["content-encoding"]
    if len(names) > _LAYERS or any(name not in _EXPANDERS for name in names):
        raise Malformed.field("content-encoding", f"{given[:60]!r} is not taken", "use gzip, deflate, br or zstd")
    for name in reversed(names):
        if len(names) > 1 and not _may_be(name, body):
            continue  # Python's GELF libraries name two, and apply one
        body = await _expanded(name, body, limit, hold) if body else body
    return body


def _may_be(name: str, body: bytes) -> bool:
    """Whether the body begins as what is encoded so does. Brotli has no such beginning."""
    if name == "deflate":
        return len(body) > 2 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return body.startswith(_BEGINNINGS.get(name, b""))


async def _expanded(name: str, body: bytes, limit: int, hold: Callable[[int], Awaitable[None]]) -> bytes:
    for most in sorted({min(limit, max(_FIRST_TRY, 8 * len(body))), limit}):
        if most > _FIRST_TRY:
            await hold(most)
        try:
            if len(body) > _LOOP_BYTES or most == limit:
                return await in_thread(_bounded, name, body, most)
            return _bounded(name, body, most)
        except _Overflow:
            continue
    problem = f"becomes more than {limit} bytes"
    raise TooLarge(
        f"the body {problem}", problems=[FieldProblem(field="body", problem=problem, remedy="send less at once")]
    )


def _bounded(name: str, body: bytes, most: int) -> bytes:
    try:
        found = _EXPANDERS[name](body, most)
    except (ValueError, zlib.error) as error:
        raise Malformed.field("body", f"is no {name}: {str(error)[:100]}", "send it whole") from None
    if len(found) > most:
        raise _Overflow
    return found


def _inflated(body: bytes, most: int, bits: int) -> bytes:
    inflater = zlib.decompressobj(bits)
    found = inflater.decompress(body, most + 1)
    if not inflater.eof and len(found) <= most:
        raise ValueError("the data is incomplete")
    return found


def _gzip(body: bytes, most: int) -> bytes:
    return _inflated(body, most, 31)


def _deflate(body: bytes, most: int) -> bytes:
    """With zlib's header, as the standard has it, or without, as many send it."""
    try:
        return _inflated(body, most, 15)
    except zlib.error:
        return _inflated(body, most, -15)


def _brotli(body: bytes, most: int) -> bytes:
    import brotli

    expander = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    try:
        while not expander.is_finished() and (not parts or not expander.can_accept_more_data()):
            parts.append(expander.process(b"" if parts else body, output_buffer_limit=_PIECE))
            size += len(parts[-1])
            if size > most:
                raise _Overflow
    except brotli.error as error:
        raise ValueError(str(error)) from None
    if not expander.is_finished():
        raise ValueError("the data is incomplete")
    return b"".join(parts)


def _zstd(body: bytes, most: int) -> bytes:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(body, read_across_frames=True)
    parts: list[bytes] = []
    size = 0
    try:
        while piece := reader.read(_PIECE):
            parts.append(piece)
            size += len(piece)
            if size > most:
                raise _Overflow
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    return b"".join(parts)


_EXPANDERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}

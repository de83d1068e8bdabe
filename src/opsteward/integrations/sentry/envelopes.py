"""Envelopes, as Sentry's SDKs send them: a line about the whole, then each item behind a line about it.

See https://develop.sentry.dev/sdk/data-model/envelopes/. What an item holds is not looked at here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from dataclasses import dataclass

from opsteward.core.errors import Malformed
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.plain_json import VALUES_LIMIT, values_at_most

ITEM_LIMIT = 1_000
_HEADER_BYTES = 64 * 1024  # of one line of headers
_HOST = re.compile(r"https?://([^@/:]+)(?::[^@/]*)?@")


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its type, its headers and its bytes."""

    type: str
    headers: JsonObject
    payload: bytes

    def json(self) -> Json:
        """The payload as JSON. Raises Malformed."""
        return parse(self.payload, f"item {self.type}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """`headers`: of the whole (`event_id`, `dsn`, `sent_at`, `trace`)."""

    headers: JsonObject
    items: list[Item]


def read_envelope(body: bytes) -> Envelope:
    """Take it apart. Raises Malformed that says which line can't be read."""
    line, rest = _line(body, 0)
    headers = _object(line, "line 1")
    items: list[Item] = []
    while rest < len(body):
        start = rest
        line, rest = _line(body, start)
        if not line.strip():
            continue
        if len(items) >= ITEM_LIMIT:
            raise Malformed.field("body", f"holds more than {ITEM_LIMIT} items", "send fewer at once")
        about = _object(line, f"the headers of item {len(items) + 1}")
        payload, rest = _payload(body, rest, about, len(items) + 1)
        items.append(Item(str(about.get("type", ""))[:40], about, payload))
    return Envelope(headers, items)


def _payload(body: bytes, start: int, about: JsonObject, number: int) -> tuple[bytes, int]:
    """The bytes of an item and where the next one begins. Without a length it is one line."""
    length = about.get("length")
    if isinstance(length, bool) or not isinstance(length, int):
        return _line(body, start)
    end = start + length
    if length < 0 or end > len(body):
        raise Malformed.field("body", f"item {number} is not as long as its header says", "send the envelope whole")
    return body[start:end], end + (body[end : end + 1] == b"\n")


def key_in_envelope(body: bytes) -> str:
    """The key of the DSN that stands in an envelope's first line; empty where none does."""
    try:
        dsn = _object(_line(body, 0)[0], "line 1").get("dsn")
    except Malformed:
        return ""
    found = _HOST.match(dsn) if isinstance(dsn, str) else None
    return found[1] if found else ""


def read_stored(body: bytes, *, limit: int) -> JsonObject:
    """The event of a body for `/store/`: JSON, or as old SDKs send it, deflated and in base64. Raises Malformed."""
    text = body.strip()
    if text[:1] != b"{":
        try:
            inflater = zlib.decompressobj()
            text = inflater.decompress(base64.b64decode(text, validate=True), limit)
        except (ValueError, binascii.Error, zlib.error):
            text = body
    return _object(text, "the body", most=limit)


def parse(text: bytes, what: str) -> Json:
    """JSON without what is none (NaN, infinities). Raises Malformed."""
    if values_at_most(text) > VALUES_LIMIT:
        raise Malformed.field("body", f"{what} holds more than {VALUES_LIMIT} values", "send less at once")
    try:
        found: Json = json.loads(text, parse_constant=lambda _: None, parse_int=_integer)
    except (ValueError, RecursionError):
        raise Malformed.field("body", f"{what} is no JSON", "send what the SDK sends") from None
    return found


def _integer(text: str) -> Json:
    """Numbers that no database column or float holds stay texts."""
    return int(text) if len(text) <= 18 else text


def _object(text: bytes, what: str, *, most: int = _HEADER_BYTES) -> JsonObject:
    found = parse(text, what) if len(text) <= most else None
    if not isinstance(found, dict):
        raise Malformed.field("body", f"{what} is no JSON object", "send what the SDK sends")
    return found


def _line(body: bytes, start: int) -> tuple[bytes, int]:
    end = body.find(b"\n", start)
    return (body[start:], len(body)) if end < 0 else (body[start:end], end + 1)

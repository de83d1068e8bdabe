"""Whether a request was signed as its vendor signs, with the secret of the source. Pure, in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from opsteward.contracts.source import Signature
from opsteward.core.errors import Unauthenticated

_SIGNATURES_LIMIT = 10  # of one header
_ALGORITHMS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}


def check_signature(how: Signature, secret: str, headers: Mapping[str, str], body: bytes, at: datetime) -> None:
    """Raises Unauthenticated, which says what is due and nothing about what was due in its stead.

    `headers` go by small letters.
    """
    given = headers.get(how.header, "")
    parts = [part.strip() for part in given.split(how.separator)] if how.separator else [given.strip()]
    candidates = [part.removeprefix(how.prefix) for part in parts if part.startswith(how.prefix)][:_SIGNATURES_LIMIT]
    if how.scheme == "token":
        due = secret
    else:
        timestamp = _timestamp(how, headers, parts, at)
        due = _digest(how, secret, _signed(how, body, timestamp, headers.get(how.id_header, "")))
    if how.encoding == "hex" and how.scheme == "hmac":
        candidates = [one.lower() for one in candidates]
    # all of them, whichever fits: how long it takes tells nothing
    if not sum(hmac.compare_digest(due.encode(), one.encode("utf-8", "replace")) for one in candidates):
        raise _refused(how)


def _timestamp(how: Signature, headers: Mapping[str, str], parts: list[str], at: datetime) -> str:
    if not how.timestamp:
        return ""
    if how.timestamp.endswith("="):
        given = next((part.removeprefix(how.timestamp) for part in parts if part.startswith(how.timestamp)), "")
    else:
        given = headers.get(how.timestamp, "").strip()
    if not (given.isascii() and given.isdigit() and len(given) <= 13):
        raise _refused(how)
    seconds = int(given) / (1000 if len(given) == 13 else 1)
    if abs(seconds - at.timestamp()) > how.tolerance:
        raise Unauthenticated(
            f"what is signed is more than {how.tolerance} s from our clock", remedy="send it again; compare the clocks"
        )
    return given


def _signed(how: Signature, body: bytes, timestamp: str, message_id: str) -> bytes:
    before, _, after = how.signed.partition("{body}")
    fill = {"{timestamp}": timestamp, "{id}": message_id}
    for name, value in fill.items():
        before, after = before.replace(name, value), after.replace(name, value)
    return before.encode("utf-8", "replace") + body + after.encode("utf-8", "replace")


def _digest(how: Signature, secret: str, signed: bytes) -> str:
    key = secret.encode()
    if how.secret_prefix and secret.startswith(how.secret_prefix):
        with suppress(ValueError, binascii.Error):  # a secret that only begins so
            key = base64.b64decode(secret.removeprefix(how.secret_prefix), validate=True)
    made = hmac.new(key, signed, _ALGORITHMS[how.algorithm])
    return made.hexdigest() if how.encoding == "hex" else base64.b64encode(made.digest()).decode()


def _refused(how: Signature) -> Unauthenticated:
    what = "the secret" if how.scheme == "token" else f"an HMAC-{how.algorithm.upper()} with the secret"
    return Unauthenticated(
        f"the signature in {how.header} is missing or wrong", remedy=f"{how.header} has to hold {what} of this source"
    )

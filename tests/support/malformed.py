"""Malformed bodies, and the record of what did not go as it should with them."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import httpx

from support.instance import Tenant
from support.openapi import Operation
from support.problems import named_fields, why_no_problem

JSON = "application/json"
#: What is looked at before a route is (the credential, the form of the body) is tried on every route in shares, so that
#: each route meets some of it and all of it is met by many routes. With this variable each meets all: minutes more.
EVERYTHING = bool(os.environ.get("EVERY_WRONG_VALUE"))


def is_in_share(number: int, turn: int, *, of: int) -> bool:
    """Whether the route of this number meets what has this turn, when each meets one `of` so many."""
    return EVERYTHING or (number + turn) % of == 0


class Complaints:
    """What did not go as it should, all of it, so that one run tells everything."""

    def __init__(self) -> None:
        self.asked = 0
        self._all: list[str] = []

    def judge(self, what: str, response: httpx.Response, *, field: str | None = None) -> None:
        """A refusal, that names `field` (or something inside of it) if one is given."""
        self.asked += 1
        why = why_no_problem(response)
        if why is None and field is not None:
            named = named_fields(response)
            if not any(name == field or name.startswith(f"{field}.") for name in named):
                why = f"names {sorted(named)}, not {field}: {response.text[:200]}"
        if why is not None:
            self._all.append(f"{what}: {why}")

    def settle(self, *, at_least: int) -> None:
        """Fails the test with all of it, and when hardly anything was asked."""
        assert not self._all, "\n".join(self._all)
        assert self.asked >= at_least, f"only {self.asked} requests were made"


def headers_of(operation: Operation, kind: str | None) -> dict[str, str]:
    """The content type, and for webhooks a signature of the right form: or the body is not read at all."""
    headers = {} if kind is None else {"Content-Type": kind}
    if operation.path.startswith("/webhook/"):
        headers["X-Opsteward-Signature"] = f"t={int(time.time())},v1={'0' * 64}"
    return headers


async def send(asker: Tenant, operation: Operation, body: bytes, kind: str | None = JSON) -> httpx.Response:
    """One request of the tenant's owner, to ids of nothing; `kind` None sends no content type."""
    headers = headers_of(operation, kind)
    return await asker.http.request(operation.method, operation.url(), content=body, headers=headers)


def encoded(value: Any) -> bytes:
    """As JSON."""
    return json.dumps(value).encode()


def broken_bodies() -> dict[str, bytes]:
    """Bodies that are wrong whatever the route."""
    return {
        "no JSON": b"{not json",
        "cut off": b'{"message": "x"',
        "two values": b"{} {}",
        "trailing comma": b'{"message": "x",}',
        "single quotes": b"{'message': 'x'}",
        "a comment": b"{} // done",
        "spaces only": b"   ",
        "a raw NUL": b'{"message": "a\x00b"}',
        "a NUL alone": b"\x00",
        "an escaped NUL": b'{"message": "a\\u0000b"}',
        "an escaped NUL in a key": b'{"a\\u0000b": 1}',
        "an escaped NUL deep inside": b'{"context": {"a": [{"b": "\\u0000"}]}}',
        "a lone high surrogate": b'{"message": "\\ud800"}',
        "a lone low surrogate": b'{"message": "\\udc00x"}',
        "swapped surrogates": b'{"message": "\\udc00\\ud800"}',
        "a lone surrogate in a key": b'{"\\uD83D": 1}',
        "bad UTF-8": b'{"message": "\xff\xfe"}',
        "an overlong NUL": b'{"message": "\xc0\x80"}',
        "an encoded surrogate": b'{"message": "\xed\xa0\x80"}',
        "latin-1": '{"message": "é"}'.encode("latin-1"),
        "UTF-16": '{"message": "x"}'.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf{}",
        "10,000 lists deep": b"[" * 10_000 + b"]" * 10_000,
        "10,000 objects deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "100,000 deep and unclosed": b"[" * 100_000,
        "65 deep": b'{"context":' + b"[" * 64 + b"]" * 64 + b"}",
        "NaN": b'{"message": NaN}',
        "Infinity": b'{"message": Infinity}',
        "-Infinity": b'{"context": {"a": -Infinity}}',
        "1e999": b'{"context": {"a": 1e999}}',
        "-1E+400": b'{"context": {"a": -1E+400}}',
        "infinite without an exponent": b'{"context": {"a": ' + b"9" * 350 + b".0}}",
        "infinite by a short exponent": b'{"context": {"a": ' + b"9" * 350 + b"e9}}",
        "an integer of 399 digits": b'{"context": {"a": ' + b"9" * 399 + b"}}",
        "an integer of 5,000 digits": b'{"context": {"a": ' + b"9" * 5_000 + b"}}",
        "hexadecimal": b'{"context": {"a": 0x10}}',
        "a leading zero": b'{"context": {"a": 007}}',
    }

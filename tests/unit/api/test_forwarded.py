"""Whose address counts: the right-most hop that is no trusted proxy, and nobody's word beyond it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from opsteward.api.forwarded import Forwarded

TRUSTED = [ip_network("127.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("fd00::/8")]


async def told(peer: str, *headers: tuple[str, str], kind: str = "http") -> tuple[str, str]:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    scope = {
        "type": kind,
        "client": (peer, 5000),
        "scheme": "http" if kind == "http" else "ws",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    await Forwarded(app, trusted=TRUSTED)(scope, None, None)  # type: ignore[arg-type]
    return seen["client"][0], seen["scheme"]


@pytest.mark.parametrize(
    ("peer", "hops", "origin"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "1.2.3.4, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "10.1.9.9, 10.1.2.3", "10.1.9.9"),
        ("::ffff:10.1.2.3", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "[2001:db8::5]:443", "2001:db8::5"),
        ("127.0.0.1", "198.51.100.7:8080", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7, unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, , ", "198.51.100.7"),
        ("127.0.0.1", "'; drop table", "127.0.0.1"),
    ],
)
async def test_the_origin_of_a_request(peer: str, hops: str, origin: str) -> None:
    assert (await told(peer, ("x-forwarded-for", hops)))[0] == origin


async def test_a_header_given_twice_is_one_list() -> None:
    hops = (("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7, 10.1.2.3"))
    assert (await told("127.0.0.1", *hops))[0] == "198.51.100.7"


async def test_the_scheme_is_believed_of_a_trusted_proxy_only() -> None:
    assert (await told("127.0.0.1", ("x-forwarded-proto", "https")))[1] == "https"
    assert (await told("127.0.0.1", ("x-forwarded-proto", "https"), kind="websocket"))[1] == "wss"
    assert (await told("203.0.113.9", ("x-forwarded-proto", "https")))[1] == "http"
    assert (await told("127.0.0.1", ("x-forwarded-proto", "gopher")))[1] == "http"

"""GELF's datagrams: chunks in any order, gzip and zlib, and what never becomes whole."""

from __future__ import annotations

import gzip
import random
import zlib
from datetime import UTC, datetime

import pytest

from opsteward.events.sources.syslog.gelf_datagrams import GelfDatagrams
from opsteward.events.sources.syslog.message import event_of, parse

MESSAGE = (
    b'{"version":"1.1","host":"web1","short_message":"cart is broken","level":3,"timestamp":1709287200.5,"_app":"shop"}'
)


def chunks(content: bytes, size: int, key: bytes = b"12345678") -> list[bytes]:
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return [b"\x1e\x0f" + key + bytes([place, len(parts)]) + part for place, part in enumerate(parts)]


@pytest.mark.parametrize(
    "packed", [MESSAGE, gzip.compress(MESSAGE), zlib.compress(MESSAGE)], ids=["plain", "gzip", "zlib"]
)
def test_a_message_is_whole_or_in_chunks_of_any_order(packed: bytes) -> None:
    datagrams = GelfDatagrams(65_536)
    assert datagrams.whole(packed, "a", 0) == MESSAGE
    parts = chunks(packed, 20)
    random.Random(7).shuffle(parts)
    assert [datagrams.whole(part, "a", 1) for part in [*parts[:-1], parts[0]]] == [None] * len(parts)
    assert datagrams.whole(parts[-1], "a", 2) == MESSAGE
    assert datagrams.lost == 0


def test_messages_of_two_senders_do_not_mix_and_what_is_late_is_given_up() -> None:
    datagrams = GelfDatagrams(65_536)
    first, second = chunks(MESSAGE, 60)[:2]
    assert datagrams.whole(first, "a", 0) is datagrams.whole(second, "b", 0) is None
    assert datagrams.whole(second, "a", 6) is None
    assert datagrams.lost == 2


def test_memory_is_bounded_and_nothing_is_an_error() -> None:
    datagrams = GelfDatagrams(1_000)
    for number in range(4_000):
        assert datagrams.whole(b"\x1e\x0f" + number.to_bytes(8, "big") + b"\0\2" + b"x" * 8_000, "a", 0) is None
    assert datagrams.lost > 2_000
    assert len(datagrams.whole(zlib.compress(b"0" * 10_000_000), "a", 0) or b"") == 1_001
    for odd in (
        b"\x1e\x0f",
        b"\x1e\x0f" + b"1" * 10,
        b"\x1e\x0f" + b"12345678\5\2x",
        b"\x1f\x8bno",
        b"x\x9cno",
        b"x\x9c",
        b"x",
    ):
        datagrams.whole(odd, "a", 0)


def test_a_sender_pushes_out_its_own() -> None:
    datagrams = GelfDatagrams(65_536)
    first, *others = chunks(MESSAGE, 60)
    assert datagrams.whole(first, "a", 0) is None
    for number in range(4_000):
        datagrams.whole(b"\x1e\x0f" + number.to_bytes(8, "big") + b"\0\2" + b"x" * 8_000, "b", 0)
    assert [datagrams.whole(part, "a", 1) for part in others][-1] == MESSAGE


@pytest.mark.parametrize("text", [b"HK is out", b"x^2 + 1", b"8O", b"(S 12", b"XG is down", b"H\x89", b"x\x9c\x03"])
def test_text_that_begins_as_if_compressed_stays_as_it_is(text: bytes) -> None:
    assert GelfDatagrams(1_000).whole(text, "a", 0) == text
    whole = zlib.compress(MESSAGE)
    for size in range(3, len(whole)):
        assert GelfDatagrams(65_536).whole(whole[:size], "a", 0) == whole[:size]


def test_it_is_an_event_as_over_http() -> None:
    event = event_of(parse(MESSAGE + b"\0", datetime(2024, 3, 1, tzinfo=UTC)), "10.0.0.9")
    assert (event.message, event.source, event.severity, event.context["host"]) == (
        "cart is broken",
        "shop",
        "error",
        "web1",
    )
    assert event.occurred_at == datetime(2024, 3, 1, 10, 0, 0, 500_000, UTC)
    assert event.context["syslog"] == {"sender": "10.0.0.9"}

"""Messages cut out of streams, and the buffer in which they wait."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsteward.events.sources.syslog import framing
from opsteward.events.sources.syslog.buffer import Line, LineBuffer
from opsteward.events.sources.syslog.framing import Frames

AT = datetime(2024, 3, 1, tzinfo=UTC)


def cut(stream: bytes, *, step: int | None = None, limit: int = 100) -> list[bytes]:
    frames = Frames(limit)
    found: list[bytes] = []
    for start in range(0, len(stream), step or len(stream)):
        found += frames.feed(stream[start : start + (step or len(stream))])
    return [*found, *frames.end()]


@pytest.mark.parametrize(
    ("stream", "due"),
    [
        (b"5 <13>a5 <13>b", [b"<13>a", b"<13>b"]),
        (b"8 <13>a\nb\n5 <13>c", [b"<13>a\nb\n", b"<13>c"]),
        (b"<13>a\n<13>b\n", [b"<13>a", b"<13>b"]),
        (b"<13>a\r\n<13>b", [b"<13>a\r", b"<13>b"]),
        (b"<13>a\0<13>b\0", [b"<13>a", b"<13>b"]),
        (b"<13>a\n5 <13>b<13>c\n", [b"<13>a", b"<13>b", b"<13>c\n"]),
        (b"<13>Traceback\n  File x\nKeyError\n<13>b\n", [b"<13>Traceback\n  File x\nKeyError", b"<13>b"]),
        (b"plain\nlines\n12 monkeys\n", [b"plain", b"lines", b"12 monkeys"]),
        (b"\n\n\0", []),
        (b"<13>no end", [b"<13>no end"]),
        (b"99 <13>no end", [b"<13>no end"]),
        (b"120 <13>" + b"x" * 116 + b"5 <13>b", [b"<13>" + b"x" * 96, b"<13>b"]),
        (b"<13>" + b"x" * 200 + b"\n<13>b", [b"<13>" + b"x" * 96, b"<13>b"]),
    ],
)
@pytest.mark.parametrize("step", [None, 1, 3])
def test_a_stream_is_cut_into_messages(stream: bytes, due: list[bytes], step: int | None) -> None:
    assert [m.rstrip(b"\r\n") for m in cut(stream, step=step)] == [m.rstrip(b"\r\n") for m in due]


def test_a_message_is_whole_once_nothing_more_comes() -> None:
    frames = Frames(100)
    assert list(frames.feed(b"<13>a\n more\n<13>half")) == [b"<13>a\n more"]
    assert frames.waits
    assert list(frames.flush()) == []
    assert list(frames.feed(b" b\n")) == []
    assert list(frames.flush()) == [b"<13>half b\n"]
    assert not frames.waits


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 7))
def test_no_stream_holds_more_than_its_limit(parts: list[bytes], step: int) -> None:
    stream = b"\n".join(parts)
    for message in cut(stream or b"x", step=step, limit=30):
        assert 0 < len(message) <= 30


class _Counting:
    """A pattern that notes how many bytes it is given to search."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern, self.searched = pattern, 0

    def search(self, held: bytearray, begin: int = 0) -> re.Match[bytes] | None:
        self.searched += max(0, len(held) - begin)
        return self._pattern.search(held, begin)


@pytest.mark.parametrize("head", [b"<1>1 - x", b"<1>Nov  1 10:00:00 "])
def test_what_nothing_ends_is_searched_once(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else thousands of heads in one read would keep the event loop for seconds."""
    ends = _Counting(framing._NEXT)
    monkeypatch.setattr(framing, "_NEXT", ends)
    stream = head * 4000
    assert cut(stream, step=8192, limit=16384) == [head] * 4000
    assert ends.searched <= 2 * len(stream)


async def test_a_flood_loses_its_own_lines_and_others_are_served_in_turn() -> None:
    buffer = LineBuffer(40_000)

    def line(sender: str, number: int) -> Line:
        return Line(UUID(int=1), sender, AT, f"{sender} {number}".encode())

    lost = [gone for number in range(1000) for gone in buffer.put(line("flood", number))]
    assert lost and {gone.sender for gone in lost} == {"flood"}
    lost = [gone for number in range(10) for gone in buffer.put(line("calm", number))]
    assert {gone.sender for gone in lost} == {"flood"}
    taken = buffer.take(20, 1_000_000)
    assert [one.sender for one in taken].count("calm") == 10
    assert [one.content for one in taken if one.sender == "calm"] == [f"calm {n}".encode() for n in range(10)]
    while buffer.take(1000, 1_000_000):
        pass
    assert len(buffer) == 0 and buffer.has_room("flood")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await buffer.filled()


async def test_a_sender_that_can_wait_waits_for_room() -> None:
    buffer = LineBuffer(40_000)
    for number in range(20):
        buffer.put(Line(UUID(int=1), "a", AT, str(number).encode()))
    assert not buffer.has_room("a") and buffer.has_room("b")
    waiting = asyncio.create_task(buffer.room("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    buffer.take(10, 1_000_000)
    await asyncio.wait_for(waiting, 1)

"""The one stream of an open page: it says that something of the page has changed, and the page reads itself again.

It carries no data, so a stream needs no rights of its own beyond its session, costs a few kilobytes, and nothing can
be missed: a page says where the feed was before it was read, and what changed since is told at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from uuid import UUID

from starlette.types import Receive, Send

from opsteward.accounts.types import Identity
from opsteward.console.feed_position import FOR_ALL, FeedPosition
from opsteward.core.feed import Feed, Notice

STREAM_LIMIT, TENANT_STREAM_LIMIT, OPERATOR_STREAM_LIMIT = 2000, 240, 60
ABOUT_LIMIT = 20  # kinds that one page may follow
_GATHER = 0.2  # seconds in which changes are gathered
_ALIVE = 20.0  # seconds without news after which a comment is sent, so that nobody between us takes it for dead


class Streams:
    """All open streams of this process."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.position = FeedPosition()
        feed.listen(self.position.hear)
        self._open: set[_Stream] = set()
        self._of: Counter[UUID] = Counter()  # by operator, and by tenant

    def full(self, identity: Identity) -> bool:
        """Whether there is no room for one more of this operator, or of their tenant."""
        return (
            len(self._open) >= STREAM_LIMIT
            or self._of[identity.tenant_id] >= TENANT_STREAM_LIMIT
            or self._of[identity.operator_id] >= OPERATOR_STREAM_LIMIT
        )

    def end(self) -> None:
        """End them all: the process is going."""
        for stream in self._open:
            stream.say("end")

    async def serve(self, identity: Identity, about: frozenset[str], since: str, receive: Receive, send: Send) -> None:
        """Tell a browser of changes since a position (empty: from now on) until it leaves, or its session ends."""
        stream = _Stream(identity, about)
        stop: Callable[[], None] = self._feed.listen(stream.hear)
        if since and self.position.changed_since(since, tenant_id=identity.tenant_id, about=about):
            stream.say("change")
        self._open.add(stream)
        self._of.update((identity.operator_id, identity.tenant_id))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async for told in stream.told(gone):
                await send({"type": "http.response.body", "body": told, "more_body": True})
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            pass  # the browser left while it was told
        finally:
            stop()
            gone.cancel()
            self._open.discard(stream)
            self._of.subtract((identity.operator_id, identity.tenant_id))
            self._of = +self._of  # without those of whom none is open


_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class _Stream:
    def __init__(self, identity: Identity, about: frozenset[str]) -> None:
        self._identity = identity
        self._about = about
        self._news = asyncio.Event()
        self._said = ""

    def say(self, word: str) -> None:
        """`change`, or a last word: `end`, `signed-out`."""
        if self._said in ("", "change"):
            self._said = word
        self._news.set()

    def hear(self, notice: Notice) -> None:
        me = self._identity
        if notice.kind == "token" and notice.id == str(me.token_id):
            self.say("signed-out")
        elif notice.kind in FOR_ALL or (
            notice.tenant_id == me.tenant_id
            and (notice.kind in self._about or f"{notice.kind}:{notice.id}" in self._about)
        ):
            self.say("change")

    async def told(self, gone: asyncio.Future[None]) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n: here\n\n"
        while not gone.done():
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait((news, gone), timeout=_ALIVE, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            if gone.done():
                return
            if not self._news.is_set():
                yield b": here\n\n"
                continue
            await asyncio.sleep(_GATHER)
            word, self._said = self._said, ""
            self._news.clear()
            yield f"event: {word}\ndata:\n\n".encode()
            if word != "change":
                return


async def _gone(receive: Receive) -> None:
    with suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass


def about_of(given: str) -> frozenset[str]:
    """What a page follows, as its address says."""
    return frozenset(given.split(",")[:ABOUT_LIMIT]) if len(given) <= 2000 else frozenset()

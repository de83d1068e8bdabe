"""Who follows the live feed, and how each change reaches them: read once for a tenant, told to all its followers.

A follower has a short buffer. One that is slower than the feed is no longer told live: it reads what it missed from
the record, at its own pace, until it has caught up. So it misses nothing within the retention, and slows nobody.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from opsteward.core.changes import RECORDED, TYPES, Told, changes_after, sequence
from opsteward.core.clock import iso
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import get_logger
from opsteward.identity.types import Identity
from opsteward.telemetry.metrics import WS_CLIENTS

log = get_logger(__name__)

_GATHER = 0.02  # seconds: changes that come together are read together
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Message:
    """A change as it goes out, written once for all."""

    id: int
    type: str
    text: str


class Follower:
    """One open connection's place in the feed of its tenant."""

    def __init__(self, identity: Identity, *, buffer: int) -> None:
        self.identity = identity
        self.types: frozenset[str] | None = None  # all that it may read
        self.sent = 0  # the last number that it was told, or passed over
        self.over = False
        self._buffer = buffer
        self._waiting: deque[Message] = deque()
        self._live = False
        self._news = asyncio.Event()

    def wants(self, message: Message) -> bool:
        """Whether it asked for this type, and may be told."""
        return (self.types is None or message.type in self.types) and self.identity.may(TYPES[message.type])

    def offer(self, messages: Sequence[Message]) -> None:
        """Live changes. Too many for the buffer, and it goes on from the record."""
        if self._live:
            if len(self._waiting) + len(messages) > self._buffer:
                self._waiting.clear()
                self._live = False
            else:
                self._waiting.extend(messages)
        self._news.set()

    def start_after(self, seq: int) -> None:
        """Go on after this number, from the record."""
        self.sent, self._live = seq, False
        self._waiting.clear()
        self._news.set()

    def end(self) -> None:
        """No further change is told."""
        self.over = True
        self._news.set()

    async def next(self, hub: Hub) -> Sequence[Message | dict[str, object]]:
        """What to tell now; waits for something. A dict tells of a gap. Empty: the end. Raises Unavailable."""
        while not self.over:
            if self._live and self._waiting:
                batch = list(self._waiting)
                self._waiting.clear()
                return batch
            if not self._live and (found := await self._from_record(hub)):
                return found
            if self._live and not self._waiting:
                self._news.clear()
                await self._news.wait()
        return []

    async def _from_record(self, hub: Hub) -> Sequence[Message | dict[str, object]]:
        after = self.sent
        page = await hub.page(self.identity.tenant_id, after)
        if self.sent != after:
            return []  # it was told to go on elsewhere meanwhile
        if not page:
            head = hub.head(self.identity.tenant_id)
            if head > after:
                self.sent = head
                return [_gap(after + 1, head)]
            # Nothing has come between that look and here: from now on it is told live.
            self._live = True
            return []
        if page[0].id > after + 1:
            return [_gap(after + 1, page[0].id - 1), *page]
        return page


def _gap(first: int, last: int) -> dict[str, object]:
    return {"type": "gap", "from": first, "to": last, "reason": "kept no longer: read again what you follow"}


class Hub:
    """One per process that serves; `run()` until cancelled. Costs nothing while nobody follows."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._followers: dict[UUID, set[Follower]] = {}
        self._heads: dict[UUID, int] = {}  # the last number that was offered live, by tenant
        self._dirty: set[UUID] = set()
        self._work = asyncio.Event()

    @property
    def followers(self) -> int:
        """How many follow here."""
        return sum(len(some) for some in self._followers.values())

    def hear(self, notice: Notice) -> None:
        """A notice of the feed."""
        if notice.kind == RECONNECTED:
            self._dirty.update(self._followers)
        elif notice.kind == RECORDED and notice.tenant_id in self._followers:
            self._dirty.add(notice.tenant_id)
        if self._dirty:
            self._work.set()

    async def join(self, follower: Follower, *, after: int | None) -> int:
        """Begin to follow, now or after a number. Returns the last number there is. Raises Unavailable."""
        tenant_id = follower.identity.tenant_id
        async with self._db.unit_of_work(tenant_id) as session:
            last = await sequence(session)
        followers = self._followers.setdefault(tenant_id, set())
        if not followers:
            self._heads[tenant_id] = last
        followers.add(follower)
        WS_CLIENTS.inc()
        follower.start_after(last if after is None else min(after, last))
        self._dirty.add(tenant_id)  # what came since the look
        self._work.set()
        return last

    def leave(self, follower: Follower) -> None:
        """It follows no longer."""
        followers = self._followers.get(follower.identity.tenant_id, set())
        if follower in followers:
            followers.remove(follower)
            WS_CLIENTS.dec()
        if not followers:
            self._followers.pop(follower.identity.tenant_id, None)
            self._heads.pop(follower.identity.tenant_id, None)

    def of_tenant(self, tenant_id: UUID | None) -> Iterator[Follower]:
        """Those who follow this tenant."""
        if tenant_id is not None:
            yield from list(self._followers.get(tenant_id, ()))

    def head(self, tenant_id: UUID) -> int:
        """The last number that was offered live."""
        return self._heads.get(tenant_id, 0)

    async def page(self, tenant_id: UUID, after: int) -> list[Message]:
        """Up to 500 changes of the record after a number, but none beyond what was offered live."""
        async with self._db.unit_of_work(tenant_id) as session:
            found = await changes_after(session, after, limit=_PAGE)
        head = self.head(tenant_id)
        return [message for message in _written(found) if message.id <= head]

    async def run(self) -> None:
        """Tell what is recorded, as it comes."""
        while True:
            await self._work.wait()
            await asyncio.sleep(_GATHER)
            self._work.clear()
            dirty, self._dirty = self._dirty, set()
            for tenant_id in dirty:
                try:
                    await self._tell(tenant_id)
                except Unavailable:
                    self._dirty.add(tenant_id)
                    asyncio.get_running_loop().call_later(1.0, self._work.set)

    async def _tell(self, tenant_id: UUID) -> None:
        while tenant_id in self._followers:
            async with self._db.unit_of_work(tenant_id) as session:
                await sequence(session)
                found = await changes_after(session, self.head(tenant_id), limit=_PAGE)
            messages = list(_written(found))
            if tenant_id not in self._followers:
                return
            if messages:
                self._heads[tenant_id] = messages[-1].id
            for follower in list(self._followers[tenant_id]):
                follower.offer(messages)
            if len(messages) < _PAGE:
                return


def _written(found: Iterable[Told]) -> Iterator[Message]:
    for one in found:
        body = {"id": one.id, "type": one.type, "at": iso(one.at), **one.data}
        yield Message(one.id, one.type, json.dumps(body, ensure_ascii=False, separators=(",", ":")))

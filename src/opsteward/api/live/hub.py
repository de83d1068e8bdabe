"""Who follows the live feed, and how each change reaches them: read once for a tenant, told to all its followers.

A follower has a short buffer. One that is slower than the feed is no longer told live: it reads what it missed from
the record, at its own pace, until it has caught up. So it misses nothing within the retention, and slows nobody.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from opsteward.accounts.types import Identity
from opsteward.core.changes import RECORDED, SEQUENCED_AT_ONCE, TYPES, Announcement, changes_after, sequence
from opsteward.core.clock import iso
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import get_logger
from opsteward.telemetry.metrics import WS_CLIENTS

log = get_logger(__name__)

#: The type of what tells that changes are gone; `id` is the last of them.
GAP = "gap"
_GATHER = 0.02  # seconds: changes that come together are read together
_PAGE = 500
_AT_ONCE = 100  # messages that a follower takes before it lets others go on
_KEPT = 2000  # changes of a tenant that stay in memory, at least, for those of its followers that fall behind a burst


@dataclass(frozen=True, slots=True)
class Message:
    """A change, or a gap, as it goes out, written once for all."""

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
        self._starts = 0  # how often it was told where to go on
        self._starts_then = 0  # the same when it took what it is being told
        self._news = asyncio.Event()

    def wants(self, message: Message) -> bool:
        """Whether it asked for this type, and may be told."""
        if message.type == GAP:
            return True
        return (self.types is None or message.type in self.types) and self.identity.may(TYPES[message.type])

    @property
    def moved(self) -> bool:
        """Whether it goes on elsewhere since it took its last messages: what is left of them is not to be told."""
        return self._starts != self._starts_then

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
        self._starts += 1
        self._waiting.clear()
        self._news.set()

    def end(self) -> None:
        """No further change is told."""
        self.over = True
        self._news.set()

    async def next(self, hub: Hub) -> Sequence[Message]:
        """What to tell now; waits for something. Empty: the end. Raises Unavailable."""
        while not self.over:
            self._starts_then = self._starts
            if not self._live:
                found = await self._from_record(hub)
            elif self._waiting:
                few = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                found = [one for one in few if one.id > self.sent]  # the others were read from the record already
            else:
                self._news.clear()
                await self._news.wait()
                continue
            if found:
                return found
        return []

    async def _from_record(self, hub: Hub) -> Sequence[Message]:
        tenant_id, after = self.identity.tenant_id, self.sent
        head = hub.head(tenant_id)  # what is numbered up to here can be read, or is gone
        page = await hub.page(tenant_id, after, head)
        if self.moved:
            return []
        if page or head > after:
            return list(_with_gaps(after, page, up_to=None if page else head))
        # It has caught up; but what was offered during the look must be looked for, too.
        self._live = hub.head(tenant_id) == head
        return []


def _with_gaps(after: int, messages: Iterable[Message], *, up_to: int | None = None) -> Iterator[Message]:
    """The messages, and before each what is missing before it; at the end what is missing up to a number."""
    for one in messages:
        if one.id > after + 1:
            yield _gap(after + 1, one.id - 1)
        after = one.id
        yield one
    if up_to is not None and up_to > after:
        yield _gap(after + 1, up_to)


def _gap(first: int, last: int) -> Message:
    body = {"type": GAP, "from": first, "to": last, "reason": "kept no longer: read again what you follow"}
    return Message(last, GAP, json.dumps(body))


class _Tenant:
    """The followers of one tenant, and the newest of what they were offered."""

    def __init__(self, head: int) -> None:
        self.followers: set[Follower] = set()
        self.head = head  # the last number that was offered live
        self.start = head  # every change after this number that there is, is in `recent`
        self.recent: list[Message] = []

    def offer(self, messages: Sequence[Message]) -> None:
        told = list(_with_gaps(self.head, messages))
        self.recent += messages
        self.head = messages[-1].id
        if len(self.recent) > 2 * _KEPT:
            self.start = self.recent[-_KEPT - 1].id
            del self.recent[:-_KEPT]
        for follower in self.followers:
            follower.offer(told)

    def after(self, seq: int) -> list[Message] | None:
        """A page of what came after a number; None when that is no longer in memory."""
        if seq < self.start:
            return None
        first = bisect_right(self.recent, seq, key=lambda one: one.id)
        return list(islice(self.recent, first, first + _PAGE))


class Hub:
    """One per process that serves; `run()` until cancelled. Costs nothing while nobody follows."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._tenants: dict[UUID, _Tenant] = {}
        self._dirty: set[UUID] = set()
        self._work = asyncio.Event()

    def hear(self, notice: Notice) -> None:
        """A notice of the feed."""
        if notice.kind == RECONNECTED:
            self._dirty.update(self._tenants)
        elif notice.kind == RECORDED and notice.tenant_id in self._tenants:
            self._dirty.add(notice.tenant_id)
        if self._dirty:
            self._work.set()

    async def join(self, follower: Follower, *, after: int | None) -> int:
        """Begin to follow, now or after a number. Returns the last number there is. Raises Unavailable."""
        tenant_id = follower.identity.tenant_id
        last = await self._last_number(tenant_id)
        self._tenants.setdefault(tenant_id, _Tenant(last)).followers.add(follower)
        WS_CLIENTS.inc()
        follower.start_after(last if after is None else min(after, last))
        self._dirty.add(tenant_id)  # what came since the look
        self._work.set()
        return last

    async def _last_number(self, tenant_id: UUID) -> int:
        """With everything numbered that is recorded: much, when nobody has followed for long, so in several bites."""
        before: int | None = None
        while True:
            async with self._db.unit_of_work(tenant_id) as session:
                last = await sequence(session)
            if before is not None and last - before < SEQUENCED_AT_ONCE:
                return last
            before = last

    def leave(self, follower: Follower) -> None:
        """It follows no longer."""
        tenant = self._tenants.get(follower.identity.tenant_id)
        if tenant is None or follower not in tenant.followers:
            return
        tenant.followers.remove(follower)
        WS_CLIENTS.dec()
        if not tenant.followers:
            del self._tenants[follower.identity.tenant_id]

    def head(self, tenant_id: UUID) -> int:
        """The last number that was offered live."""
        tenant = self._tenants.get(tenant_id)
        return tenant.head if tenant else 0

    async def page(self, tenant_id: UUID, after: int, up_to: int) -> list[Message]:
        """Up to 500 changes after a number, but none after `up_to`: from memory, or read from the record."""
        tenant = self._tenants.get(tenant_id)
        found = tenant.after(after) if tenant else []
        if found is None:
            async with self._db.unit_of_work(tenant_id) as session:
                found = list(_written(await changes_after(session, after, limit=_PAGE)))
        return [message for message in found if message.id <= up_to]

    async def run(self) -> None:
        """Tell what is recorded, as it comes."""
        while True:
            await self._work.wait()
            await asyncio.sleep(_GATHER)
            self._work.clear()
            dirty, self._dirty = self._dirty, set()
            for tenant_id in dirty:
                try:
                    await self.tell(tenant_id)
                except Unavailable:
                    self._dirty.add(tenant_id)
                    asyncio.get_running_loop().call_later(1.0, self._work.set)

    async def tell(self, tenant_id: UUID) -> None:
        """Number what this tenant's followers were not told of yet, and offer it to them. Raises Unavailable."""
        while tenant := self._tenants.get(tenant_id):
            async with self._db.unit_of_work(tenant_id) as session:
                await sequence(session)
                found = await changes_after(session, tenant.head, limit=_PAGE)
            if found:
                tenant.offer(list(_written(found)))
            if len(found) < _PAGE:
                return


def _written(found: Iterable[Announcement]) -> Iterator[Message]:
    for one in found:
        body = {"id": one.id, "type": one.type, "at": iso(one.at), **one.data}
        yield Message(one.id, one.type, json.dumps(body, ensure_ascii=False, separators=(",", ":")))

"""Events of concurrent senders are stored together: what arrives while a tenant's transaction is under way is the next.

A lone event waits for nothing. Each sender is answered after the commit with what became of its own events. Events that
cannot be stored are found by halving, so that they harm no other sender's. What a process that is killed had not
answered is lost, as it is without a queue.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from uuid import UUID

from opsteward.core.db import Database, DatabaseSession
from opsteward.core.errors import Unavailable
from opsteward.core.fair_share import FairShare, Party, current_party
from opsteward.events.intake import Intake
from opsteward.events.senders import Sender
from opsteward.events.types import NewEvent, TakenEvent

#: What is done in the transaction of the events, once they are stored.
Finish = Callable[[DatabaseSession, Sequence[TakenEvent]], Awaitable[None]]

_TOGETHER_EVENTS, _TOGETHER_BYTES = 100, 4 * 1024 * 1024
#: More than this of one sender is a transaction of its own.
_ALONE_EVENTS, _ALONE_BYTES = 50, 512 * 1024
_WAITING_BYTES = 64 * 1024 * 1024
_COST_BYTES = 16 * 1024  # of a request that waits, beside its body
_BODY_COSTS = 6  # times its bytes, once it is parsed
_TRANSACTIONS_AT_ONCE = 4
_PATIENCE = 30.0  # seconds that a transaction waits for its turn


@dataclass(eq=False)
class _Sent:
    """What one sender waits for."""

    sender: Sender
    party: Party
    events: Sequence[NewEvent]
    size: int
    finish: Finish | None
    taken: asyncio.Future[list[TakenEvent]]


class IntakeQueue:
    """One per process and event loop."""

    def __init__(self, db: Database, intake: Intake, *, waiting_bytes: int = _WAITING_BYTES) -> None:
        """`waiting_bytes`: about as much memory as all that waits may take up."""
        self._db = db
        self._intake = intake
        self._room = FairShare(waiting_bytes, waiting_limit=0)
        self._turns = FairShare(_TRANSACTIONS_AT_ONCE)
        self._lanes: dict[UUID, _Lane] = {}

    @property
    def waiting(self) -> int:
        """How many bodies wait for the transaction after the present one."""
        return sum(lane.waiting for lane in self._lanes.values())

    async def take(
        self, *, tenant_id: UUID, events: Sequence[NewEvent], actor: str, size: int, finish: Finish | None = None
    ) -> list[TakenEvent]:
        """Store the events and return what became of each once it is committed. `size`: bytes of their body.

        `finish` is done in the same transaction; it may be done again in another one if that could not be committed.
        Raises what the intake raises, and Busy when too much waits already (at once, for a few events): nothing was
        taken then.
        """
        if not events and finish is None:
            return []
        party = current_party.get()
        sent = _Sent(Sender.present(actor), party, events, size, finish, asyncio.get_running_loop().create_future())
        if len(events) > _ALONE_EVENTS or size > _ALONE_BYTES:  # waits its turn: large bodies are few by other bounds
            async with self._turns.of(party, patience=_PATIENCE):
                return (await self._stored(tenant_id, [sent]))[0]
        async with self._room.of(party, _COST_BYTES + _BODY_COSTS * size, patience=0):
            self._lane(tenant_id).put(sent)
            return await sent.taken

    def _lane(self, tenant_id: UUID) -> _Lane:
        """Of the tenant; one that is at work as long as something waits in it."""
        lane = self._lanes.get(tenant_id)
        if lane is None:
            lane = self._lanes[tenant_id] = _Lane()
            # in a context of its own: it works for many senders, and not for the one that came first
            lane.task = asyncio.get_running_loop().create_task(self._run(tenant_id, lane), context=Context())
        return lane

    async def _run(self, tenant_id: UUID, lane: _Lane) -> None:
        party = Party(str(tenant_id), "events")
        current_party.set(party)
        group: list[_Sent] = []
        try:
            while lane.waiting:
                async with self._turns.of(party, patience=_PATIENCE):
                    group = lane.next_group()
                    await self._take_together(tenant_id, group)
        except Unavailable as error:  # no turn came: whoever waits is told so
            lane.refuse(error)
        finally:
            del self._lanes[tenant_id]
            lane.refuse(Unavailable("this process ends", remedy="send it again"), group)

    async def _take_together(self, tenant_id: UUID, group: Sequence[_Sent]) -> None:
        """Store what was sent and answer each sender. Of a group that can't be stored each half is tried alone."""
        if not group:
            return
        try:
            taken = await self._stored(tenant_id, group)
        except Unavailable as error:
            _refuse(group, error)
        except Exception as error:
            if len(group) == 1:
                _refuse(group, error)
                return
            half = len(group) // 2
            await self._take_together(tenant_id, group[:half])
            await self._take_together(tenant_id, group[half:])
        else:
            for sent, of_it in zip(group, taken, strict=True):
                if not sent.taken.done():
                    sent.taken.set_result(of_it)

    async def _stored(self, tenant_id: UUID, group: Sequence[_Sent]) -> list[list[TakenEvent]]:
        async with self._db.unit_of_work(tenant_id) as session:
            events = [(event, sent.sender) for sent in group for event in sent.events]
            taken = iter(await self._intake.take_of(session, events))
            shares = [[next(taken) for _ in sent.events] for sent in group]
            for sent, of_it in zip(group, shares, strict=True):
                if sent.finish is not None:
                    with sent.sender.speaking():
                        await sent.finish(session, of_it)
        return shares


class _Lane:
    """What waits of one tenant: its operators are served in turn, each one's in the order in which it came."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self._waiting: dict[Party, deque[_Sent]] = {}

    @property
    def waiting(self) -> int:
        """How many bodies do."""
        return sum(map(len, self._waiting.values()))

    def put(self, sent: _Sent) -> None:
        """It waits from now on."""
        self._waiting.setdefault(sent.party, deque()).append(sent)

    def next_group(self) -> list[_Sent]:
        """What is stored next; those that were given up meanwhile are left out."""
        group: list[_Sent] = []
        events = size = 0
        while self._waiting:
            party = next(iter(self._waiting))
            sent = self._waiting[party][0]
            if group and (events + len(sent.events) > _TOGETHER_EVENTS or size + sent.size > _TOGETHER_BYTES):
                break
            queue = self._waiting.pop(party)
            queue.popleft()
            if queue:
                self._waiting[party] = queue  # behind the others
            if not sent.taken.done():
                group.append(sent)
                events += len(sent.events)
                size += sent.size
        return group

    def refuse(self, error: Exception, also: Sequence[_Sent] = ()) -> None:
        """All that waits, and these, are told that nothing was taken."""
        waiting = [sent for queue in self._waiting.values() for sent in queue]
        self._waiting.clear()
        _refuse([*waiting, *also], error)


def _refuse(group: Sequence[_Sent], error: Exception) -> None:
    for sent in group:
        if not sent.taken.done():
            sent.taken.set_exception(copy.copy(error))

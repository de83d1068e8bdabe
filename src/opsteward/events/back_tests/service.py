"""A back-test: what today's and proposed standing orders would have decided over a recorded span, side by side.

Events are read in pieces, each in a transaction of its own; matching them is done in a process that can be ended, and
in turn with others who compute. Between two pieces it can be given up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import AskedFor
from opsteward.core.clock import now
from opsteward.core.computing import compute, in_fair_thread
from opsteward.core.errors import Invalid
from opsteward.events.back_tests import recorded
from opsteward.events.back_tests.comparison import Comparison
from opsteward.events.back_tests.matching import first_of_each, packed
from opsteward.events.back_tests.types import BackTest, RecordedAction, RecordedEvent, RecordedSession
from opsteward.events.standing_orders.service import StandingOrders, values_of
from opsteward.events.standing_orders.types import Subject
from opsteward.systems.service import Inventory
from opsteward.systems.types import KnownSystem

EVENTS_LIMIT = 500_000
SPAN_LIMIT = timedelta(days=366)
SESSIONS_LIMIT = 1_000
_PIECE = 5_000
_COMPARED_AT_ONCE = 2_000_000  # subjects times values that they are compared with
_PIECE_SECONDS = 5.0  # of processor time, to match so many; it takes one or two

#: Opens a transaction of the tenant for one reading.
Reading = Callable[[], AbstractAsyncContextManager[AsyncSession]]
SessionsOf = Callable[[AsyncSession], Awaitable[Sequence[RecordedSession]]]


class BackTests:
    """One per process."""

    def __init__(self, orders: StandingOrders, inventory: Inventory, action_service: ActionService) -> None:
        self._orders = orders
        self._inventory = inventory
        self._action_service = action_service

    async def run(
        self,
        reading: Reading,
        *,
        text: str | None,
        since: datetime,
        until: datetime | None = None,
        sessions_of: SessionsOf | None = None,
        given_up: Callable[[], Awaitable[bool]] | None = None,
    ) -> BackTest:
        """Compare the orders of `text` (None: those in force) with those in force. `given_up` is asked between two
        pieces whether nobody waits for it any more.

        Raises StandingOrderErrors for a faulty text; Invalid for a span that is none or holds too much; TooExpensive;
        Busy.
        """
        until = min(until or now(), now())
        _check_span(since, until)
        async with reading() as session:
            today = await self._orders.in_force(session)
            proposed = await self._orders.as_if_applied(session, text) if text is not None else today
            returns = await recorded.returns(session, since, until)
            comparison = Comparison(today, proposed, since, until, returns)
            if await recorded.count(session, since, until, limit=EVENTS_LIMIT + 1) > EVENTS_LIMIT:
                raise Invalid.field("since", f"more than {EVENTS_LIMIT:,} events are recorded", "take a shorter span")
            asked_for = await self._action_service.asked_for(
                session, since=since, until=until, stretch=comparison.stretch
            )
            sessions = await sessions_of(session) if sessions_of else []
        async for piece in self._pieces(reading, since, until):
            if given_up is not None and await given_up():
                break
            subjects = [(event.subject, event.at) for event in piece]
            firsts = await self._firsts(comparison, subjects)
            await in_fair_thread(comparison.take, piece, firsts)
        findings = [(finding, one.at) for one in sessions for finding in one.findings]
        firsts = await self._firsts(comparison, findings) if findings else []
        comparison.take_sessions(sessions, firsts)
        asked_at = Counter[datetime]()
        for one in asked_for:
            asked_at[one.at] += one.count
        return await in_fair_thread(comparison.told, _summed(asked_for), asked_at)

    @staticmethod
    async def _firsts(comparison: Comparison, subjects: Sequence[tuple[Subject, datetime]]) -> Sequence[Sequence[int]]:
        values = sum(map(values_of, comparison.sets))
        size = max(100, _COMPARED_AT_ONCE // max(1, values))
        found: list[Sequence[int]] = []
        for start in range(0, len(subjects), size):
            commons, asked = await in_fair_thread(packed, subjects[start : start + size])
            found += await compute(_PIECE_SECONDS, first_of_each, comparison.sets, commons, asked)
        return found

    async def _pieces(
        self, reading: Reading, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[RecordedEvent]]:
        after: recorded.Place | None = None
        systems: dict[str, KnownSystem | None] = {}
        while True:
            async with reading() as session:
                piece = await recorded.events(
                    session, self._inventory, since=since, until=until, after=after, limit=_PIECE, systems=systems
                )
            if piece:
                yield piece
            if len(piece) < _PIECE:
                return
            after = piece[-1].at, piece[-1].id


def _check_span(since: datetime, until: datetime) -> None:
    if since >= until:
        raise Invalid.field("since", "is not before the end of the span", "give an earlier one")
    if until - since > SPAN_LIMIT:
        raise Invalid.field("since", f"is more than {SPAN_LIMIT.days} days before the end", "take a shorter span")


def _summed(asked_for: Sequence[AskedFor]) -> list[RecordedAction]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in asked_for:
        counts[one.order, one.action, one.status] += one.count
    return [
        RecordedAction(order=order, action=action, status=status, count=count)
        for (order, action, status), count in sorted(counts.items())
    ]

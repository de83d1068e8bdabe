"""A scarce thing (turns, memory, processors) shared fairly: among tenants, and among the operators of each.

Nobody has it all: one tenant gets three quarters at most, and one operator three quarters of that, so that whoever
else comes finds something free. Who waits is served in turn: tenant by tenant, within it operator by operator.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from opsteward.core.errors import Unavailable


@dataclass(frozen=True)
class Party:
    """Who wants a share: a tenant and one of its operators; of whom nobody knows more, an address."""

    tenant: str = ""
    operator: str = ""


#: For whom the present task works.
current_party: ContextVar[Party] = ContextVar("party", default=Party())  # noqa: B039 -- it is frozen


class Busy(Unavailable):
    """So many requests wait already that this one's turn did not come in time; nothing of it was done."""

    code = "busy"
    http_status = 429
    title = "Too many requests at once; try again in a moment"


@dataclass(eq=False)
class _Waiting:
    party: Party
    amount: int
    granted: asyncio.Future[None]


class FairShare:
    """So much of a thing, in whatever unit; for one event loop."""

    def __init__(self, capacity: int, *, waiting_limit: int = 1000) -> None:
        """`waiting_limit`: of one operator; of a tenant four times as many."""
        self._capacity = capacity
        self._of_tenant = max(1, capacity - max(1, capacity // 4)) if capacity > 1 else 1
        self._of_operator = max(1, self._of_tenant - max(1, self._of_tenant // 4)) if self._of_tenant > 1 else 1
        self._waiting_limit = waiting_limit
        self._used = 0
        self._tenants: Counter[str] = Counter()
        self._operators: Counter[Party] = Counter()
        self._waiting: dict[str, dict[Party, deque[_Waiting]]] = {}  # in the order in which they are served next
        self._waiting_of: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting_of.total()

    @asynccontextmanager
    async def of(self, party: Party, amount: int = 1, *, patience: float) -> AsyncIterator[None]:
        """Hold so much for the length of the block. Raises Busy when it does not come within `patience` seconds."""
        await self.acquire(party, amount, patience=patience)
        try:
            yield
        finally:
            self.release(party, amount)

    async def acquire(self, party: Party, amount: int = 1, *, patience: float) -> None:
        """Take so much, and wait for it if need be. Raises Busy."""
        if not self._waiting and self._fits(amount) and self._may_have(party, amount):
            self._take(party, amount)
            return
        await self._wait(party, amount, patience)

    def release(self, party: Party, amount: int = 1) -> None:
        """Give it back."""
        self._used -= amount
        self._tenants[party.tenant] -= amount
        self._operators[party] -= amount
        if not self._tenants[party.tenant]:
            del self._tenants[party.tenant]
        if not self._operators[party]:
            del self._operators[party]
        self._grant()

    # ----------------------------------------------------------------------------------------------------------

    async def _wait(self, party: Party, amount: int, patience: float) -> None:
        queue = self._waiting.get(party.tenant, {}).get(party, ())
        if len(queue) >= self._waiting_limit or self._waiting_of[party.tenant] >= 4 * self._waiting_limit:
            raise Busy("too many of your requests wait already", remedy="try again in a moment")
        one = _Waiting(party, amount, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(party.tenant, {}).setdefault(party, deque()).append(one)
        self._waiting_of[party.tenant] += 1
        self._grant()
        try:
            async with asyncio.timeout(patience):
                await one.granted
        except BaseException as error:
            if one.granted.done() and not one.granted.cancelled():
                self.release(party, amount)
            else:
                self._forget(one)
                self._grant()  # who stood behind it may fit
            if isinstance(error, TimeoutError):
                raise Busy(f"nothing was taken within {patience:g} s", remedy="try again in a moment") from None
            raise

    def _grant(self) -> None:
        """Serve who waits, as far as there is something. Who asks for more than is left holds up the others: else a
        large request would wait for ever behind small ones."""
        while self._waiting:
            one = self._next()
            if one is None or not self._fits(one.amount):
                return
            self._forget(one)
            self._pass_on(one.party)
            if not one.granted.done():
                self._take(one.party, one.amount)
                one.granted.set_result(None)

    def _next(self) -> _Waiting | None:
        """The first in turn whose own share is not used up."""
        for queues in self._waiting.values():
            for queue in queues.values():
                if self._may_have(queue[0].party, queue[0].amount):
                    return queue[0]
        return None

    def _pass_on(self, party: Party) -> None:
        """Others are next: of the tenant's operators, and of the tenants."""
        queues = self._waiting.get(party.tenant)
        if queues is None:
            return
        if party in queues:
            queues[party] = queues.pop(party)
        self._waiting[party.tenant] = self._waiting.pop(party.tenant)

    def _forget(self, one: _Waiting) -> None:
        queues = self._waiting.get(one.party.tenant, {})
        queue = queues.get(one.party)
        if queue is None or one not in queue:
            return
        queue.remove(one)
        self._waiting_of[one.party.tenant] -= 1
        if not queue:
            del queues[one.party]
        if not queues:
            del self._waiting[one.party.tenant]
            del self._waiting_of[one.party.tenant]

    def _fits(self, amount: int) -> bool:
        return self._used == 0 or self._used + amount <= self._capacity

    def _may_have(self, party: Party, amount: int) -> bool:
        """One thing at least, however large; of more, no more than the share."""
        tenant, operator = self._tenants[party.tenant], self._operators[party]
        return (tenant == 0 or tenant + amount <= self._of_tenant) and (
            operator == 0 or operator + amount <= self._of_operator
        )

    def _take(self, party: Party, amount: int) -> None:
        self._used += amount
        self._tenants[party.tenant] += amount
        self._operators[party] += amount

"""The ledger of calls: what a call may take at most is reserved before it is made, and settled after it.

All ceilings are looked at and reserved in one transaction under the locks of their rows, in one order, so that no
number of runs at once passes any. A call whose end was never recorded counts as spent. A recorded call is not made
again: its reply is kept until its run has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject
from opsteward.crew.delegation.memory import MICROS
from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.models import CrewModelCall, CrewSpend

_MINUTE = timedelta(seconds=60)
_UNLIMITED = 2**62


class CeilingReached(StepFailed):
    """A call would pass a ceiling of tokens or money; it was not made."""

    code = "crew_ceiling_reached"
    http_status = 429
    title = "A ceiling of the crew's models is reached"


class TooManyCalls(StepFailed):
    """The agent has made as many calls in the last minute as it may; the next may be made after `wait` seconds."""

    code = "crew_calls_per_minute"
    http_status = 429
    title = "Too many calls of a model in a minute"

    def __init__(self, agent: str, most: int, wait: float) -> None:
        super().__init__(f"{agent} has made {most} calls in the last minute, which is the most", remedy="wait a minute")
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The most of a scope: tokens, and money in millionths of a US dollar. `words`: what it is, for people."""

    scope: str
    words: str
    tokens: int = _UNLIMITED
    micros: int = _UNLIMITED


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call to be made: its name is unique in its run; the most that it may take."""

    run_id: UUID
    name: str
    agent: str
    model: str
    tokens: int
    micros: int
    ceilings: Sequence[Ceiling]
    calls_per_minute: int


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a call took."""

    input_tokens: int
    output_tokens: int
    micros: int
    seconds: float


class Ledger:
    """The ledger of one tenant, for one run."""

    def __init__(self, db: Database, tenant_id: UUID) -> None:
        self._db, self._tenant_id = db, tenant_id
        self._reading = asyncio.Lock()
        self._replies: dict[UUID, dict[str, JsonObject | None]] = {}

    async def recorded(self, run_id: UUID, name: str) -> JsonObject | None:
        """The reply of a call that was made and recorded before this process took the run over."""
        async with self._reading:
            if run_id not in self._replies:
                async with self._db.unit_of_work(self._tenant_id) as session:
                    rows = await session.execute(
                        sa.select(CrewModelCall.name, CrewModelCall.reply).where(
                            CrewModelCall.tenant_id == self._tenant_id,
                            CrewModelCall.run_id == run_id,
                            CrewModelCall.status == "done",
                        )
                    )
                self._replies[run_id] = {row.name: row.reply for row in rows}
        return self._replies[run_id].get(name)

    async def reserve(self, call: Call) -> None:
        """Raises CeilingReached, TooManyCalls; then nothing is reserved."""
        async with self._db.unit_of_work(self._tenant_id) as session:
            await self._reserve_scopes(session, call)
            await self._within_minute(session, call)
            lost = await session.scalar(
                sa.select(CrewModelCall).where(
                    CrewModelCall.tenant_id == self._tenant_id, CrewModelCall.id == derived_id(call.run_id, call.name)
                )
            )
            if lost is not None:
                # made before and never recorded, or failed: what it may have cost stays in the scopes and in its row
                lost.status, lost.model, lost.error = "reserved", call.model, None
                lost.reserved_micros, lost.started_at, lost.ended_at = call.micros, now(), None
                return
            session.add(
                CrewModelCall(
                    id=derived_id(call.run_id, call.name),
                    tenant_id=self._tenant_id,
                    run_id=call.run_id,
                    name=call.name,
                    agent=call.agent,
                    model=call.model,
                    status="reserved",
                    reserved_micros=call.micros,
                    cost_micros=0,
                    input_tokens=0,
                    output_tokens=0,
                )
            )

    async def settle(self, call: Call, taken: Taken, *, reply: JsonObject, content: JsonObject | None = None) -> None:
        """The call was made: what it took instead of what was reserved, and its reply."""
        async with self._db.unit_of_work(self._tenant_id) as session:
            await self._release(session, call, tokens=taken.input_tokens + taken.output_tokens, micros=taken.micros)
            row = await self._row(session, call)
            row.status, row.reply, row.content, row.ended_at = "done", reply, content, now()
            row.cost_micros += taken.micros
            row.input_tokens += taken.input_tokens
            row.output_tokens += taken.output_tokens
            row.seconds = taken.seconds

    async def fail(self, call: Call, error: str, *, billed: bool, seconds: float) -> None:
        """The call failed. `billed`: it may have been paid for all the same; then all that was reserved is spent."""
        micros = call.micros if billed else 0
        async with self._db.unit_of_work(self._tenant_id) as session:
            await self._release(session, call, tokens=call.tokens if billed else 0, micros=micros)
            row = await self._row(session, call)
            row.status, row.error, row.ended_at, row.seconds = "failed", error, now(), seconds
            row.cost_micros += micros

    async def _reserve_scopes(self, session: AsyncSession, call: Call) -> None:
        for ceiling in sorted(call.ceilings, key=lambda one: one.scope):
            row = (
                await session.execute(
                    insert(CrewSpend)
                    .values(
                        id=derived_id(self._tenant_id, f"crew spend {ceiling.scope}"),
                        tenant_id=self._tenant_id,
                        scope=ceiling.scope,
                        reserved_micros=call.micros,
                        spent_micros=0,
                        reserved_tokens=call.tokens,
                        tokens=0,
                        calls=1,
                        changed_at=now(),
                    )
                    .on_conflict_do_update(
                        index_elements=["tenant_id", "scope"],
                        set_={
                            "reserved_micros": CrewSpend.reserved_micros + call.micros,
                            "reserved_tokens": CrewSpend.reserved_tokens + call.tokens,
                            "calls": CrewSpend.calls + 1,
                            "changed_at": now(),
                        },
                    )
                    .returning(
                        CrewSpend.reserved_micros + CrewSpend.spent_micros, CrewSpend.reserved_tokens + CrewSpend.tokens
                    )
                )
            ).one()
            # raised within the transaction, which takes the reservation back
            if row[0] > ceiling.micros:
                raise CeilingReached(
                    f"a call of up to {call.micros / MICROS:.4f} US dollars would pass the {ceiling.micros / MICROS:g}"
                    f" of {ceiling.words}",
                    remedy="wait, or raise that ceiling",
                )
            if row[1] > ceiling.tokens:
                raise CeilingReached(
                    f"a call of up to {call.tokens} tokens would pass the {ceiling.tokens} of {ceiling.words}",
                    remedy="raise that ceiling, or send less",
                )

    async def _within_minute(self, session: AsyncSession, call: Call) -> None:
        """Whoever reserves for the same agent waits for our lock, so none is counted twice or missed."""
        since = now() - _MINUTE
        times = (
            await session.scalars(
                sa.select(CrewModelCall.started_at)
                .where(
                    CrewModelCall.tenant_id == self._tenant_id,
                    CrewModelCall.agent == call.agent,
                    CrewModelCall.started_at > since,
                )
                .order_by(CrewModelCall.started_at.desc())
                .limit(max(1, call.calls_per_minute))
            )
        ).all()
        if len(times) >= call.calls_per_minute:
            wait = (times[-1] - since).total_seconds() if times else _MINUTE.total_seconds()
            raise TooManyCalls(call.agent, call.calls_per_minute, max(0.05, wait))

    async def _release(self, session: AsyncSession, call: Call, *, tokens: int, micros: int) -> None:
        for ceiling in sorted(call.ceilings, key=lambda one: one.scope):
            await session.execute(
                sa.update(CrewSpend)
                .where(CrewSpend.tenant_id == self._tenant_id, CrewSpend.scope == ceiling.scope)
                .values(
                    reserved_micros=CrewSpend.reserved_micros - call.micros,
                    spent_micros=CrewSpend.spent_micros + micros,
                    reserved_tokens=CrewSpend.reserved_tokens - call.tokens,
                    tokens=CrewSpend.tokens + tokens,
                    changed_at=now(),
                )
            )

    async def _row(self, session: AsyncSession, call: Call) -> CrewModelCall:
        row = await session.scalar(
            sa.select(CrewModelCall).where(
                CrewModelCall.tenant_id == self._tenant_id, CrewModelCall.id == derived_id(call.run_id, call.name)
            )
        )
        assert row is not None
        return row


def day_of(at: datetime) -> str:
    """As scopes name it."""
    return f"{at:%Y-%m-%d}"

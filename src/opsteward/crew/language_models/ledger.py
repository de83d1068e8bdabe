"""The ledger of calls: what a call may take at most is reserved before it is made, and settled after it.

All ceilings are looked at and reserved by one statement under the locks of their rows, so that no number of runs at
once passes any, and none waits longer for another than that statement takes. A call whose end was never recorded
counts as spent. A recorded call is not made again: its reply is kept until its run has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.db import Database
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject
from opsteward.core.plain_json import json_text
from opsteward.crew.delegation.memory import MICROS
from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.models import CrewModelCall

_UNLIMITED = 2**62
_RESERVE = "select * from opsteward.reserve_model_call(:tenant, cast(:call as jsonb), cast(:scopes as jsonb))"
_SETTLE = (
    "select opsteward.settle_model_call(:tenant, cast(:call as jsonb), cast(:scopes as text[]),"
    " cast(:reply as jsonb), cast(:content as jsonb))"
)


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
        refused = await self._db.look_up(
            _RESERVE,
            {
                "tenant": self._tenant_id,
                "call": json_text(
                    {
                        "id": _id_of(call),
                        "run_id": str(call.run_id),
                        "name": call.name,
                        "agent": call.agent,
                        "model": call.model,
                        "micros": call.micros,
                        "tokens": call.tokens,
                        "calls_per_minute": call.calls_per_minute,
                    }
                ),
                "scopes": json_text([self._scope(one) for one in call.ceilings]),
            },
        )
        if refused is None:
            return
        if refused.scope is None:
            raise TooManyCalls(call.agent, call.calls_per_minute, max(0.05, refused.wait))
        ceiling = next(one for one in call.ceilings if one.scope == refused.scope)
        if refused.over == "micros":
            raise CeilingReached(
                f"a call of up to {call.micros / MICROS:.4f} US dollars would pass the {ceiling.micros / MICROS:g}"
                f" of {ceiling.words}",
                remedy="wait, or raise that ceiling",
            )
        raise CeilingReached(
            f"a call of up to {call.tokens} tokens would pass the {ceiling.tokens} of {ceiling.words}",
            remedy="raise that ceiling, or send less",
        )

    async def settle(self, call: Call, taken: Taken, *, reply: JsonObject, content: JsonObject | None = None) -> None:
        """The call was made: what it took instead of what was reserved, and its reply."""
        await self._settle(call, taken, status="done", reply=reply, content=content)

    async def fail(self, call: Call, error: str, *, billed: bool, seconds: float) -> None:
        """The call failed. `billed`: it may have been paid for all the same; then all that was reserved is spent."""
        taken = Taken(input_tokens=0, output_tokens=0, micros=call.micros if billed else 0, seconds=seconds)
        await self._settle(call, taken, status="failed", error=error, spent_tokens=call.tokens if billed else 0)

    async def _settle(
        self,
        call: Call,
        taken: Taken,
        *,
        status: str,
        error: str | None = None,
        reply: JsonObject | None = None,
        content: JsonObject | None = None,
        spent_tokens: int | None = None,
    ) -> None:
        if spent_tokens is None:
            spent_tokens = taken.input_tokens + taken.output_tokens
        told = {
            "id": _id_of(call),
            "status": status,
            "error": error,
            "micros": call.micros,
            "tokens": call.tokens,
            "spent_micros": taken.micros,
            "spent_tokens": spent_tokens,
            "input_tokens": taken.input_tokens,
            "output_tokens": taken.output_tokens,
            "seconds": taken.seconds,
        }
        await self._db.look_up(
            _SETTLE,
            {
                "tenant": self._tenant_id,
                "call": json_text(told),
                "scopes": [one.scope for one in call.ceilings],
                "reply": None if reply is None else json_text(reply),
                "content": None if content is None else json_text(content),
            },
        )

    def _scope(self, ceiling: Ceiling) -> JsonObject:
        return {
            "id": str(derived_id(self._tenant_id, f"crew spend {ceiling.scope}")),
            "scope": ceiling.scope,
            "micros": ceiling.micros,
            "tokens": ceiling.tokens,
        }


def _id_of(call: Call) -> str:
    return str(derived_id(call.run_id, call.name))


def day_of(at: datetime) -> str:
    """As scopes name it."""
    return f"{at:%Y-%m-%d}"

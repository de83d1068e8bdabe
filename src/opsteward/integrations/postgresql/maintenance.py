"""What an action on one object of a database has in common: look, do one statement, look again.

An object is named by its name and its oid, so that another one that took the name is left alone. The statement gives up
after three seconds in a queue of locks (all others would queue behind it), but for those that are made to wait.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, LiteralString, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.core.errors import AuthFailed
from opsteward.core.json_types import JsonObject
from opsteward.integrations.postgresql.connector import PostgresConnector

if TYPE_CHECKING:
    from psycopg.sql import SQL, Composed

LOCK_SECONDS: Final = 3.0
_SHOWS_WITHIN = 3.0  # seconds in which the server's counters tell of it
_POLL_SECONDS = 0.1
Seen = Mapping[str, Any]


class MaintenanceParams(BaseModel):
    """The object, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)


class MaintenanceResult(BaseModel):
    """`done` false: it was not needed any more, as `why` says. `before`: what was seen before."""

    done: bool
    why: str = ""
    before: JsonObject = {}


ParamsT = TypeVar("ParamsT", bound=MaintenanceParams)


class MaintenanceAction(Action[PostgresConnector, ParamsT, MaintenanceResult], Generic[ParamsT]):
    """One statement on one object. `look` gives one row with `name` and `allowed`, or none when the object is gone."""

    result_model: ClassVar[type[BaseModel]] = MaintenanceResult
    risk: ClassVar[Risk] = Risk.LOW
    look: ClassVar[LiteralString]
    #: What grants what is missing; {role} is ours and {owner} the object's.
    grant: ClassVar[str] = "GRANT {owner} TO {role};"
    waits: ClassVar[bool] = False  # made to wait for others without holding them up
    seconds: ClassVar[float] = 60.0  # for the statement

    @abstractmethod
    def subject(self, params: ParamsT) -> str:
        """The object in words: "table public.orders"."""

    @abstractmethod
    def not_needed(self, params: ParamsT, seen: Seen) -> str:
        """Why there is nothing to do; empty where there is."""

    @abstractmethod
    def statement(self, params: ParamsT, seen: Seen) -> SQL | Composed:
        """What is done."""

    @abstractmethod
    def is_done(self, params: ParamsT, before: JsonObject, seen: Seen | None) -> bool:
        """Whether what is seen now shows that it was done."""

    async def plan(self, ctx: ActionContext[PostgresConnector], params: ParamsT) -> Plan:
        seen = await self._look(ctx.via, params)
        if why := self._why_not(params, seen):
            return Plan(needed=False, summary=f"Nothing to do: {why}")
        assert seen is not None
        self._require(ctx.via, params, seen)
        statement = _text(self.statement(params, seen))
        waiting = "waits for others without holding them up" if self.waits else f"gives up after {LOCK_SECONDS:g} s"
        return Plan(
            needed=True,
            summary=f"{self.title}, {self.subject(params)}: {params.reason}",
            steps=[f"{statement} (in a queue of locks it {waiting})", "Look at it again"],
            objects=[f"{self.subject(params)} ({seen['identity']})"],
            evidence={"seen": _plain(seen), "statement": statement},
        )

    async def execute(self, ctx: ActionContext[PostgresConnector], params: ParamsT) -> MaintenanceResult:
        seen = await self._look(ctx.via, params)
        if why := self._why_not(params, seen):
            return MaintenanceResult(done=False, why=why, before=_plain(seen or {}))
        assert seen is not None
        self._require(ctx.via, params, seen)
        await self.do(ctx.via, params, seen)
        return MaintenanceResult(done=True, before=_plain(seen))

    async def do(self, via: PostgresConnector, params: ParamsT, seen: Seen) -> None:
        """Run the statement. Raises ConnectorError."""
        lock_seconds = 0.0 if self.waits else LOCK_SECONDS
        await via.execute(self.statement(params, seen), seconds=self.seconds, lock_seconds=lock_seconds)

    async def verify(self, ctx: ActionContext[PostgresConnector], params: ParamsT, result: MaintenanceResult) -> Proof:
        """Waits up to 3 s until the server shows it."""
        deadline = time.monotonic() + _SHOWS_WITHIN
        while True:
            seen = await self._look(ctx.via, params)
            ok = not result.done or self.is_done(params, result.before, seen)
            if ok or time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
        evidence = {"before": result.before, "now": _plain(seen or {})}
        if not result.done:
            return Proof(ok=True, summary=f"nothing was to be done: {result.why}", evidence=evidence)
        words = "shows it" if ok else "does not show it"
        return Proof(ok=ok, summary=f"{self.subject(params)} {words}", evidence=evidence)

    async def _look(self, via: PostgresConnector, params: ParamsT) -> Seen | None:
        rows = await via.rows(self.look, params.model_dump(), shape=dict[str, Any])
        return rows[0] if rows else None

    def _why_not(self, params: ParamsT, seen: Seen | None) -> str:
        return f"{self.subject(params)} is gone" if seen is None else self.not_needed(params, seen)

    def _require(self, via: PostgresConnector, params: ParamsT, seen: Seen) -> None:
        if not seen["allowed"]:
            raise AuthFailed(
                f"our role may not do that to {self.subject(params)}",
                remedy=self.grant.format(owner=seen.get("owner", ""), role=via.config.username),
                extra={"kind": "permission"},
            )


def _plain(seen: Seen) -> JsonObject:
    return {
        name: value if isinstance(value, int | float | bool | str | None) else str(value)
        for name, value in seen.items()
    }


def _text(statement: SQL | Composed) -> str:
    return statement.as_string(None)

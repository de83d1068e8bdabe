"""Ending connections: exactly those that a finding named, and only while they are in the transaction that it saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.core.errors import BadReply
from opsteward.integrations.mysql.client import refused_by_number
from opsteward.integrations.mysql.connector import MysqlConnector
from opsteward.integrations.mysql.transactions import read_transactions

_VERIFY_SECONDS = 3.0
_POLL_SECONDS = 0.1
_NO_SUCH_THREAD = 1094
_LOOK = """
    select t.trx_mysql_thread_id as id, t.trx_id, cast(t.trx_started as char) as started,
        p.user as name, p.host, p.command, p.id = connection_id() as ours
    from information_schema.innodb_trx t join information_schema.processlist p on p.id = t.trx_mysql_thread_id"""


class ConnectionIdentity(BaseModel):
    """One connection in one transaction: the server counts connections up and gives no number twice."""

    model_config = ConfigDict(extra="forbid")

    id: int = Field(ge=1, le=2**63 - 1)
    trx_id: Annotated[str, Field(max_length=40)]
    started: Annotated[str, Field(max_length=40)]


class KillConnectionParams(BaseModel):
    """Which connections, and why."""

    model_config = ConfigDict(extra="forbid")

    connections: list[ConnectionIdentity] = Field(min_length=1, max_length=50)
    reason: str = Field(min_length=1, max_length=1000)


class KillConnectionResult(BaseModel):
    """The ids that were ended, and those that had gone on or were gone."""

    ended: list[int]
    left_alone: list[int]


class KillConnection(Action[MysqlConnector, KillConnectionParams, KillConnectionResult]):
    """Ends connections by KILL. Can't be undone: the server rolls their transactions back."""

    slug: ClassVar[str] = "mysql.kill_connection"
    title: ClassVar[str] = "End database connections"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = KillConnectionParams
    result_model: ClassVar[type[BaseModel]] = KillConnectionResult
    timeout: ClassVar[float] = 20.0

    async def plan(self, ctx: ActionContext[MysqlConnector], params: KillConnectionParams) -> Plan:
        still = await _still_there(ctx.via, params)
        if not still:
            return Plan(needed=False, summary="Nothing to end: none is in that transaction any more")
        return Plan(
            needed=True,
            summary=f"End {len(still)} database connection(s): {params.reason}",
            steps=[
                "End each by KILL, if it still is in the transaction that was found",
                "Its open transaction is rolled back by the server: this can't be undone",
                "See that they are gone",
            ],
            objects=[f"connection {number} ({row['name']}, {row['host']})" for number, row in sorted(still.items())],
        )

    async def execute(self, ctx: ActionContext[MysqlConnector], params: KillConnectionParams) -> KillConnectionResult:
        ended = []
        for number in sorted(await _still_there(ctx.via, params)):
            try:
                await ctx.via.rows(f"KILL CONNECTION {int(number)}")
            except BadReply as error:
                if refused_by_number(error) != _NO_SUCH_THREAD:
                    raise
            else:
                ended.append(number)
        left = [one.id for one in params.connections if one.id not in ended]
        return KillConnectionResult(ended=ended, left_alone=left)

    async def verify(
        self, ctx: ActionContext[MysqlConnector], params: KillConnectionParams, result: KillConnectionResult
    ) -> Proof:
        """Waits up to 3 s until none is in that transaction."""
        deadline = time.monotonic() + _VERIFY_SECONDS
        while True:
            still = await _still_there(ctx.via, params)
            if not still or time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
        gone = len(params.connections) - len(still)
        return Proof(
            ok=not still,
            summary=f"{gone} of {len(params.connections)} connection(s) are out of that transaction",
            evidence={"still_there": sorted(still), "ended": result.ended},
        )


async def _still_there(via: MysqlConnector, params: KillConnectionParams) -> dict[int, Mapping[str, Any]]:
    """Those that are in the transaction that was named, by their ids. Never our own."""
    wanted = {(one.id, one.trx_id, one.started) for one in params.connections}
    rows = await read_transactions(via, _LOOK)
    return {int(r["id"]): r for r in rows if (int(r["id"]), str(r["trx_id"]), r["started"]) in wanted}

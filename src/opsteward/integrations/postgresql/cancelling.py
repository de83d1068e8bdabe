"""Cancelling statements: what a session runs now, and nothing that it runs later."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, ClassVar, Final, LiteralString

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.integrations.postgresql.backend_sessions import CANCEL, MAX_SESSIONS, PROTECTED, QUERY, mask_literals
from opsteward.integrations.postgresql.connector import PostgresConnector

_VERIFY_SECONDS = 3.0
_POLL_SECONDS = 0.1


class StatementIdentity(BaseModel):
    """One statement: pid and backend_start name its session, state_change when it began. Names are for the reader."""

    model_config = ConfigDict(extra="forbid")

    pid: int = Field(ge=1, le=2**31 - 1)
    backend_start: AwareDatetime
    state_change: AwareDatetime
    usename: Annotated[str, Field(max_length=200)] = ""
    application_name: Annotated[str, Field(max_length=200)] = ""


class CancelStatementParams(BaseModel):
    """Which statements, and why."""

    model_config = ConfigDict(extra="forbid")

    sessions: list[StatementIdentity] = Field(min_length=1, max_length=MAX_SESSIONS)
    reason: str = Field(min_length=1, max_length=1000)


class CancelStatementResult(BaseModel):
    """The pids whose statement was cancelled, and those that were left alone, with the reason."""

    cancelled: list[int]
    left_alone: dict[str, str]


# Identity, protection and signal are in one statement: nothing can slip in between.
_LOOK_OR_CANCEL: Final[LiteralString] = (
    """
    with wanted as (
        select * from unnest(%(pids)s::int[], %(starts)s::timestamptz[], %(changes)s::timestamptz[])
            as w(pid, backend_start, state_change)
    ), seen as materialized (
        select a.pid, a.usename::text, a.application_name, """  # noqa: S608 - constants only
    + QUERY
    + """,
            a.state = 'active' and a.state_change = w.state_change as still_runs, """
    + PROTECTED
    + """ as protected
        from wanted w join pg_stat_activity a on a.pid = w.pid and a.backend_start = w.backend_start
        left join pg_roles r on r.oid = a.usesysid
    )
    select *, %(act)s and still_runs and protected is null and pg_cancel_backend(pid) as signalled
    from seen order by pid"""
)


class CancelStatement(Action[PostgresConnector, CancelStatementParams, CancelStatementResult]):
    """Cancels running statements by pg_cancel_backend; their sessions stay. Can't be undone: what a statement has done
    is rolled back, with the transaction that it stands in."""

    slug: ClassVar[str] = CANCEL
    title: ClassVar[str] = "Cancel statements"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = CancelStatementParams
    result_model: ClassVar[type[BaseModel]] = CancelStatementResult
    timeout: ClassVar[float] = 20.0

    async def plan(self, ctx: ActionContext[PostgresConnector], params: CancelStatementParams) -> Plan:
        rows = await _look_or_cancel(ctx.via, params, act=False)
        running = [row for row in rows if row["still_runs"] and row["protected"] is None]
        left = [f"{row['pid']}: {row['protected']}" for row in rows if row["protected"] and row["still_runs"]]
        if not running:
            why = "; ".join(left) or "none of them runs any more"
            return Plan(needed=False, summary=f"Nothing to cancel: {why}")
        return Plan(
            needed=True,
            summary=f"Cancel {len(running)} statement(s): {params.reason}",
            steps=["Cancel each by pg_cancel_backend, if it still is the one named", "See that it runs no more"],
            objects=[
                f"statement of session {row['pid']} ({row['usename']}, {row['application_name'] or 'unnamed'})"
                for row in running
            ],
            evidence={"statements": [mask_literals(row["query"]) for row in running], "left_alone": left},
        )

    async def execute(
        self, ctx: ActionContext[PostgresConnector], params: CancelStatementParams
    ) -> CancelStatementResult:
        rows = await _look_or_cancel(ctx.via, params, act=True)
        left = {str(row["pid"]): row["protected"] for row in rows if row["protected"] and row["still_runs"]}
        return CancelStatementResult(cancelled=[row["pid"] for row in rows if row["signalled"]], left_alone=left)

    async def verify(
        self,
        ctx: ActionContext[PostgresConnector],
        params: CancelStatementParams,
        result: CancelStatementResult,
    ) -> Proof:
        """Waits up to 3 s until none of them runs."""
        deadline = time.monotonic() + _VERIFY_SECONDS
        while True:
            rows = await _look_or_cancel(ctx.via, params, act=False)
            running = [row["pid"] for row in rows if row["still_runs"] and str(row["pid"]) not in result.left_alone]
            if not running or time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
        return Proof(
            ok=not running,
            summary=f"{len(params.sessions) - len(running)} of {len(params.sessions)} statement(s) run no more",
            evidence={"still_running": running, "left_alone": result.left_alone},
        )


async def _look_or_cancel(via: PostgresConnector, params: CancelStatementParams, *, act: bool) -> list[dict[str, Any]]:
    await via.require_insight()
    arguments = {
        "act": act,
        "pids": [one.pid for one in params.sessions],
        "starts": [one.backend_start for one in params.sessions],
        "changes": [one.state_change for one in params.sessions],
    }
    return await via.rows(_LOOK_OR_CANCEL, arguments, shape=dict[str, Any])

"""Ending sessions: exactly those that a finding named, and only while they are what it found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, LiteralString, TypedDict

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.integrations.postgresql.backend_sessions import (
    MAX_SESSIONS,
    PROTECTED,
    TERMINATE,
    Expect,
    instant,
)
from opsteward.integrations.postgresql.connector import PostgresConnector

_VERIFY_SECONDS = 3.0
_POLL_SECONDS = 0.1

Outcome = Literal["terminated", "already_gone", "left_alone"]


class SessionIdentity(BaseModel):
    """One session. pid and backend_start name it; xact_start or state_change, where given, pin what it does.

    The names of role and application are for the reader; they are not compared.
    """

    model_config = ConfigDict(extra="forbid")

    pid: int = Field(ge=1, le=2**31 - 1)
    backend_start: AwareDatetime
    usename: Annotated[str, Field(max_length=200)] = ""
    application_name: Annotated[str, Field(max_length=200)] = ""
    xact_start: AwareDatetime | None = None
    state_change: AwareDatetime | None = None


class TerminateSessionParams(BaseModel):
    """Which sessions, why, and the state in which alone they may be ended."""

    model_config = ConfigDict(extra="forbid")

    sessions: list[SessionIdentity] = Field(min_length=1, max_length=MAX_SESSIONS)
    reason: str = Field(min_length=1, max_length=1000)
    expect: Expect = "any"


class SessionOutcome(BaseModel):
    """What became of one session; `why` says why it was left alone."""

    pid: int
    backend_start: AwareDatetime
    outcome: Outcome
    why: str = ""


class TerminateSessionResult(BaseModel):
    """One outcome per session asked for, in their order."""

    sessions: list[SessionOutcome]


# The sessions asked for beside what is there now, ended where `act` is true. Identity, state, protection and
# signal are in one statement: nothing can slip in between look and act. A newer session with the same pid
# has another backend_start, so the join does not find it and the row counts as gone.
_LOOK_OR_END: Final[LiteralString] = (
    """
    with wanted as (
        select * from unnest(%(pids)s::int[], %(starts)s::timestamptz[], %(xacts)s::timestamptz[],
                             %(changes)s::timestamptz[]) with ordinality
            as w(pid, backend_start, xact_start, state_change, nth)
    ), seen as materialized (
        select w.nth, w.pid, w.backend_start, a.pid is not null as alive, a.state,
            a.usename, a.application_name, """  # noqa: S608 - constants only
    + PROTECTED
    + """ as protected,
            coalesce(
                (%(expect)s = 'any'
                 or a.state = %(expect)s
                 or %(expect)s = 'idle in transaction' and a.state = 'idle in transaction (aborted)')
                and (w.xact_start is null or a.xact_start = w.xact_start)
                and (w.state_change is null or a.state_change = w.state_change),
                false
            ) as as_found
        from wanted w
        left join pg_stat_activity a on a.pid = w.pid and a.backend_start = w.backend_start
        left join pg_roles r on r.oid = a.usesysid
    )
    select *, case when %(act)s and alive and as_found and protected is null
                   then pg_terminate_backend(pid) else false end as signalled
    from seen order by nth"""
)
_REMAINS: Final[LiteralString] = """
    with wanted as (
        select * from unnest(%(pids)s::int[], %(starts)s::timestamptz[]) as w(pid, backend_start)
    ), alive as materialized (
        select a.pid from wanted w
        join pg_stat_activity a on a.pid = w.pid and a.backend_start = w.backend_start
    )
    select array(select pid from alive) as alive,
        (select count(*) from pg_stat_activity s
         where s.wait_event_type = 'Lock'
           and pg_blocking_pids(s.pid) && array(select pid from alive)) as held_up"""


class SessionNow(TypedDict):
    """A session that was asked for, as it is now; null where it is gone."""

    nth: int
    pid: int
    backend_start: datetime
    alive: bool
    state: str | None
    usename: str | None
    application_name: str | None
    protected: str | None
    as_found: bool
    signalled: bool


class Remains(TypedDict):
    """The sessions that are still there, and how many wait for one of them."""

    alive: list[int]
    held_up: int


class TerminateSession(Action[PostgresConnector, TerminateSessionParams, TerminateSessionResult]):
    """Ends sessions by pg_terminate_backend. Can't be undone: the server rolls their transactions back."""

    slug: ClassVar[str] = TERMINATE
    title: ClassVar[str] = "End database sessions"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = TerminateSessionParams
    result_model: ClassVar[type[BaseModel]] = TerminateSessionResult
    timeout: ClassVar[float] = 20.0

    async def plan(self, ctx: ActionContext[PostgresConnector], params: TerminateSessionParams) -> Plan:
        rows = await _look_or_end(ctx.via, params, act=False)
        outcomes = _outcomes(rows)
        ending = [row for row, o in zip(rows, outcomes, strict=True) if o.outcome == "terminated"]
        left = [f"session {o.pid}: {o.why}" for o in outcomes if o.outcome == "left_alone"]
        gone = sum(o.outcome == "already_gone" for o in outcomes)
        summary = f"End {len(ending)} database session(s): {params.reason}"
        if not ending:
            summary = "Nothing to end: " + "; ".join(
                [*left[:5], *([f"{gone} session(s) already gone"] if gone else [])]
            )
        return Plan(
            needed=bool(ending),
            summary=summary,
            steps=[
                "End each session by pg_terminate_backend, if it still is the one named and as it was found",
                "Its open transaction is rolled back by the server: this can't be undone",
                "Measure that the sessions are gone and nobody waits for them",
            ]
            if ending
            else [],
            objects=[_object(row) for row in ending],
            evidence={"left_alone": left, "already_gone": gone, "expect": params.expect},
        )

    async def execute(
        self, ctx: ActionContext[PostgresConnector], params: TerminateSessionParams
    ) -> TerminateSessionResult:
        rows = await _look_or_end(ctx.via, params, act=True)
        return TerminateSessionResult(sessions=_outcomes(rows, acted=True))

    async def verify(
        self,
        ctx: ActionContext[PostgresConnector],
        params: TerminateSessionParams,
        result: TerminateSessionResult,
    ) -> Proof:
        """Waits up to 3 s until no ended session is left and nobody waits for any session that was named."""
        left_alone = {s.pid for s in result.sessions if s.outcome == "left_alone"}
        arguments = {
            "pids": [s.pid for s in params.sessions],
            "starts": [s.backend_start for s in params.sessions],
        }
        await ctx.via.require_insight()
        deadline = time.monotonic() + _VERIFY_SECONDS
        while True:
            row = (await ctx.via.rows(_REMAINS, arguments, shape=Remains))[0]
            remaining = sorted(set(row["alive"]) - left_alone)
            if not remaining and row["held_up"] == 0:
                break
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
        gone = len(params.sessions) - len(row["alive"])
        ok = not remaining and row["held_up"] == 0
        return Proof(
            ok=ok,
            summary=f"{gone} of {len(params.sessions)} session(s) are gone, {len(left_alone)} left alone,"
            f" {row['held_up']} session(s) wait for them",
            evidence={
                "still_there": remaining,
                "left_alone": sorted(left_alone),
                "held_up": row["held_up"],
            },
        )


async def _look_or_end(via: PostgresConnector, params: TerminateSessionParams, *, act: bool) -> list[SessionNow]:
    await via.require_insight()
    return await via.rows(
        _LOOK_OR_END,
        {
            "act": act,
            "pids": [s.pid for s in params.sessions],
            "starts": [s.backend_start for s in params.sessions],
            "xacts": [s.xact_start for s in params.sessions],
            "changes": [s.state_change for s in params.sessions],
            "expect": params.expect,
        },
        shape=SessionNow,
    )


def _outcomes(rows: Sequence[SessionNow], *, acted: bool = False) -> list[SessionOutcome]:
    """What was done to each session, or would be (`acted` false)."""
    outcomes = []
    for row in rows:
        outcome: Outcome = "terminated"
        why = ""
        if not row["alive"]:
            outcome = "already_gone"
        elif row["protected"] is not None:
            outcome, why = "left_alone", row["protected"]
        elif not row["as_found"]:
            outcome, why = "left_alone", f"it works again (now {row['state'] or 'in an unknown state'})"
        elif acted and not row["signalled"]:
            outcome = "already_gone"  # it ended by itself within the statement
        outcomes.append(SessionOutcome(pid=row["pid"], backend_start=row["backend_start"], outcome=outcome, why=why))
    return outcomes


def _object(row: SessionNow) -> str:
    return (
        f"session {row['pid']} started {instant(row['backend_start'])}"
        f" ({row['usename']}, {row['application_name'] or 'unnamed'})"
    )

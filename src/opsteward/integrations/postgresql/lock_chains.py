"""Who waits for whom, and which session at the root holds everybody up.

Waiting for a lock is normal; being held up is not. How long a root holds others up is measured as the
longest of:

- the wait so far of its longest waiter (pg_locks.waitstart);
- where the root is idle in transaction: for how long it has done nothing. Waiters that give up after a
  second (lock_timeout) and come back never wait long themselves, yet are held up for all that time;
- where the root runs a statement: for how long that statement has run, seen with waiters;
- where the root alternates (busy, but its transaction never ends): the age of its transaction, counted
  only beyond five times the threshold, and only when two looks found it blocking somebody.

Up to three looks within 0.6 s, so that waiters which come and go are seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, LiteralString, TypedDict

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Severity
from opsteward.contracts.connector import SystemRef
from opsteward.core.json_types import JsonObject
from opsteward.integrations.postgresql.backend_sessions import (
    IDLE_IN_TRANSACTION,
    Expect,
    Session,
    describe,
    sessions_by_pid,
    termination,
)
from opsteward.integrations.postgresql.connector import PostgresConnector

_LOOKS = 3
_BETWEEN_LOOKS = 0.25  # seconds
_ALTERNATING_FACTOR = 5

# Anybody who has held a transaction open for long enough to be a root worth waiting for.
_CANDIDATES: Final[LiteralString] = """
    select count(*) filter (where wait_event_type = 'Lock') as waiting,
           count(*) filter (
               where xact_start < clock_timestamp() - make_interval(secs => %(seconds)s)
                 and state <> 'idle'
           ) as candidates
    from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()"""

_WAITING: Final[LiteralString] = """
    select s.pid, pg_blocking_pids(s.pid) as blocked_by,
        extract(epoch from clock_timestamp() - (
            select min(l.waitstart) from pg_locks l where l.pid = s.pid and not l.granted
        ))::float8 as waited
    from pg_stat_activity s where s.wait_event_type = 'Lock'"""


class Waiting(TypedDict):
    """A session that waits for a lock, for whom, and for how many seconds."""

    pid: int
    blocked_by: list[int]
    waited: float | None


class HeldUp(Session):
    """A session that waits, with how long it has."""

    waited: float | None


#: A transaction of a session; the pid alone for one that has none.
BlockerKey = tuple[int, datetime | None, datetime | None]


@dataclass(kw_only=True)
class Blocker:
    """The root of a chain, over all looks: its latest row and everybody it was seen to hold up."""

    pid: int
    row: Session | None  # None: a prepared transaction, which has no session
    waiters: dict[int, HeldUp] = field(default_factory=dict)
    looks: int = 0

    @property
    def idle(self) -> bool:
        return self.row is not None and self.row["state"] in IDLE_IN_TRANSACTION

    def held_up(self, threshold: float) -> tuple[float, str]:
        """Seconds for which it holds others up, and by which measure; see the module's text."""
        measures = [(max((w["waited"] or 0.0 for w in self.waiters.values()), default=0.0), "longest waiter")]
        if self.row is not None:
            if self.idle:
                measures.append((self.row["state_age"] or 0.0, "root idle in transaction"))
            elif self.row["state"] == "active":
                measures.append((self.row["state_age"] or 0.0, "root's running statement"))
            transaction = self.row["xact_age"] or 0.0
            if self.looks >= 2 and transaction > threshold * _ALTERNATING_FACTOR:
                measures.append((transaction, "root's transaction"))
        return max(measures)


def find_roots(blocked_by: Mapping[int, Sequence[int]]) -> dict[int, set[int]]:
    """From each waiter up to who is not waiting itself: root pid -> pids held up by it, directly or not.

    `blocked_by` maps each waiter to who it waits for. pid 0 stands for a prepared transaction. A cycle has
    no root: the server breaks deadlocks itself.
    """
    roots: dict[int, set[int]] = {}
    for waiter, blockers in blocked_by.items():
        seen: set[int] = set()
        queue = list(blockers)
        while queue:
            pid = queue.pop()
            if pid in seen:
                continue
            seen.add(pid)
            above = blocked_by.get(pid, ())
            queue.extend(above)
            if not above:
                roots.setdefault(pid, set()).add(waiter)
    return roots


class LockChainsCheck(Check[PostgresConnector]):
    """FAIL when a session holds others up for longer than `lock_wait_seconds`; names the root of the chain."""

    slug: ClassVar[str] = "postgresql.lock_chains"
    title: ClassVar[str] = "Lock chains"
    domain: ClassVar[Domain] = "database"
    health: ClassVar[bool] = True

    async def run(self, via: PostgresConnector, target: SystemRef) -> CheckResult:
        threshold = via.config.settings.lock_wait_seconds
        await via.require_insight()
        counts = (await via.rows(_CANDIDATES, {"seconds": threshold}, shape=dict[str, int]))[0]
        if not counts["waiting"] and not counts["candidates"]:
            return CheckResult(status=CheckStatus.PASS, summary="Nobody waits for a lock")
        blockers: dict[BlockerKey, Blocker] = {}
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_BETWEEN_LOOKS)
            await _add_look(via, blockers)
            if any(b.held_up(threshold)[0] > threshold for b in blockers.values()):
                break
        return _judge(list(blockers.values()), threshold)


async def _add_look(via: PostgresConnector, blockers: dict[BlockerKey, Blocker]) -> None:
    """Adds one look. The same transaction of the same session is the same blocker."""
    waiting = {row["pid"]: row for row in await via.rows(_WAITING, shape=Waiting)}
    roots = find_roots({pid: row["blocked_by"] for pid, row in waiting.items()})
    if not roots:
        return
    sessions = await sessions_by_pid(via, [*roots, *waiting])
    for pid, waiters in roots.items():
        row = sessions.get(pid)
        if row is None and pid != 0:
            continue  # it ended between the two looks
        key = (pid, row["backend_start"], row["xact_start"]) if row else (pid, None, None)
        blocker = blockers.setdefault(key, Blocker(pid=pid, row=row))
        blocker.row = row
        blocker.looks += 1
        for waiter in waiters & sessions.keys():
            blocker.waiters[waiter] = {**sessions[waiter], "waited": waiting[waiter]["waited"]}


def _judge(blockers: list[Blocker], threshold: float) -> CheckResult:
    held = sorted(((b, *b.held_up(threshold)) for b in blockers), key=lambda item: -item[1])
    findings = [_finding(blocker, seconds, measure) for blocker, seconds, measure in held if seconds > threshold]
    longest = held[0][1] if held else 0.0
    evidence = {"roots": len(blockers), "held_up_seconds": round(longest, 3), "threshold_seconds": threshold}
    if not findings:
        summary = f"Brief lock waits only ({longest:.1f} s)" if blockers else "Nobody waits for a lock"
        return CheckResult(status=CheckStatus.PASS, summary=summary, evidence=evidence)
    return CheckResult(status=CheckStatus.FAIL, summary=findings[0].description, evidence=evidence, findings=findings)


def _finding(blocker: Blocker, seconds: float, measure: str) -> Finding:
    row = blocker.row
    waiters = sorted(blocker.waiters.values(), key=lambda w: (-(w["waited"] or 0.0), w["pid"]))
    fixes = []
    if row is None:
        root: JsonObject = {"prepared_transaction": True}
        who = "A prepared transaction"
        not_ended_because: str | None = "a prepared transaction has no session"
    else:
        root = describe(row)
        name = row["application_name"] or "unnamed"
        who = f"Session {row['pid']} ({row['usename']}, {name}), {row['state']},"
        not_ended_because = row["protected"]
    description = f"{who} has held up {len(waiters)} session(s) for {seconds:.1f} s"
    if row is not None and row["protected"] is None:
        # Pinned to this very transaction: once it ends, the session holds nobody up by it any more.
        expect: Expect = "idle in transaction" if blocker.idle else "any"
        fixes = [termination([row], expect=expect, reason=description, pin="xact_start")]
    return Finding(
        type="lock_chain",
        severity=Severity.HIGH,
        title="One session holds up others with its locks",
        description=description,
        component=f"session {blocker.pid}" if blocker.pid else "prepared transaction",
        evidence={
            "root": root,
            "held_up_seconds": round(seconds, 3),
            "measured_by": measure,
            "waiters_seen": len(waiters),
            "waiters": [{**describe(w), "waited_seconds": round(w["waited"] or 0.0, 3)} for w in waiters[:10]],
            "not_ended_because": not_ended_because,
        },
        confidence=0.95 if blocker.idle else 0.6,
        cause_rank=0,
        fixes=fixes,
    )

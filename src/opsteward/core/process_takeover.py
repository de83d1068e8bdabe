"""The processes of this installation: heartbeat, one leader, takeover of a dead process's work.

A process that beats is alive. When one falls silent, any other ends the database sessions by which it may still lead
or hold rows (a frozen process keeps its locks), marks it lost, and puts its unfinished workflows back on the queue;
doing so twice is harmless. A process that finds itself marked lost (it was frozen and thawed) exits at once, before it
can touch the world again. One process leads: the holder of an advisory lock runs what must run once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.db import APPLICATION_NAME, Base, Database
from opsteward.core.durable import ENGINE_VERSION, Engine
from opsteward.core.errors import Unavailable
from opsteward.core.ids import uuid7
from opsteward.core.log import get_logger
from opsteward.core.process_heartbeat import STUCK_AFTER, Heartbeat
from opsteward.core.process_identity import host_key, session_mark, started_mark

log = get_logger(__name__)

_RETRY_SECONDS = 2.0  # between two attempts to lead
_LEADER_LOCK = 0x0F57E4A2D


class Process(Base):
    """One running (or lost) process; belongs to no tenant and holds nothing private."""

    __tablename__ = "processes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    pid_started: Mapped[float]  # see `started_mark`
    kind: Mapped[str]
    version: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(default=now)
    beat_at: Mapped[datetime] = mapped_column(default=now)
    lost_at: Mapped[datetime | None]


@dataclass(frozen=True)
class LostProcess:
    """A process that fell silent without having said goodbye."""

    id: UUID
    host: str
    pid: int
    kind: str


class Membership:
    """This process's place among the others. `run()` until cancelled; `leave()` on an orderly end.

    `lost_after` (seconds) should be a few beats; `stuck_after`: see Heartbeat. `on_beat(ok)` is told of every beat
    whether the database took it, and False as soon as one takes longer than `lost_after`. `on_lost(crashed)` is
    called by every process that finds others lost: it takes over what else they had, and may be repeated. `crashed`
    are those that fell silent and that this process was the first to notice.
    """

    def __init__(
        self,
        db: Database,
        engine: Engine,
        *,
        executor_id: UUID,
        kind: str,
        lost_after: float,
        stuck_after: float = STUCK_AFTER,
        on_beat: Callable[[bool], None] = lambda _: None,
        on_lost: Callable[[Sequence[LostProcess]], Awaitable[None]] | None = None,
    ) -> None:
        self._db = db
        self._engine = engine
        self._id = executor_id
        self._kind = kind
        self._lost_after = lost_after
        self._stuck_after = stuck_after
        self._on_beat = on_beat
        self._on_lost = on_lost
        self._beats_since: float | None = None  # on the loop's clock; since when every beat of ours was taken

    async def join(self) -> None:
        """Register; from now on the heart must beat."""
        async with self._db.unit_of_work(None) as session:
            session.add(
                Process(
                    id=self._id,
                    host=host_key(),
                    pid=os.getpid(),
                    pid_started=started_mark(os.getpid()),
                    kind=self._kind,
                    version=ENGINE_VERSION,
                )
            )

    async def run(self, on_leader: Callable[[], Coroutine[object, object, None]]) -> None:
        """Beat, try to lead, and take over the lost. `on_leader` runs while we lead; an error of it is logged, the
        lead given up, and tried for again."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.beat())
            parts.create_task(self._lead(on_leader))
            parts.create_task(self._look_after_others())

    async def beat(self) -> None:
        """Only beat, until cancelled: for the time in which work is brought to an end."""
        heart = Heartbeat(
            self._db.conninfo,
            process_id=self._id,
            application_name=self._db.application_name,
            on_beat=self._note_beat,
            stuck_after=self._stuck_after,
        )
        heart.start()
        try:
            while True:
                await asyncio.sleep(self._lost_after / 4)
                if time.monotonic() - heart.taken_at > self._lost_after:  # it waits for the database itself
                    self._note_beat(False)
        finally:
            await in_thread(heart.stop)

    def _note_beat(self, taken: bool) -> None:
        if not taken:
            self._beats_since = None
        elif self._beats_since is None:
            self._beats_since = asyncio.get_running_loop().time()
        self._on_beat(taken)

    async def leave(self) -> None:
        """Say goodbye: what is left unfinished is taken over without waiting for silence."""
        with suppress(Unavailable):
            async with self._db.unit_of_work(None) as session:
                await session.execute(sa.update(Process).where(Process.id == self._id).values(lost_at=now()))

    async def _look_after_others(self) -> None:
        while True:
            try:
                await self._take_over_lost()
            except Unavailable:
                pass
            except Exception:  # a boundary: one dead process that can't be taken over must not end the living
                log.exception("core.process.takeover_failed")
            await asyncio.sleep(self._lost_after / 2)

    async def _lead(self, on_leader: Callable[[], Coroutine[object, object, None]]) -> None:
        while True:
            try:
                async with self._db.leadership(_LEADER_LOCK, holder=_holder(self._id)) as held:
                    if held:
                        await self._reign(on_leader, held)
            except Unavailable:
                pass
            except Exception:  # a boundary: the lock is given up by now; we or another try again
                log.exception("core.leader.failed", process_id=str(self._id))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _reign(
        self, on_leader: Callable[[], Coroutine[object, object, None]], held: Callable[[], Awaitable[None]]
    ) -> None:
        log.info("core.leader.elected", process_id=str(self._id))
        duties = asyncio.create_task(on_leader())
        try:
            while True:
                await held()  # raises Unavailable when the lock's connection is gone
                await asyncio.wait({duties}, timeout=self._lost_after / 2)
                if duties.cancelled():  # by somebody else than us: awaiting it would end our own task in silence
                    raise RuntimeError("the leader's duties were cancelled")
                if duties.done():
                    return duties.result()
        finally:
            duties.cancel()
            await asyncio.wait({duties})

    async def _take_over_lost(self) -> None:
        """Any process may, and several may at once."""
        async with self._db.unit_of_work(None) as session:
            silence = sa.extract("epoch", sa.func.now() - Process.beat_at)  # by the database's clock alone
            rows = (await session.execute(sa.select(Process, silence).where(Process.id != self._id))).all()
            lost = [
                row.id for row, silent in rows if row.version == ENGINE_VERSION and self._is_lost(row, float(silent))
            ]
            await _end_sessions(session, [row for row, _ in rows if row.id in lost])
            crashed: list[LostProcess] = []
            if lost:
                marked = await session.execute(
                    sa.update(Process)
                    .where(Process.id.in_(lost), Process.lost_at.is_(None))
                    .values(lost_at=sa.func.now())
                    .returning(Process.id, Process.host, Process.pid, Process.kind)
                )
                crashed = [LostProcess(row.id, row.host.partition("|")[0], row.pid, row.kind) for row in marked]
        for dead in lost:
            count = await in_thread(self._engine.recover, dead)
            log.warning("core.process.taken_over", process_id=str(dead), workflows=count)
        if lost and self._on_lost is not None:
            await self._on_lost(crashed)
        async with self._db.unit_of_work(None) as session:
            # The row goes only when nothing pending bears its id, so that a takeover cut short is done again.
            await session.execute(
                sa.text(
                    "delete from opsteward.processes p"
                    " where lost_at is not null and not opsteward.has_pending_workflows(p.id)"
                )
            )

    def _is_lost(self, row: Process, silent: float) -> bool:
        if row.lost_at is not None or (silent > self._lost_after and self._may_judge_silence()):
            return True
        if row.host != host_key():
            return False
        # On our own machine we need not wait for silence: the kernel knows.
        return started_mark(row.pid) != row.pid_started

    def _may_judge_silence(self) -> bool:
        """Not while we were cut off ourselves: when the database was away, everybody was silent."""
        at = asyncio.get_running_loop().time()
        return self._beats_since is not None and at - self._beats_since > self._lost_after


async def _end_sessions(session: AsyncSession, lost: Sequence[Process]) -> None:
    """A frozen process keeps its locks: the leader's, and those on the rows of what it was just writing, such as its
    own beat. One that said goodbye ends its work by itself, and has but its lead taken."""
    names = [_holder(dead.id) for dead in lost]
    for dead in lost:
        if dead.lost_at is None:
            mark = session_mark(dead.host, dead.pid, dead.pid_started)
            names += [f"{APPLICATION_NAME} {of} {mark}" for of in ("app", "engine")]
    if names:
        await session.execute(
            sa.text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = any(:names) and usename = current_user"
            ),
            {"names": names},
        )


def _holder(process_id: UUID) -> str:
    """The name of the database session by which a process leads."""
    return f"{APPLICATION_NAME} leader {process_id.hex[:24]}"


def new_executor_id() -> UUID:
    """One for each start of a process: work of the previous start is never mistaken for our own."""
    return uuid7()

"""Emergency controls: pause and resume everything, one tenant, one task type or one action.

A pause holds from the moment it is committed: nothing is claimed any more, and what runs waits before its next
step. It stops what is new, not an effect that is under way. Every process keeps the pauses in memory, kept fresh by
notices, for the gates between steps; what is claimed is judged by the database itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.tasks.models import Pause
from opsteward.tasks.types import CONTROLS, READY, PauseInfo
from opsteward.telemetry import audit

log = get_logger(__name__)

#: The tenant under which a pause of the whole installation stands.
EVERYBODY = UUID(int=0)
SCOPES = ("everything", "tenant", "task_type", "action")


async def pause(session: AsyncSession, *, scope: str, target: str = "", reason: str = "", actor: str) -> PauseInfo:
    """Set a pause; the same again changes nothing. `everything` needs a unit of work of `EVERYBODY`.

    Raises Invalid for an unknown scope, or a target where none belongs.
    """
    _check(scope, target)
    tenant_id = tenant_of(session)
    await session.execute(
        insert(Pause)
        .values(id=uuid7(), tenant_id=tenant_id, scope=scope, target=target, reason=reason, paused_by=actor)
        .on_conflict_do_nothing()
    )
    await _record(session, "paused", scope=scope, target=target, actor=actor, detail={"reason": reason})
    return next(one for one in await in_force(session) if (one.scope, one.target) == (scope, target))


async def resume(session: AsyncSession, *, scope: str, target: str = "", actor: str) -> None:
    """Lift a pause. Raises NotFound when there is none."""
    _check(scope, target)
    lifted = await session.scalar(
        sa.delete(Pause)
        .where(Pause.tenant_id == tenant_of(session), Pause.scope == scope, Pause.target == target)
        .returning(Pause.id)
    )
    if lifted is None:
        raise NotFound(f"nothing is paused: {scope} {target}".strip(), remedy="see GET /api/v1/controls")
    await _record(session, "resumed", scope=scope, target=target, actor=actor, detail={})
    await feed.announce(session, kind=READY, object_id="")


async def pause_everything(db: Database, *, reason: str = "", actor: str, home: UUID) -> PauseInfo:
    """Stop the whole installation, all tenants; `home` is the tenant of who does it."""
    async with db.unit_of_work(EVERYBODY) as session:
        made = await pause(session, scope="everything", reason=reason, actor=actor)
    await _record_at_home(db, home, "paused", actor=actor, reason=reason)
    return made


async def resume_everything(db: Database, *, reason: str = "", actor: str, home: UUID) -> None:
    """The whole installation goes on, but for what is paused by itself. Raises NotFound when it was not paused."""
    async with db.unit_of_work(EVERYBODY) as session:
        await resume(session, scope="everything", actor=actor)
    await _record_at_home(db, home, "resumed", actor=actor, reason=reason)


async def _record_at_home(db: Database, home: UUID, what: str, *, actor: str, reason: str) -> None:
    """Who stopped or started everything is in the log of their own tenant too, where people look."""
    async with db.unit_of_work(home) as session:
        await audit.record(
            session,
            actor=actor,
            verb=f"controls.{what}",
            object_type="everything",
            object_id="everything",
            detail={"reason": reason},
        )


async def in_force(session: AsyncSession) -> list[PauseInfo]:
    """The pauses that hold for this unit of work's tenant, those of the installation among them."""
    rows = await session.execute(sa.text("select * from opsteward.pauses_in_force() order by paused_at"))
    return [_info(row) for row in rows]


def pause_of(pauses: Sequence[PauseInfo], *, task_type: str = "", action: str = "") -> PauseInfo | None:
    """The first of these pauses that stops a task of this type, or this action."""
    for one in pauses:
        if one.scope in ("everything", "tenant"):
            return one
        if (one.scope, one.target) in (("task_type", task_type), ("action", action)):
            return one
    return None


class Gate:
    """The pauses of all tenants, in the memory of one worker. `refresh()` on a notice of kind `controls`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        #: Called after every refresh.
        self.on_change: Callable[[], None] = lambda: None
        self._pauses: list[PauseInfo] = []
        self._changed = asyncio.Event()

    async def refresh(self) -> None:
        """Read them anew. Raises Unavailable."""
        async with self._db.unit_of_work(None) as session:
            rows = await session.execute(sa.text("select * from opsteward.all_pauses()"))
            self._pauses = [_info(row) for row in rows]
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self.on_change()

    def closed_for(self, tenant_id: UUID, *, task_type: str = "", action: str = "") -> PauseInfo | None:
        """What stops this now, None when nothing does."""
        if not self._pauses:
            return None
        mine = [one for one in self._pauses if one.tenant_id in (tenant_id, EVERYBODY)]
        return pause_of(mine, task_type=task_type, action=action)

    async def passed(self, tenant_id: UUID, *, task_type: str) -> None:
        """Wait, for as long as it takes, until a task of this type may go on."""
        while self.closed_for(tenant_id, task_type=task_type) is not None:
            await self._changed.wait()


def _check(scope: str, target: str) -> None:
    if scope not in SCOPES:
        raise Invalid.field("scope", f"{scope[:40]!r} is none", f"use one of {', '.join(SCOPES)}")
    if scope in ("task_type", "action") and not target:
        raise Invalid.field("target", "is missing", f"name the {scope.replace('_', ' ')}")
    if scope in ("everything", "tenant") and target:
        raise Invalid.field("target", "has no meaning for this scope", "leave it out")


async def _record(session: AsyncSession, what: str, *, scope: str, target: str, actor: str, detail: JsonObject) -> None:
    log.warning(f"tasks.controls.{what}", scope=scope, target=target, actor=actor)
    await audit.record(
        session,
        actor=actor,
        verb=f"controls.{what}",
        object_type=scope,
        object_id=target or scope,
        detail=detail,
    )
    data = {"scope": scope, "target": target, "paused": what == "paused"}
    await record_changes(session, [Change(type="controls_changed", data=data)])
    await feed.announce(session, kind=CONTROLS, object_id="")


def _info(row: sa.Row[tuple[object, ...]]) -> PauseInfo:
    return PauseInfo(
        scope=row.scope,
        target=row.target,
        reason=row.reason,
        paused_by=row.paused_by,
        paused_at=row.paused_at,
        tenant_id=row.tenant_id,
    )

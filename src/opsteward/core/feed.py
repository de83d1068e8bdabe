"""The live feed inside the installation: what changed, told by PostgreSQL's NOTIFY to every process.

A notice says only which thing of which tenant changed, so that a listener reads it again under its own rights; it
is sent by the transaction that changes it, and never before that is committed. A listener that was away has to
read everything again: it is told so by a notice of kind `reconnected`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import APPLICATION_NAME, at_the_end, tenant_of
from opsteward.core.log import get_logger

log = get_logger(__name__)

CHANNEL = "opsteward_feed"
RECONNECTED = "reconnected"
#: Tells on that channel the notices that are bound as `payloads`.
TELL = "select pg_notify('opsteward_feed', payload) from unnest(cast(:payloads as text[])) as payload"
_NOTIFY = sa.text(TELL)


@dataclass(frozen=True)
class Notice:
    """Something changed: `kind` is incident, action, system or the like; `id` is its id."""

    tenant_id: UUID | None
    kind: str
    id: str


Listener = Callable[[Notice], None]


async def announce(session: AsyncSession, *, kind: str, object_id: str) -> None:
    """Tell all processes once this unit of work is committed; the same notice twice in it is sent once."""
    payload = json.dumps({"tenant": str(tenant_of(session)), "kind": kind, "id": object_id})
    session.info.setdefault("notices", {})[payload] = None
    at_the_end(session, "notices", _notify, last=True)


def waiting_notices(session: AsyncSession) -> list[str]:
    """What waits to be told, for who tells it by `TELL` within a statement of its own."""
    return list(session.info.pop("notices", ()))


async def _notify(session: AsyncSession) -> None:
    if payloads := waiting_notices(session):
        await session.execute(_NOTIFY, {"payloads": payloads})


class Feed:
    """One listening connection per process. `run()` until cancelled; listeners must be quick and not raise."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners: set[Listener] = set()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` for every notice; returns what ends it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def run(self) -> None:
        """Listen, and after a lost connection again."""
        while True:
            with suppress(psycopg.Error):
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, application_name=f"{APPLICATION_NAME} feed", connect_timeout=5
                ) as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    self._tell(Notice(None, RECONNECTED, ""))
                    async for note in connection.notifies():
                        if notice := _parse(note.payload):
                            self._tell(notice)
            await asyncio.sleep(1.0)

    def _tell(self, notice: Notice) -> None:
        for listener in list(self._listeners):
            listener(notice)


def _parse(payload: str) -> Notice | None:
    """None for what is no notice of ours: anybody who may sign in to the database may notify on any channel."""
    try:
        data = json.loads(payload)
        return Notice(UUID(str(data["tenant"])), str(data["kind"]), str(data["id"]))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        log.warning("core.feed.notice_ignored", characters=len(payload), error=type(error).__name__)
        return None

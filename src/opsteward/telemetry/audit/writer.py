"""One process's hand in the audit log: it marks each entry that it writes, with a key that the database has not.

A mark binds content, id and tenant, which process wrote it, as its how manieth entry of the tenant, and how many of
its earlier ones it knew to be committed. So an entry that is missing later shows by the next one of its writer.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from opsteward.core.db import tenant_of
from opsteward.telemetry.audit.chain import as_stored, mark_of

_IN_SESSION = "audit_writer"


class AuditWriter:
    """Marks entries; one for each process, shared by its databases."""

    def __init__(self, key: bytes) -> None:
        """`key` is `SecretBox.audit_key()`."""
        self._key = key
        self._id = uuid4()
        self._lock = threading.Lock()
        self._numbers: Counter[UUID] = Counter()
        self._committed: Counter[UUID] = Counter()

    @property
    def session_info(self) -> dict[str, object]:
        """What a `Database` gives to its sessions, so that they can write entries."""
        return {_IN_SESSION: self}

    def marked(self, row: Mapping[str, object]) -> dict[str, object]:
        """The entry's row, complete with its mark."""
        tenant_id, detail = row["tenant_id"], row["detail"]
        assert isinstance(tenant_id, UUID) and isinstance(detail, Mapping)
        with self._lock:
            number, before = self._numbers[tenant_id], self._committed[tenant_id]
            self._numbers[tenant_id] += 1
        numbers = {"writer": self._id, "writer_number": number, "writer_before": before}
        whole = {**row, **numbers, "detail": as_stored(detail)}
        return whole | {"mark": mark_of(whole, key=self._key)}

    def note_written(self, session: AsyncSession, count: int) -> None:
        """So many entries are committed with this session. What a savepoint may yet take back is not counted, which
        hides nothing but that a count is lower than it could be."""
        if count <= 0 or session.in_nested_transaction():
            return
        if "audit_written" not in session.info:
            session.info["audit_written"] = 0
            tenant_id = tenant_of(session)

            def committed(inner: Session) -> None:
                if inner.in_nested_transaction():  # the end of a savepoint
                    return
                with self._lock:
                    self._committed[tenant_id] += session.info.pop("audit_written", 0)

            sa.event.listen(session.sync_session, "after_commit", committed)
        session.info["audit_written"] += count


def writer_of(session: AsyncSession) -> AuditWriter:
    """Who writes entries in this session."""
    writer: AuditWriter = session.info[_IN_SESSION]
    return writer

"""Looks where the audit chains end and writes it down outside the database: each working process does, for its home."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.log import get_logger
from opsteward.telemetry.audit.chain import end_hash
from opsteward.telemetry.audit.recording import record
from opsteward.telemetry.audit.witness_files import Statement, Witnesses
from opsteward.telemetry.models import AuditHead, AuditSeal

log = get_logger(__name__)

_LOOK_EVERY = 5.0  # seconds


class Witnessing:
    """Keeps the witnesses of one process up to date."""

    def __init__(self, db: Database, witnesses: Witnesses, *, key: bytes) -> None:
        self._db = db
        self._witnesses = witnesses
        self._key = key
        self._known: dict[UUID, Statement] | None = None
        self._looked_at: dict[UUID, tuple[int, str]] = {}
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            with suppress(Unavailable):
                await self.look()
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> None:
        """Write down where each chain ends that has moved since. What does not go on from what was seen is said in
        the log and in the tenant's audit log, and written down as it is. Raises Unavailable."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        known = await self._what_is_known()
        async with self._db.unit_of_work(None) as session:
            ends = (await session.execute(sa.text("select * from opsteward.audit_ends()"))).all()
        there = {row.tenant_id: (int(row.seq), str(row.hash)) for row in ends}
        there |= {tenant: (0, "") for tenant in known if tenant not in there}  # a chain that is gone altogether
        statements = []
        for tenant_id, end in there.items():
            if self._looked_at.get(tenant_id) != end and not self._is_known(known.get(tenant_id), end):
                statements.append(await self._look_at(tenant_id, known.get(tenant_id)))
            self._looked_at[tenant_id] = end
        if statements or self._witnesses.owes:
            for trouble in await in_thread(self._witnesses.add, statements):
                log.error("telemetry.audit.witness_not_written", reason=trouble)
            known.update({said.tenant_id: said for said in statements})

    def _is_known(self, said: Statement | None, end: tuple[int, str]) -> bool:
        if said is None or said.seq != end[0]:
            return False
        return said.seq == 0 or end_hash(said.tenant_id, seq=said.seq, last=said.hash, key=self._key) == end[1]

    async def _what_is_known(self) -> dict[UUID, Statement]:
        if self._known is None:
            try:
                self._known = await in_thread(self._witnesses.newest)
            except OSError as error:
                log.error("telemetry.audit.witness_not_read", reason=error.strerror)
                self._known = {}
            if not self._known:
                log.info("telemetry.audit.witness_begins")
        return self._known

    async def _look_at(self, tenant_id: UUID, before: Statement | None) -> Statement:
        wanted = (AuditHead.seq, before.seq if before else 0)
        async with self._db.unit_of_work(tenant_id) as session:
            rows = await session.execute(
                sa.select(AuditHead.seq, AuditHead.hash, AuditSeal.seq, AuditSeal.hash)
                .outerjoin(AuditSeal, (AuditSeal.tenant_id == tenant_id) & AuditSeal.seq.in_(wanted))
                .where(AuditHead.tenant_id == tenant_id)
            )
            end, end_is, seals = 0, "", {}
            for end, end_is, seq, sealed in rows.all():  # noqa: B007 - the first two are the same in each
                seals[seq] = sealed
            last = seals.get(end) or ""
            sound = end == 0 or end_hash(tenant_id, seq=end, last=last, key=self._key) == end_is
            found = Statement(tenant_id=tenant_id, seq=end, hash=last, at=now())
            if sound and (before is None or before.seq == 0 or seals.get(before.seq) == before.hash):
                return found
            detail = {"seen": before.seq if before else 0, "found": end}
            log.error("telemetry.audit.chain_broken", tenant_id=str(tenant_id), **detail)
            await record(
                session,
                actor="system:witness",
                verb="audit.chain_broken",
                object_type="tenant",
                object_id=str(tenant_id),
                detail=detail,
            )
            return replace(found, breaks=True)

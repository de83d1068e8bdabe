"""Compares a tenant's audit log with its seals, its writers' marks, and what was seen of it outside the database."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.telemetry.audit.chain import GENESIS, end_hash, entry_hash, is_marked
from opsteward.telemetry.audit.witness_files import Statement, WitnessView
from opsteward.telemetry.models import AuditEntry, AuditHead, AuditPending, AuditSeal

_BATCH = 1000


@dataclass
class WitnessReport:
    """How far one witness and the chain say the same: up to entry `agrees_to` of the `newest` that it saw."""

    name: str
    agrees_to: int = 0
    newest: int = 0
    newest_at: datetime | None = None


@dataclass
class Verdict:
    """What a verification found. `problems` names each altered, missing, added or refused entry."""

    sealed: int = 0
    pending: int = 0
    problems: list[str] = field(default_factory=list)
    witnesses: list[WitnessReport] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


async def verify(session: AsyncSession, *, key: bytes, witnesses: Sequence[WitnessView] = ()) -> Verdict:
    """Walk the tenant's whole chain and compare every entry with its seal, made with the same `key`, and the chain
    with what `witnesses` (see `telemetry.audit.witness_files`) saw of it."""
    tenant_id = tenant_of(session)
    verdict = Verdict()
    # Read before the walk: what is sealed meanwhile only adds to the chain, so the walk must come past this end.
    head = await session.get(AuditHead, tenant_id)
    end = (head.seq, head.hash) if head is not None else None
    seen = _Seen(witnesses)
    writers = _Writers()
    seq, previous = 0, GENESIS
    while rows := await _sealed_after(session, tenant_id, seq):
        for seal_row, entry in rows:
            verdict.problems += _problems_at(seal_row, entry, seq=seq, previous=previous, key=key)
            here = (seal_row.seq, end_hash(tenant_id, seq=seal_row.seq, last=seal_row.hash, key=key))
            if end is not None and here[0] == end[0] and here != end:
                verdict.problems.append(
                    f"entry {seal_row.seq} ({seal_row.entry_id}): another one was sealed in its place"
                )
            writers.explained += seal_row.seq - seq - 1
            writers.note(entry)
            seq, previous = seal_row.seq, seal_row.hash
            seen.compare(seq, previous)
            verdict.sealed += 1
    again = await session.get(AuditHead, tenant_id, populate_existing=True)  # it moved with all that came meanwhile
    if seq and (again is None or again.seq < seq):
        verdict.problems.append(f"the end of the chain is not on record: entries after {seq} may be missing")
    elif end is not None and end[0] > seq:
        verdict.problems.append(f"entries {seq + 1} to {end[0]}: cut off the end of the chain")
        writers.explained += end[0] - seq
    await _check_unsealed(session, tenant_id, verdict, writers, key)
    verdict.problems += [*writers.problems(), *seen.problems(end=seq, cut=end[0] if end is not None else 0)]
    verdict.witnesses = seen.reports
    if not verdict.sealed and not verdict.pending:
        verdict.problems.insert(0, "the log is empty, though every tenant's begins with entry 1, its creation")
    return verdict


def _problems_at(
    seal_row: AuditSeal, entry: AuditEntry | None, *, seq: int, previous: str, key: bytes
) -> Iterator[str]:
    """What is wrong with an entry in its place: `seq` and `previous` are those of the one before it."""
    if seal_row.seq != seq + 1:
        yield f"entries {seq + 1} to {seal_row.seq - 1}: their seals are missing"
        if entry is None:
            yield f"entry {seal_row.seq} ({seal_row.entry_id}): removed"
        elif entry.mark is not None and not is_marked(entry, key=key):
            yield f"entry {seal_row.seq} ({seal_row.entry_id}, {entry.verb}): altered after it was sealed"
    elif entry is None:
        yield f"entry {seal_row.seq} ({seal_row.entry_id}): removed"
    elif entry_hash(entry, seq=seal_row.seq, previous=previous, key=key) != seal_row.hash:
        named = f"entry {seal_row.seq} ({seal_row.entry_id}, {entry.verb})"
        if is_marked(entry, key=key):
            yield f"{named}: as it was written, but not in its place: reordered, or what stood before it is another"
        else:
            yield f"{named}: altered after it was sealed"


async def _sealed_after(session: AsyncSession, tenant_id: UUID, seq: int) -> list[tuple[AuditSeal, AuditEntry | None]]:
    rows = await session.execute(
        sa.select(AuditSeal, AuditEntry)
        .outerjoin(AuditEntry, (AuditEntry.id == AuditSeal.entry_id) & (AuditEntry.tenant_id == tenant_id))
        .where(AuditSeal.tenant_id == tenant_id, AuditSeal.seq > seq)
        .order_by(AuditSeal.seq)
        .limit(_BATCH)
    )
    return [(seal_row, entry) for seal_row, entry in rows.all()]


async def _check_unsealed(
    session: AsyncSession, tenant_id: UUID, verdict: Verdict, writers: _Writers, key: bytes
) -> None:
    pending = await session.execute(
        sa.select(AuditPending, AuditEntry)
        .outerjoin(AuditEntry, (AuditEntry.id == AuditPending.entry_id) & (AuditEntry.tenant_id == tenant_id))
        .where(AuditPending.tenant_id == tenant_id)
    )
    rows: list[tuple[AuditPending, AuditEntry | None]] = [(waiting, entry) for waiting, entry in pending.all()]
    for waiting, entry in rows:
        if waiting.refused is not None:
            verdict.problems.append(f"entry {waiting.entry_id}: kept out of the chain, {waiting.refused}")
            continue
        verdict.pending += 1
        writers.note(entry)
        if entry is None:
            verdict.problems.append(f"entry {waiting.entry_id}: removed before it was sealed")
        elif not is_marked(entry, key=key):
            verdict.problems.append(
                f"entry {waiting.entry_id} ({entry.verb}): waits for its seal, but is not as a process of ours wrote it"
            )
    orphans = await session.scalars(
        sa.select(AuditEntry)
        .outerjoin(AuditSeal, (AuditSeal.entry_id == AuditEntry.id) & (AuditSeal.tenant_id == tenant_id))
        .outerjoin(AuditPending, (AuditPending.entry_id == AuditEntry.id) & (AuditPending.tenant_id == tenant_id))
        .where(AuditEntry.tenant_id == tenant_id, AuditSeal.seq.is_(None), AuditPending.entry_id.is_(None))
    )
    for orphan in orphans:
        writers.note(orphan)
        verdict.problems.append(f"entry {orphan.id}: has no seal and does not wait for one")


class _Writers:
    """Whether all is there that each writer knew to be committed when it wrote its next entry. `explained` are those
    of which it is said already that they are not."""

    def __init__(self) -> None:
        self.explained = 0
        self._counts: dict[UUID, array[int]] = defaultdict(lambda: array("q"))

    def note(self, entry: AuditEntry | None) -> None:
        """Two numbers for an entry, so that a log of millions is counted in memory; None for a missing one."""
        if entry is None:
            self.explained += 1
        elif entry.writer is not None and entry.writer_number is not None:
            self._counts[entry.writer].extend((entry.writer_number, entry.writer_before or 0))

    def problems(self) -> list[str]:
        """What is missing, by writer, if it is more than has been explained."""
        found, missing = [], 0
        for writer, numbers in self._counts.items():
            ordered = sorted(zip(numbers[::2], numbers[1::2], strict=True))
            gap, at = max((before - position, number) for position, (number, before) in enumerate(ordered))
            if gap > 0:
                missing += gap
                found.append(
                    f"{gap} entries that process {writer} wrote before its number {at}: committed, but not there"
                )
        return found if missing > self.explained else []


class _Seen:
    """What the witnesses saw, compared on the way through the chain."""

    def __init__(self, witnesses: Sequence[WitnessView]) -> None:
        self.reports = [WitnessReport(name=one.name) for one in witnesses]
        self._problems: list[str] = []
        self._at: dict[int, list[tuple[WitnessReport, Statement]]] = defaultdict(list)
        self._differs: set[str] = set()
        for report, one in zip(self.reports, witnesses, strict=True):
            self._problems += [f"witness {one.name}: {trouble}" for trouble in one.troubles]
            for said in (each for each in one.statements if each.seq):
                self._at[said.seq].append((report, said))
                if said.seq >= report.newest:
                    report.newest, report.newest_at = said.seq, said.at

    def compare(self, seq: int, sealed: str) -> None:
        for report, said in self._at.pop(seq, ()):
            if said.hash == sealed:
                report.agrees_to = seq if report.name not in self._differs else report.agrees_to
            elif report.name not in self._differs:
                self._differs.add(report.name)
                self._problems.append(
                    f"entry {seq}: witness {report.name} saw another chain at {said.at:%Y-%m-%d %H:%M:%S} UTC:"
                    f" from entry {report.agrees_to + 1} on it was sealed anew"
                )

    def problems(self, *, end: int, cut: int) -> list[str]:
        """All of them, once the walk has come to the `end` of the chain; that it is cut off up to `cut` is said."""
        for report in self.reports:
            ahead = [said for seq, rows in self._at.items() if seq > end for who, said in rows if who is report]
            if ahead and (last := max(ahead, key=lambda said: said.seq)).seq > max(end, cut):
                self._problems.append(
                    f"entries {end + 1} to {last.seq}: witness {report.name} saw them sealed"
                    f" at {last.at:%Y-%m-%d %H:%M:%S} UTC, and they are not there"
                )
        return self._problems

"""All that the diagnoser knows, in the order of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from opsteward.contracts.check import Severity
from opsteward.integrations.postgresql.backend_sessions import TERMINATE
from opsteward.integrations.postgresql.diagnosis import (
    configuration,
    connections,
    indexes,
    locks,
    migrations,
    queries,
    replication,
    statistics_and_sequences,
    storage,
    vacuum,
    wal,
)
from opsteward.integrations.postgresql.diagnosis.connecting import REFUSALS
from opsteward.integrations.postgresql.diagnosis.rule import Cause, Rule
from opsteward.integrations.postgresql.diagnosis.snapshot import Reading

RULES: Final[Sequence[Rule]] = tuple(
    rule
    for subject in (
        connections,
        locks,
        queries,
        wal,
        replication,
        vacuum,
        indexes,
        statistics_and_sequences,
        configuration,
        storage,
        migrations,
    )
    for rule in subject.RULES.entries
)


def _readings() -> Sequence[Reading]:
    """Each reading once, what others follow before them."""
    found: dict[str, Reading] = {}
    for rule in RULES:
        for reading in rule.reads:
            if reading.of is not None:
                found.setdefault(reading.of.name, reading.of)
            found.setdefault(reading.name, reading)
    return tuple(found.values())


READINGS: Final = _readings()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the catalogue. `check`: which check tells it."""

    id: str
    subject: str
    finds: str
    severity: Severity
    cause: Cause
    remedy: tuple[str, ...]
    advice: str
    check: str
    is_risk: bool = False


_HEALTH: Final[Sequence[tuple[str, str, str, Severity, Cause, tuple[str, ...], str, str]]] = (
    ("lock_chain", "locks", "One session holds up others with its locks", Severity.HIGH, "application",
     (TERMINATE,), "End the root of the chain", "postgresql.lock_chains"),
    ("connection_saturation", "connections", "A connection limit of the server, a role or a database fills up",
     Severity.HIGH, "capacity", (), "Find who holds the connections; raise the limit", "postgresql.connections"),
    ("connection_leak", "connections", "Connections are held and not used", Severity.HIGH, "application",
     (TERMINATE,), "The application has to give its connections back", "postgresql.connections"),
    ("idle_in_transaction", "connections", "Sessions sit idle inside open transactions", Severity.MEDIUM,
     "application", (TERMINATE,), "The application has to end its transactions", "postgresql.idle_in_transaction"),
    ("long_query", "queries", "Statements run for very long", Severity.MEDIUM, "workload", (),
     "Cancel it when nobody wants it: postgresql.cancel_statement", "postgresql.long_queries"),
)  # fmt: skip


def catalogue() -> list[Entry]:
    """Every check by its id: of connecting, of health, and of the diagnosis."""
    entries = [
        Entry(id=r.id, subject="connecting", finds=r.finds, severity=Severity.HIGH, cause=r.cause, remedy=(),
              advice=r.advice, check="postgresql.connect")
        for r in REFUSALS
    ]  # fmt: skip
    entries += [
        Entry(id=i, subject=s, finds=f, severity=v, cause=c, remedy=r, advice=a, check=k)
        for i, s, f, v, c, r, a, k in _HEALTH
    ]
    entries += [
        Entry(id=r.id, subject=r.subject, finds=r.finds, severity=r.severity, cause=r.cause, remedy=r.remedy,
              advice=r.advice, check="postgresql.diagnosis", is_risk=r.is_risk)
        for r in RULES
    ]  # fmt: skip
    return entries

"""The figures of the database that `/metrics` shows, read when somebody asks and not by a clock.

One function of the database reads them all. An answer is kept for some seconds, and longer where reading took long,
so that scrapes never cost the database more than a twentieth of its time, however many scrape.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opsteward.core.db import Database
from opsteward.core.errors import Unavailable

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_KEPT_FOR = 5.0  # seconds
_SHARE = 20  # an answer that took a second to read is kept for so many

#: What the function `figures` gives: the metric's help and its labels.
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "tasks": ("Tasks by type and status", ("task_type", "status")),
    "tasks_ready": ("Tasks that could be claimed now", ("task_type",)),
    "tasks_delayed": ("Tasks whose time has not come", ("task_type",)),
    "tasks_waiting": ("Tasks that wait for others", ("task_type",)),
    "task_oldest_ready_seconds": ("How long the oldest task that could be claimed waits", ()),
    "incidents": ("Incidents by status", ("status",)),
    "actions": ("Actions by name and status", ("action", "status")),
    "systems": ("Watched systems by health", ("health",)),
    "agents": ("Background agents by status", ("status",)),
    "pauses": ("Emergency pauses in force", ("scope",)),
    "audit_unsealed": ("Audit entries that wait for their seal", ()),
    "processes": ("Processes of the installation", ("kind", "state")),
    "leaders": ("Processes that lead: one, but for moments", ()),
}
#: Those that belong to no tenant.
_OF_INSTALLATION = frozenset({"processes", "leaders"})


@dataclass(frozen=True)
class Figure:
    """One sample: of which family, with which labels."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass
class _Kept:
    figures: list[Figure] | None = None  # None: the database was away
    until: float = 0.0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Figures:
    """Reads and keeps them; one per process that serves."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: defaultdict[UUID | None, _Kept] = defaultdict(_Kept)

    async def read(self, tenant_id: UUID | None) -> list[Figure] | None:
        """Of one tenant, or (None) of the whole installation; None while the database is away."""
        kept = self._kept[tenant_id]
        async with kept.reading:
            began = monotonic()
            if began >= kept.until:
                kept.figures = await self._read_now(tenant_id)
                took = monotonic() - began
                kept.until = monotonic() + (0 if kept.figures is None else max(_KEPT_FOR, took * _SHARE))
            return kept.figures

    async def _read_now(self, tenant_id: UUID | None) -> list[Figure] | None:
        try:
            async with self._db.unit_of_work(tenant_id) as session:
                rows = await session.execute(sa.text("select * from opsteward.figures(:own)"), {"own": tenant_id})
                return [Figure(row.figure, row.labels, row.value) for row in rows]
        except Unavailable:
            return None


def exposition(*parts: Collector) -> bytes:
    """The text that Prometheus reads."""
    return generate_latest(_Together(parts))


class _Together(Collector):
    """Several collectors as one."""

    def __init__(self, parts: Sequence[Collector]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            yield from part.collect()


class Announcement(Collector):
    """Figures that were read, as metrics; those of the installation too, if `whole`."""

    def __init__(self, figures: Sequence[Figure] | None, *, whole: bool) -> None:
        self._figures = figures
        self._whole = whole

    def collect(self) -> Iterator[Metric]:
        """Every family, those without a sample too, so that a query knows its name."""
        up = GaugeMetricFamily("opsteward_database_up", "Whether the database answered this scrape")
        up.add_metric([], 0.0 if self._figures is None else 1.0)
        yield up
        for name, (told, labels) in FAMILIES.items():
            if self._figures is None or (name in _OF_INSTALLATION and not self._whole):
                continue
            family = GaugeMetricFamily(f"opsteward_{name}", told, labels=labels)
            for figure in self._figures:
                if figure.name == name:
                    family.add_metric([figure.labels[label] for label in labels], figure.value)
            yield family

"""Pages of public status: for everybody, without a token. They say how the systems fare that have a `public_name`, by
that name alone: nothing else of them, of incidents only when they were.

A page is made at most every few seconds, however many ask.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsteward.accounts.tenants import list_tenants
from opsteward.console.languages import N_, _, language
from opsteward.console.rendering import render
from opsteward.console.system_history import Strip, strips
from opsteward.core.clock import now
from opsteward.core.db import Database, DatabaseSession
from opsteward.core.errors import NotFound
from opsteward.events.incidents import Incidents
from opsteward.systems.service import Inventory
from opsteward.systems.types import SystemInfo

#: The setting of a system by which it is shown, and what it is called there.
PUBLIC_NAME = "public_name"
_MADE_EVERY = 10.0  # seconds
_SYSTEMS_LIMIT = 100
_INCIDENTS_LIMIT = 100
_INCIDENT_DAYS = 30


@dataclass(frozen=True)
class _Look:
    """How a health is told of one system, and of all where none fares worse."""

    words: str
    tone: str
    of_all: str


#: The worst first.
_LOOKS = {
    "down": _Look(N_("Does not work"), "bad", N_("Something does not work.")),
    "degraded": _Look(
        N_("Works, but slower or with faults"), "warn", N_("Something is slower than usual, or has faults.")
    ),
    "unknown": _Look(N_("Not known at present"), "calm", N_("Of something the state is not known at present.")),
    "healthy": _Look(N_("Works"), "good", N_("Everything works.")),
}


@dataclass(frozen=True)
class PublicSystem:
    """A system as everybody sees it."""

    name: str
    words: str
    tone: str
    strip: Strip


@dataclass(frozen=True)
class PublicIncident:
    """That a system had trouble, from then to then."""

    name: str
    opened_at: datetime
    resolved_at: datetime | None


class PublicStatus:
    """The pages by their paths, each of one tenant."""

    def __init__(self, db: Database, inventory: Inventory, incidents: Incidents, pages: Mapping[str, str]) -> None:
        self._db = db
        self._inventory = inventory
        self._incidents = incidents
        self._pages = pages
        self._made: dict[tuple[str, str], tuple[float, str]] = {}  # by path and language
        self._making = asyncio.Lock()

    def has(self, path: str) -> bool:
        """Whether this is the path of a page."""
        return path in self._pages

    async def html(self, path: str) -> str:
        """The page at this path. Raises NotFound where its tenant is gone, Unavailable."""
        async with self._making:
            made = self._made.get((path, language()))
            if made is None or time.monotonic() - made[0] > _MADE_EVERY:
                made = self._made[path, language()] = (time.monotonic(), await self._html(self._pages[path]))
            return made[1]

    async def _html(self, tenant: str) -> str:
        async with self._db.unit_of_work(None) as session:
            found = [one for one in await list_tenants(session) if one.name == tenant and one.status == "active"]
        if not found:
            raise NotFound("there is no page at this address")
        async with self._db.unit_of_work(found[0].id) as session:
            shown = [one for one in await self._inventory.all(session) if _public_name(one) and one.enabled]
            shown = sorted(shown, key=lambda one: _public_name(one).casefold())[:_SYSTEMS_LIMIT]
            past = await strips(session, [one.id for one in shown])
            incidents = await self._incidents_of(session, shown)
        looks = {one.id: _LOOKS[_health_of(one)] for one in shown}
        worst = next((look for look in _LOOKS.values() if look in looks.values()), _LOOKS["unknown"])
        return render(
            "public_status.html",
            title=_("Status of %(tenant)s", tenant=tenant),
            words=_(worst.of_all) if shown else _("Nothing is shown here yet."),
            tone=worst.tone,
            systems=[
                PublicSystem(_public_name(one), _(looks[one.id].words), looks[one.id].tone, past[one.id])
                for one in shown
            ],
            incidents=incidents,
            days=_INCIDENT_DAYS,
            made_at=now(),
        )

    async def _incidents_of(self, session: DatabaseSession, shown: Sequence[SystemInfo]) -> list[PublicIncident]:
        names = {one.id: _public_name(one) for one in shown}
        since = now() - timedelta(days=_INCIDENT_DAYS)
        found = await self._incidents.outages(session, system_ids=list(names), since=since, limit=_INCIDENTS_LIMIT)
        return [PublicIncident(names[one.system_id], one.opened_at, one.resolved_at) for one in found]


def _public_name(system: SystemInfo) -> str:
    name = system.settings.get(PUBLIC_NAME)
    return name.strip()[:100] if isinstance(name, str) else ""


def _health_of(system: SystemInfo) -> str:
    """A health that this page has no words for is not known here."""
    return system.health.status if system.health.status in _LOOKS else "unknown"

"""Pages of public status: for everybody, without a token. They say how the systems fare that have a `public_name`, by
that name alone: nothing else of them, of incidents only when they were.

A page is made at most every few seconds, however many ask.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
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
_INCIDENTS_LIMIT = 20  # of one system
_INCIDENT_DAYS = 30
_WORDS = {
    "healthy": (N_("Works"), "good"),
    "degraded": (N_("Works, but slower or with faults"), "warn"),
    "down": (N_("Does not work"), "bad"),
    "unknown": (N_("Not known at present"), "calm"),
}
_ORDER = ("down", "degraded", "unknown", "healthy")


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
            incidents = [each for one in shown for each in await self._incidents_of(session, one)]
        worst = min((one.health.status for one in shown), key=_ORDER.index, default="unknown")
        incidents.sort(key=lambda one: one.opened_at, reverse=True)
        return render(
            "public_status.html",
            title=_("Status of %(tenant)s", tenant=tenant),
            words=_overall(worst) if shown else _("Nothing is shown here yet."),
            tone=_WORDS[worst][1],
            systems=[_system(one, past[one.id]) for one in shown],
            incidents=incidents,
            days=_INCIDENT_DAYS,
            made_at=now(),
        )

    async def _incidents_of(self, session: DatabaseSession, system: SystemInfo) -> list[PublicIncident]:
        since = now() - timedelta(days=_INCIDENT_DAYS)
        found = await self._incidents.page(
            session, system_id=system.id, since=since, newest_first=True, limit=_INCIDENTS_LIMIT
        )
        return [
            PublicIncident(_public_name(system), one.opened_at, one.resolved_at)
            for one in found
            if one.category == "system_error" and one.muted is None
        ]


def _system(one: SystemInfo, strip: Strip) -> PublicSystem:
    words, tone = _WORDS[one.health.status]
    return PublicSystem(_public_name(one), _(words), tone, strip)


def _public_name(system: SystemInfo) -> str:
    name = system.settings.get(PUBLIC_NAME)
    return name.strip()[:100] if isinstance(name, str) else ""


def _overall(worst: str) -> str:
    return {
        "healthy": "Everything works.",
        "degraded": "Something is slower than usual, or has faults.",
        "down": "Something does not work.",
        "unknown": "Of something the state is not known at present.",
    }[worst]

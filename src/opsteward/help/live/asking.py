"""What every topic works with: the question, who asks, what it names, and the rooms' services; and what it gives."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity, OperatorInfo
from opsteward.accounts.webhooks import Webhooks
from opsteward.actions.approvals import Approvals
from opsteward.actions.service import ActionService
from opsteward.agents.service import AgentService
from opsteward.directory.types import UserInfo
from opsteward.events.incidents import Incidents
from opsteward.events.muting.service import Muting
from opsteward.events.standing_orders.service import StandingOrders
from opsteward.events.types import IncidentView
from opsteward.help.live.question import Question
from opsteward.help.types import Citation
from opsteward.help.words import plain_words
from opsteward.oncall.notices import Notices
from opsteward.oncall.routes import NotificationRoutes
from opsteward.systems.service import Inventory
from opsteward.systems.types import SystemInfo
from opsteward.tasks.schedules import Schedules
from opsteward.tasks.types import ScheduleInfo, TaskInfo
from opsteward.troubleshooting.service import Sessions

LIST_LIMIT = 10  # things that an answer names one by one

Item = TypeVar("Item")


class Spent(Protocol):
    """What the calls of one model cost, in US dollars."""

    @property
    def name(self) -> str: ...
    @property
    def calls(self) -> int: ...
    @property
    def cost(self) -> float: ...


#: By model, from an instant to before another. The crew is a room above this one.
Spending = Callable[[AsyncSession, datetime, datetime], Awaitable[Sequence[Spent]]]


@dataclass(frozen=True)
class LiveSources:
    """The services of the rooms that are asked; all only read."""

    inventory: Inventory
    incidents: Incidents
    actions: ActionService
    approvals: Approvals
    muting: Muting
    agents: AgentService
    orders: StandingOrders
    schedules: Schedules
    sessions: Sessions
    notices: Notices
    routes: NotificationRoutes
    webhooks: Webhooks
    spending: Spending


@dataclass(frozen=True, kw_only=True)
class Named:
    """What the question names of this instance."""

    systems: Sequence[SystemInfo] = ()
    users: Sequence[UserInfo] = ()
    operators: Sequence[OperatorInfo] = ()
    incident: IncidentView | None = None
    #: An incident that words of its title recall.
    titled: IncidentView | None = None
    task: TaskInfo | None = None
    schedules: Sequence[ScheduleInfo] = ()
    #: The name of what sends events and is no system.
    source: str | None = None
    department: str | None = None
    #: Who owns systems.
    team: str | None = None
    #: Names of other things by the topic that they are of; and those of all systems of which just one word was said.
    things: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hinted: bool = False

    @property
    def words(self) -> frozenset[str]:
        """The words that their names are made of, whole and in parts, in small letters."""
        names = [one.name for found in (self.systems, self.operators, self.schedules) for one in found]
        names += [name for one in self.users for name in (one.username, one.full_name or "", one.email or "")]
        names += [
            name for name in (self.titled.title if self.titled else "", self.department or "", self.team or "") if name
        ]
        names += [name for own in self.things.values() for name in own]
        names += [name for name in (self.task.name if self.task else "", self.source or "") if name]
        words = [word for name in names for word in plain_words(name)]
        return frozenset([*words, *(part for word in words for part in re.split(r"[_.:/'’-]", word) if part)])


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One question of one asker."""

    session: AsyncSession
    by: Identity
    question: Question
    sources: LiveSources
    named: Named

    @property
    def system(self) -> SystemInfo | None:
        """The first system that is named."""
        return self.named.systems[0] if self.named.systems else None

    async def systems_of_team(self) -> set[UUID]:
        """Those that the named team owns; none where no team is named."""
        if self.named.team is None:
            return set()
        return {one.id for one in await self.sources.inventory.all(self.session) if one.owner == self.named.team}

    @property
    def user(self) -> UserInfo | None:
        """The first user that is named."""
        return self.named.users[0] if self.named.users else None


@dataclass(frozen=True, kw_only=True)
class Found:
    """An answer from live state. `known` false: the asker may not read what it takes."""

    text: str
    citations: list[Citation] = field(default_factory=list)
    known: bool = True
    #: Words of names by which it was narrowed, in small letters.
    heard: frozenset[str] = frozenset()
    #: Whether it was turned round where the question denies something (see `bounds`), or tells all of one thing.
    denied: bool = False
    #: Words of the question that could not be applied although its subject is narrowed by such.
    missed: tuple[str, ...] = ()


Topic = Callable[[Asking], Awaitable[Found | None]]


def cited(title: str, url: str, quote: str = "") -> Citation:
    """A source of live state."""
    return Citation(title=title, url=url, quote=quote or title, kind="live")


def listed(
    items: Sequence[Item], say: Callable[[Item], str], *, none: str, one: str, many: str, more: bool = False
) -> str:
    """A sentence with the number, and a line for each: `many` holds {n}. `more`: there are further ones."""
    if not items:
        return none
    count = f"more than {len(items)}" if more else str(len(items))
    head = one if len(items) == 1 and not more else many.format(n=count)
    lines = [f"- {say(item)}" for item in items[:LIST_LIMIT]]
    rest = [f"- and {len(items) - LIST_LIMIT} more"] if len(items) > LIST_LIMIT else []
    return "\n".join([head, *lines, *rest])


def at(instant: datetime | None) -> str:
    """An instant for people, in UTC."""
    return instant.strftime("%Y-%m-%d %H:%M UTC") if instant else "never"


def since(instant: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    return lasting((now - instant).total_seconds())


def lasting(seconds: float) -> str:
    """A length of time for people."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{max(0, int(seconds))} seconds"

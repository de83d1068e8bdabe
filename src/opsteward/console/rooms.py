"""What the pages work with; `bootstrap` fills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opsteward.actions.service.door import Door
from opsteward.agents.service.desk import Desk as AgentDesk
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.feed import Feed
from opsteward.events.service.incidents import Incidents
from opsteward.identity.service.enrollments import Enrollments
from opsteward.identity.service.users import Users
from opsteward.systems.service.inventory import Inventory
from opsteward.tasks.service.catalogue import Catalogue
from opsteward.tasks.service.schedules import Schedules
from opsteward.troubleshooting.service.sessions import Sessions


@dataclass(kw_only=True)
class ConsoleRooms:
    """`readiness` gives the parts of the process that are up, by name."""

    db: Database
    feed: Feed
    registry: Registry
    inventory: Inventory
    door: Door
    incidents: Incidents
    sessions: Sessions
    task_types: Catalogue
    schedules: Schedules
    agents: AgentDesk
    users: Users
    enrollments: Enrollments
    readiness: Callable[[], dict[str, bool]]

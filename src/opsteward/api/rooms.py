"""What the routes work with; `bootstrap` fills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from opsteward.actions.service.door import Door
from opsteward.agents.service.desk import Desk as AgentDesk
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.settings import Settings
from opsteward.events.service.incidents import Incidents
from opsteward.events.service.intake import Intake
from opsteward.events.service.orders import StandingOrders
from opsteward.identity.service.enrollments import Enrollments
from opsteward.identity.service.imports.running import Imports
from opsteward.identity.service.openid_sign_in import OpenIdSignIn
from opsteward.identity.service.password_sign_in import PasswordSignIn
from opsteward.identity.service.users import Users
from opsteward.identity.service.webhooks import Webhooks
from opsteward.systems.service.inventory import Inventory
from opsteward.tasks.service.catalogue import Catalogue
from opsteward.tasks.service.schedules import Schedules
from opsteward.tasks.service.submission import Submission
from opsteward.telemetry.service.figures import Figures
from opsteward.troubleshooting.service.sessions import Sessions


@dataclass(kw_only=True)
class Rooms:
    """`readiness` gives the parts of the process that are up, by name; `audit_key` keys the audit log's chain;
    `figures` is None where only this process's own metrics are shown."""

    settings: Settings
    db: Database
    registry: Registry
    inventory: Inventory
    door: Door
    incidents: Incidents
    intake: Intake
    orders: StandingOrders
    sessions: Sessions
    task_types: Catalogue
    submission: Submission
    schedules: Schedules
    agents: AgentDesk
    users: Users
    enrollments: Enrollments
    imports: Imports
    webhooks: Webhooks
    password_sign_in: PasswordSignIn
    openid_sign_in: OpenIdSignIn | None
    audit_key: bytes
    figures: Figures | None = None
    readiness: Callable[[], dict[str, bool]] = field(default=lambda: {})

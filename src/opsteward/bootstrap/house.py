"""The house: all rooms of a process, built on a database that is ready, and wired to each other."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from opsteward.actions.service.door import Door
from opsteward.actions.types import ActionChanged
from opsteward.agents.service.desk import Desk as AgentDesk
from opsteward.agents.service.kinds import Kinds
from opsteward.agents.shipped.installing import add_shipped
from opsteward.bootstrap.access_keeping import AccessKeeping, access_task_type
from opsteward.bootstrap.import_task import import_task_type
from opsteward.bootstrap.registry import build_registry, known_actions
from opsteward.bootstrap.subscriptions import Subscriptions
from opsteward.bootstrap.task_types import shipped_task_types
from opsteward.bootstrap.welcome import WelcomeUsers, welcome_task_type
from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.crypto import SecretBox, load_secret
from opsteward.core.db import APPLICATION_NAME, Database
from opsteward.core.embedded import EmbeddedPostgres, prepare_home
from opsteward.core.feed import Feed
from opsteward.core.provision import DatabaseUrls, provision
from opsteward.core.settings import Settings
from opsteward.events.service.incidents import Incidents
from opsteward.events.service.intake import Intake
from opsteward.events.service.orders import StandingOrders
from opsteward.identity.people import UsersEnrolled
from opsteward.identity.service.enrollments import Enrollments
from opsteward.identity.service.imports.running import Imports
from opsteward.identity.service.openid_sign_in import OpenIdSignIn
from opsteward.identity.service.password_sign_in import PasswordSignIn
from opsteward.identity.service.users import Users
from opsteward.systems.own_database import OwnDatabase
from opsteward.systems.service.inventory import Inventory
from opsteward.systems.types import SystemsChanged
from opsteward.tasks.service import desk
from opsteward.tasks.service.catalogue import Catalogue
from opsteward.tasks.service.schedules import Schedules
from opsteward.tasks.service.submission import Submission
from opsteward.tasks.types import TaskFigures
from opsteward.telemetry.service.figures import Figures
from opsteward.troubleshooting.service.sessions import Sessions

#: Rooms whose tables must be known before the first migration.
TABLES = (
    *("core.processes", "core.changes"),
    *(f"identity.{part}" for part in ("models", "people_models", "import_models", "scim_models")),
    *(f"{room}.models" for room in ("telemetry", "tasks", "systems", "actions", "agents", "events", "troubleshooting")),
)


@dataclass(kw_only=True)
class House:
    """All rooms of a process, built but not started. One bus; a database engine for each role."""

    settings: Settings
    urls: DatabaseUrls
    box: SecretBox
    registry: Registry
    bus: Bus
    web: Database
    app: Database
    inventory: Inventory
    door: Door
    incidents: Incidents
    orders: StandingOrders
    intake: Intake
    sessions: Sessions
    task_types: Catalogue
    submission: Submission
    schedules: Schedules
    agents: AgentDesk
    users: Users
    enrollments: Enrollments
    imports: Imports
    password_sign_in: PasswordSignIn
    openid_sign_in: OpenIdSignIn | None
    figures: Figures
    feed: Feed


def build_house(settings: Settings, integrations: Sequence[Integration] = ()) -> House:
    """Make the database ready and wire the rooms, with further `integrations` beside those that ship.

    Raises OpsError with a remedy.
    """
    prepare_home(settings.home)
    for room in TABLES:
        importlib.import_module(f"opsteward.{room}")
    box = SecretBox(load_secret(settings.secret_key.get_secret_value() if settings.secret_key else None, settings.home))
    try:
        urls = provision(settings, box)
        return _wire(settings, box, urls, build_registry(settings, integrations))
    except BaseException:
        leave_server(settings)
        raise


async def task_figures(db: Database) -> TaskFigures:
    """The installation's tasks as they stand now, over all tenants."""
    async with db.unit_of_work(None) as session:
        return await desk.figures(session)


def leave_server(settings: Settings) -> None:
    """Stop the embedded server, if there is one and nobody else needs it."""
    if settings.database_url is None:
        EmbeddedPostgres(settings.home).stop_if_last(APPLICATION_NAME)


def _wire(settings: Settings, box: SecretBox, urls: DatabaseUrls, registry: Registry) -> House:
    bus = Bus()
    defaults = {"response_time_seconds": settings.response_time_threshold}
    inventory = Inventory(registry, box, bus, defaults, OwnDatabase(urls.admin).refusal)
    door = Door(registry, inventory, bus)
    incidents = Incidents(bus)
    orders = StandingOrders(known_actions(registry))
    intake = Intake(bus, incidents, orders, inventory)
    sessions = Sessions(inventory)
    Subscriptions(intake=intake, incidents=incidents, door=door, sessions=sessions).connect(bus)
    pool = {"pool_size": settings.database_pool_size, "pool_max": settings.database_pool_max}
    app = Database(urls.app, name="app", **pool)
    shipped = shipped_task_types(app, inventory, registry, settings)
    imports = Imports(bus, settings)
    shipped.append(welcome_task_type(app, door, configured=bool(settings.notify_users)))
    shipped.append(import_task_type(app, imports))
    shipped.append(access_task_type(app, inventory, registry, door))
    task_types = Catalogue([*shipped, *registry.task_types], max_params_bytes=settings.max_task_params_bytes)
    submission = Submission(task_types, settings)
    keeping = AccessKeeping(inventory, registry)
    bus.subscribe(SystemsChanged, keeping.system_changed)
    bus.subscribe(ActionChanged, keeping.action_changed)
    if settings.notify_users:  # else a task for each new user would do nothing, at a cost
        bus.subscribe(UsersEnrolled, WelcomeUsers(submission).users_enrolled)
    kinds = Kinds(registry.agents)
    add_shipped(kinds, db=app, bus=bus, settings=settings, task_figures=partial(task_figures, app))
    # one for each request that is let in: a connection made for a burst and closed after it costs more than the request
    held = min(settings.database_pool_max, max(settings.database_pool_size, settings.api_requests_at_once))
    web = Database(urls.web, name="web", pool_size=held, pool_max=settings.database_pool_max)
    return House(
        settings=settings,
        urls=urls,
        box=box,
        registry=registry,
        bus=bus,
        web=web,
        app=app,
        inventory=inventory,
        door=door,
        incidents=incidents,
        orders=orders,
        intake=intake,
        sessions=sessions,
        task_types=task_types,
        submission=submission,
        schedules=Schedules(submission),
        agents=AgentDesk(kinds, bus),
        users=Users(bus),
        enrollments=Enrollments(bus),
        imports=imports,
        password_sign_in=PasswordSignIn(web),
        openid_sign_in=OpenIdSignIn.of(settings, web, box),
        figures=Figures(web),
        feed=Feed(urls.web),
    )

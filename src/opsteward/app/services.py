"""The house: all rooms of a process, built on a database that is ready, and wired to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from opsteward.accounts.four_eyes import SecondPerson
from opsteward.accounts.oidc import OpenIdSignIn
from opsteward.accounts.passwords import PasswordSignIn
from opsteward.accounts.webhooks import Webhooks
from opsteward.actions.approvals import Approvals
from opsteward.actions.service import ActionService
from opsteward.actions.types import ActionChanged
from opsteward.agents.registry import AgentRegistry
from opsteward.agents.service import AgentService
from opsteward.agents.shipped.installing import add_shipped
from opsteward.app.crew import CrewParts, gateway_of
from opsteward.app.database import prepare_database
from opsteward.app.plugins import places_of
from opsteward.app.registry import build_registry, known_actions
from opsteward.app.settings import Settings
from opsteward.app.subscriptions import Subscriptions
from opsteward.app.task_types import shipped_task_types
from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.credential_keys import CredentialKeys
from opsteward.core.crypto import SecretBox
from opsteward.core.database_setup import DatabaseUrls
from opsteward.core.db import Database
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.feed import Feed
from opsteward.core.home import HomeLocks, prepare_home
from opsteward.core.http_client import refuse_networks
from opsteward.core.log import get_logger
from opsteward.core.secret_key import load_secret, open_to_others
from opsteward.core.settings import CoreSettings
from opsteward.core.timers import Timers
from opsteward.crew.direct_calls.running import DirectCalls
from opsteward.crew.performance.model_usage import spent_by_model
from opsteward.crew.service import Crew
from opsteward.directory.enrollment.service import Enrollments
from opsteward.directory.imports.job_runner import Imports
from opsteward.directory.imports.task import import_task_type
from opsteward.directory.types import UsersEnrolled
from opsteward.directory.users.service import Users
from opsteward.events import flapping
from opsteward.events.back_tests.service import BackTests
from opsteward.events.flapping import SETTLED
from opsteward.events.incidents import Incidents
from opsteward.events.intake import Intake
from opsteward.events.intake_queue import IntakeQueue
from opsteward.events.muting.review import Review
from opsteward.events.muting.service import SILENCE, Muting
from opsteward.events.sources.own_sources import OwnSources
from opsteward.events.sources.sns import SnsMessages
from opsteward.events.sources.taking import SourceIntake
from opsteward.events.sources.tallies import SourceTallies
from opsteward.events.standing_orders.service import StandingOrders
from opsteward.help.live.answering import LiveSources
from opsteward.help.service import Help
from opsteward.oncall.outbox import Outbox
from opsteward.oncall.service import OnCall
from opsteward.provisioning.access import AccessKeeping, access_task_type
from opsteward.provisioning.directory_records import OwnDirectory
from opsteward.provisioning.excess_access import ExcessAccesses
from opsteward.provisioning.sagas.running import SagaTask
from opsteward.provisioning.sagas.service import SagaRelease, Sagas
from opsteward.provisioning.sync.operations import SyncRelease, SyncTasks
from opsteward.provisioning.sync.service import Syncs
from opsteward.provisioning.welcome import WelcomeUsers, welcome_task_type
from opsteward.systems.check_on_demand import ChecksOnDemand
from opsteward.systems.own_database import OwnDatabase, OwnServer
from opsteward.systems.record_connections import RecordConnections
from opsteward.systems.secret_references import SecretReferences
from opsteward.systems.service import Inventory
from opsteward.systems.types import SystemsChanged
from opsteward.tasks import queries as task_queries
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.schedules import Schedules
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import TaskFigures
from opsteward.telemetry.audit.witness_files import Witnesses
from opsteward.telemetry.audit.writer import AuditWriter
from opsteward.telemetry.database_metrics import Figures
from opsteward.troubleshooting.runbooks import RunbookRunner
from opsteward.troubleshooting.service import Sessions

log = get_logger(__name__)


@dataclass(kw_only=True)
class Services:
    """All rooms of a process, built but not started. One bus; a database engine for each role."""

    settings: Settings
    urls: DatabaseUrls
    box: SecretBox
    registry: Registry
    bus: Bus
    web: Database
    app: Database
    inventory: Inventory
    action_service: ActionService
    approvals: Approvals
    incidents: Incidents
    orders: StandingOrders
    intake: Intake
    intake_queue: IntakeQueue
    own_sources: OwnSources
    source_tallies: SourceTallies
    source_intake: SourceIntake
    muting: Muting
    oncall: OnCall
    help: Help
    direct_calls: DirectCalls
    timers: Timers
    back_tests: BackTests
    sessions: Sessions
    task_types: TaskRegistry
    submission: Submission
    schedules: Schedules
    syncs: Syncs
    sagas: Sagas
    excess_access: ExcessAccesses
    agents: AgentService
    users: Users
    enrollments: Enrollments
    imports: Imports
    password_sign_in: PasswordSignIn
    openid_sign_in: OpenIdSignIn | None
    figures: Figures
    feed: Feed
    witnesses: Witnesses
    crew: Crew


def build_services(settings: Settings, integrations: Sequence[Integration] = ()) -> Services:
    """Make the database ready and wire the rooms, with further `integrations` beside those that ship.

    Raises OpsError with a remedy.
    """
    prepare_home(settings.home)
    refuse_networks(settings.integrations.refused_networks)
    with HomeLocks.of(settings.home).starting():
        secret = load_secret(settings.core.given_secret, settings.home)
        box = SecretBox(secret, CredentialKeys(settings.home))
        if warning := open_to_others(settings.home):
            log.warning("core.secret_key.open_to_others", detail=warning, remedy="chmod 600 the file")
        try:
            directory, outbox = OwnDirectory(), Outbox(box)
            registry = build_registry(
                settings.notify,
                places_of(settings.integrations.plugins, settings.integrations.disabled_plugins),
                integrations,
                file_folders=settings.integrations.file_folders,
                machine_checks=settings.integrations.machine_checks,
                check_commands=settings.integrations.check_commands,
                repair_commands=settings.integrations.repair_commands,
                repair_records=settings.home / "repairs",
                directory=directory,
                outbox=outbox,
                gateway=gateway_of(settings.crew),
            )
            urls = prepare_database(settings.core, box)
            return _wire(settings, box, urls, registry, directory, outbox)
        except BaseException:
            leave_server(settings.core)
            raise


async def task_figures(db: Database) -> TaskFigures:
    """The installation's tasks as they stand now, over all tenants."""
    async with db.unit_of_work(None) as session:
        return await task_queries.figures(session)


def leave_server(settings: CoreSettings) -> None:
    """Stop the embedded server, if there is one and nobody else needs it."""
    if settings.database_url is None:
        EmbeddedPostgres(settings.home).stop_if_last()


def _wire(
    settings: Settings,
    box: SecretBox,
    urls: DatabaseUrls,
    registry: Registry,
    directory: OwnDirectory,
    outbox: Outbox,
) -> Services:
    bus = Bus()
    app, web = _databases(settings, urls, box)
    directory.db = outbox.db = app
    own = OwnDatabase(urls.admin, embedded=settings.core.database_url is None)
    inventory = _inventory(settings, box, bus, registry, app, own)
    second_person = _second_person(settings)
    action_service = ActionService(registry, inventory, bus, second_person)
    incidents = Incidents(bus)
    orders = StandingOrders(known_actions(registry), inventory)
    review = Review(bus, inventory, orders)
    intake = Intake(bus, incidents, orders, inventory, review)
    muting = Muting(inventory, review)
    oncall = OnCall(
        box=box, actions=action_service, incidents=incidents, intake=intake, inventory=inventory,
        public_url=settings.api.public_url, push_hosts=settings.notify.push_hosts,
    )  # fmt: skip
    sessions = Sessions(inventory)
    _subscribe(bus, intake, incidents, muting, oncall, action_service, sessions)
    imports = Imports(bus, settings.imports)
    crew_parts = CrewParts(settings, app, inventory=inventory, action_service=action_service)
    task_types, submission, crew = _submission(
        settings, app, bus, registry, inventory, action_service, imports, crew_parts
    )
    agent_types = AgentRegistry(registry.agents)
    add_shipped(agent_types, db=app, bus=bus, settings=settings.agents, task_figures=partial(task_figures, app))
    approvals = Approvals(action_service, registry, inventory, incidents.refs, second_person)
    agents, schedules = AgentService(agent_types, bus), Schedules(submission)
    live = partial(LiveSources, inventory, incidents, action_service, approvals, muting, agents, orders, schedules)
    help_agent = _help(settings, bus, crew_parts, partial(live, sessions), oncall, box)
    own_sources, tallies, queue = OwnSources(box), SourceTallies(web), IntakeQueue(web, intake)
    return Services(
        settings=settings,
        urls=urls,
        box=box,
        registry=registry,
        bus=bus,
        web=web,
        app=app,
        inventory=inventory,
        action_service=action_service,
        approvals=approvals,
        incidents=incidents,
        orders=orders,
        back_tests=BackTests(orders, inventory, action_service),
        intake=intake,
        intake_queue=queue,
        own_sources=own_sources,
        source_tallies=tallies,
        source_intake=SourceIntake(web, queue, own_sources, tallies, _sns(settings)),
        muting=muting,
        oncall=oncall,
        help=help_agent,
        timers=_timers(muting, incidents, oncall, help_agent),
        direct_calls=DirectCalls(settings.direct_calls.direct_calls, web, inventory, registry),
        sessions=sessions,
        task_types=task_types,
        submission=submission,
        schedules=schedules,
        syncs=Syncs(inventory, registry, submission, action_service),
        sagas=Sagas(inventory, registry, action_service),
        excess_access=ExcessAccesses(web, inventory, registry, action_service),
        agents=agents,
        users=Users(bus),
        enrollments=Enrollments(bus, second_person),
        imports=imports,
        password_sign_in=PasswordSignIn(web),
        openid_sign_in=OpenIdSignIn.of(settings.oidc, web, box),
        figures=Figures(web),
        feed=Feed(urls.web),
        witnesses=Witnesses(box.audit_key(), settings.home, settings.telemetry.audit_witnesses),
        crew=crew,
    )


def _databases(settings: Settings, urls: DatabaseUrls, box: SecretBox) -> tuple[Database, Database]:
    """Of the application itself, and of requests: with one connection for each that is let in, since one made for a
    burst and closed after it costs more than the request."""
    core, writing = settings.core, AuditWriter(box.audit_key()).session_info
    held = min(core.database_pool_max, max(core.database_pool_size, settings.api.requests_at_once))
    app, web = (
        Database(url, name=name, session_info=writing, pool_size=size, pool_max=core.database_pool_max)
        for url, name, size in ((urls.app, "app", core.database_pool_size), (urls.web, "web", held))
    )
    return app, web


def _second_person(settings: Settings) -> SecondPerson:
    rules = settings.accounts
    return SecondPerson(making_seconds=rules.approval_making_seconds, strict=rules.approval_strict)


def _sns(settings: Settings) -> SnsMessages:
    return SnsMessages(tuple(settings.sources.sns_endpoints))


def _subscribe(
    bus: Bus,
    intake: Intake,
    incidents: Incidents,
    muting: Muting,
    oncall: OnCall,
    actions: ActionService,
    sessions: Sessions,
) -> None:
    Subscriptions(
        intake=intake, incidents=incidents, muting=muting, oncall=oncall, action_service=actions, sessions=sessions
    ).connect(bus)
    oncall.browsers.connect(bus)


def _help(
    settings: Settings,
    bus: Bus,
    crew: CrewParts,
    sources: Callable[..., LiveSources],
    oncall: OnCall,
    box: SecretBox,
) -> Help:
    """`sources`: lacks what on-call, senders and models tell of themselves."""
    writes = settings.models.model is not None and settings.help.help_written
    asked = sources(oncall.notices, oncall.routes, Webhooks(box), spent_by_model)
    help_agent = Help(settings.help, asked, writer=crew.write_answer if writes else None)
    help_agent.cases.connect(bus)
    return help_agent


def _inventory(
    settings: Settings, box: SecretBox, bus: Bus, registry: Registry, app: Database, own: OwnDatabase
) -> Inventory:
    defaults = {"response_time_seconds": settings.systems.response_time_threshold}
    references = SecretReferences(settings.systems)
    return Inventory(registry, box, bus, defaults, own.refusal, OwnServer(app, own), references)


def _submission(
    settings: Settings,
    app: Database,
    bus: Bus,
    registry: Registry,
    inventory: Inventory,
    action_service: ActionService,
    imports: Imports,
    crew: CrewParts,
) -> tuple[TaskRegistry, Submission, Crew]:
    """All types of tasks, shipped and of plug-ins, and what takes them; what other rooms tell submits some of them."""
    checks = ChecksOnDemand(app, inventory, registry, bus, settings.systems)
    shipped = shipped_task_types(checks)
    shipped.append(RunbookRunner(app, checks, inventory, registry, action_service).task_type())
    shipped.append(welcome_task_type(app, action_service, configured=bool(settings.notify.users)))
    shipped.append(import_task_type(app, imports))
    records = RecordConnections(app, inventory, registry)
    shipped += SyncTasks(app, records, action_service).task_types()
    shipped.append(SagaTask(app, records, bus).task_type())
    shipped.append(access_task_type(app, inventory, registry, action_service))
    shipped.append(crew.task_type())
    task_types = TaskRegistry([*shipped, *registry.task_types], max_params_bytes=settings.tasks.max_params_bytes)
    submission = Submission(task_types, settings.tasks)
    bus.subscribe(ActionChanged, SyncRelease(submission).action_changed)
    bus.subscribe(ActionChanged, SagaRelease(submission).action_changed)
    keeping = AccessKeeping(inventory, registry)
    bus.subscribe(SystemsChanged, keeping.system_changed)
    bus.subscribe(ActionChanged, keeping.action_changed)
    if settings.notify.users:  # else a task for each new user would do nothing, at a cost
        bus.subscribe(UsersEnrolled, WelcomeUsers(submission).users_enrolled)
    return task_types, submission, crew.service(submission, bus)


def _timers(muting: Muting, incidents: Incidents, oncall: OnCall, help_agent: Help) -> Timers:
    """What is waited for, and who does it then."""
    return Timers(
        {
            SILENCE: muting.silence_is_due,
            SETTLED: partial(flapping.settle, incidents=incidents),
            **oncall.timers(),
            **help_agent.cases.timers(),
        }
    )

"""What the routes work with; `app` fills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from opsteward.accounts.oidc import OpenIdSignIn
from opsteward.accounts.passwords import PasswordSignIn
from opsteward.accounts.webhooks import Webhooks
from opsteward.actions.approvals import Approvals
from opsteward.actions.service import ActionService
from opsteward.agents.service import AgentService
from opsteward.api.settings import ApiSettings
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.settings import CoreSettings
from opsteward.crew.direct_calls.running import DirectCalls
from opsteward.crew.service import Crew
from opsteward.directory.enrollment.service import Enrollments
from opsteward.directory.imports.job_runner import Imports
from opsteward.directory.scim.settings import ScimSettings
from opsteward.directory.users.service import Users
from opsteward.events.back_tests.service import BackTests
from opsteward.events.incidents import Incidents
from opsteward.events.intake import Intake
from opsteward.events.intake_queue import IntakeQueue
from opsteward.events.muting.service import Muting
from opsteward.events.sources.own_sources import OwnSources
from opsteward.events.sources.taking import SourceIntake
from opsteward.events.sources.tallies import SourceTallies
from opsteward.events.standing_orders.service import StandingOrders
from opsteward.help.service import Help
from opsteward.help.settings import HelpSettings
from opsteward.integrations.apprise.slack_replies import SlackReplies
from opsteward.oncall.service import OnCall
from opsteward.provisioning.excess_access import ExcessAccesses
from opsteward.provisioning.sagas.service import Sagas
from opsteward.provisioning.sync.service import Syncs
from opsteward.systems.service import Inventory
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.schedules import Schedules
from opsteward.tasks.submission import Submission
from opsteward.telemetry.audit.witness_files import Witnesses
from opsteward.telemetry.database_metrics import Figures
from opsteward.telemetry.settings import TelemetrySettings
from opsteward.troubleshooting.service import Sessions


class RouteSettings(Protocol):
    """The groups of settings that the routes and what stands before them read."""

    @property
    def core(self) -> CoreSettings: ...
    @property
    def api(self) -> ApiSettings: ...
    @property
    def scim(self) -> ScimSettings: ...
    @property
    def help(self) -> HelpSettings: ...
    @property
    def telemetry(self) -> TelemetrySettings: ...


@dataclass(kw_only=True)
class ApiServices:
    """`readiness` gives the parts of the process that are up, by name; `audit_key` keys the audit log's chain;
    `figures` is None where only this process's own metrics are shown."""

    settings: RouteSettings
    db: Database
    registry: Registry
    inventory: Inventory
    action_service: ActionService
    approvals: Approvals
    incidents: Incidents
    intake: Intake
    intake_queue: IntakeQueue
    own_sources: OwnSources
    source_tallies: SourceTallies
    source_intake: SourceIntake
    muting: Muting
    oncall: OnCall
    help: Help
    direct_calls: DirectCalls
    orders: StandingOrders
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
    webhooks: Webhooks
    slack_replies: SlackReplies
    password_sign_in: PasswordSignIn
    openid_sign_in: OpenIdSignIn | None
    audit_key: bytes
    witnesses: Witnesses
    crew: Crew
    figures: Figures | None = None
    readiness: Callable[[], dict[str, bool]] = field(default=lambda: {})

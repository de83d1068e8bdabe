"""What the pages work with; `app` fills it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from opsteward.actions.approvals import Approvals
from opsteward.actions.service import ActionService
from opsteward.agents.service import AgentService
from opsteward.console.kept_shares import KeptShares
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.feed import Feed
from opsteward.core.json_types import Json
from opsteward.core.settings import SettingsGroup
from opsteward.crew.service import Crew
from opsteward.directory.enrollment.service import Enrollments
from opsteward.directory.users.service import Users
from opsteward.events.back_tests.service import BackTests
from opsteward.events.incidents import Incidents
from opsteward.events.muting.service import Muting
from opsteward.events.sources.own_sources import OwnSources
from opsteward.events.sources.taking import SourceIntake
from opsteward.events.sources.tallies import SourceTallies
from opsteward.events.standing_orders.service import StandingOrders
from opsteward.help.service import Help
from opsteward.oncall.service import OnCall
from opsteward.provisioning.sync.service import Syncs
from opsteward.systems.service import Inventory
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.schedules import Schedules
from opsteward.tasks.submission import Submission
from opsteward.telemetry.audit.witness_files import Witnesses
from opsteward.troubleshooting.service import Sessions


@dataclass(kw_only=True)
class ConsoleServices:
    """`readiness` gives the parts of the process that are up, by name; `audit_key` keys the audit log's chain.
    `read_body` reads a body of this content type as the intake does, and blocks; `events_limit` is that of one body."""

    settings: Sequence[SettingsGroup]
    public_url: str | None
    #: Whether the page of the console's own parts is shown.
    development: bool
    #: The public status pages: a path, and the name of its tenant.
    status_pages: Mapping[str, str]
    #: Whether an escalation reaches anybody outside the console.
    oncall_is_told: bool
    db: Database
    feed: Feed
    registry: Registry
    inventory: Inventory
    action_service: ActionService
    approvals: Approvals
    incidents: Incidents
    own_sources: OwnSources
    source_tallies: SourceTallies
    source_intake: SourceIntake
    muting: Muting
    oncall: OnCall
    help: Help
    orders: StandingOrders
    back_tests: BackTests
    sessions: Sessions
    task_types: TaskRegistry
    submission: Submission
    schedules: Schedules
    syncs: Syncs
    agents: AgentService
    crew: Crew
    users: Users
    enrollments: Enrollments
    witnesses: Witnesses
    audit_key: bytes
    read_body: Callable[[bytes, str], Json]
    events_limit: int
    readiness: Callable[[], dict[str, bool]]

    @cached_property
    def user_shares(self) -> KeptShares:
        """How many users there are of each status, role and department, as last counted."""
        return KeptShares(self.feed)

"""On-call as other rooms use it: routes, notices, escalations and reports, wired to each other."""

from __future__ import annotations

from collections.abc import Sequence

from opsteward.actions.service import ActionService
from opsteward.core.crypto import SecretBox
from opsteward.core.timers import Handler
from opsteward.events.incidents import Incidents
from opsteward.events.intake import Intake
from opsteward.oncall.browsers import APPROVALS, Browsers
from opsteward.oncall.escalations import ESCALATION, Escalations
from opsteward.oncall.notices import AGAIN, COLLECTED, OVER, Notices
from opsteward.oncall.reports import Reports
from opsteward.oncall.routes import REPORT, NotificationRoutes
from opsteward.systems.service import Inventory


class OnCall:
    """One per process."""

    def __init__(
        self,
        *,
        box: SecretBox,
        actions: ActionService,
        incidents: Incidents,
        intake: Intake,
        inventory: Inventory,
        public_url: str | None,
        push_hosts: Sequence[str] = (),
    ) -> None:
        """`public_url`: the address under which people reach Opsteward, for the links in notices. `push_hosts`: push
        services of browsers that may be on private addresses."""
        self.routes = NotificationRoutes(box)
        self.notices = Notices(actions, incidents, intake, self.routes, public_url)
        self.escalations = Escalations(incidents, inventory, self.notices)
        self.browsers = Browsers(box, actions, self.notices, self.routes, push_hosts)
        self._reports = Reports(self.routes, self.notices)

    def timers(self) -> dict[str, Handler]:
        """What is done when which timer falls due."""
        return {
            ESCALATION: self.escalations.step_is_due,
            COLLECTED: self.notices.collected_is_due,
            AGAIN: self.notices.again_is_due,
            OVER: self.notices.over_is_due,
            REPORT: self._reports.is_due,
            APPROVALS: self.browsers.approvals_are_due,
        }

"""Who hears what on the bus: how the rooms work together without knowing each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import ENDS, NOTIFYING_ACTIONS, ActionChanged, NewAction, RunStatus, approval_id_of
from opsteward.agents.types import AgentReported
from opsteward.app.system_events import event_of_burn, event_of_warning, events_of_health
from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.changes import Change, record_changes
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact
from opsteward.directory.types import EnrollmentOverdue
from opsteward.events import timeline
from opsteward.events.event_decisions import QUIET_ACTIONS
from opsteward.events.event_drafts import shortened
from opsteward.events.incidents import Incidents
from opsteward.events.intake import Intake
from opsteward.events.muting.service import Muting
from opsteward.events.types import (
    IncidentAcknowledged,
    IncidentChanged,
    IncidentDecided,
    IncidentDecidedAgain,
    IncidentOpened,
    IncidentRaised,
    IncidentReopened,
    IncidentStatus,
    IncidentView,
    NewEvent,
    PeopleNeeded,
)
from opsteward.oncall.approval_notices import approval_is_told
from opsteward.oncall.service import OnCall
from opsteward.provisioning.sagas.types import SagaStuck, stuck_key
from opsteward.systems.early_warning.types import RunningOut
from opsteward.systems.types import BudgetBurning, HealthChanged, SystemsChanged
from opsteward.troubleshooting.service import Sessions

MONITOR = "system:monitor"
TRIAGE = "system:triage"
LIFECYCLE = "system:lifecycle"

_ACTION_WORDS = {
    RunStatus.REQUESTED: "requested",
    RunStatus.AWAITING_APPROVAL: "waits for approval",
    RunStatus.APPROVED: "may go ahead",
    RunStatus.EXECUTING: "is being done",
    RunStatus.SUCCEEDED: "done and verified",
    RunStatus.NOT_NEEDED: "was not needed any more",
    RunStatus.FAILED: "did not help",
    RunStatus.UNDONE: "did not help and was undone",
    RunStatus.DENIED: "denied",
    RunStatus.REFUSED: "refused",
    RunStatus.EXPIRED: "expired without an approval",
    RunStatus.SUPERSEDED: "was changed after its approval",
}
#: Steps after which a run has the status that it had before.
_STEP_WORDS = {
    "approval.approved": "approved",
    "approval.refused": "refused",
    "approval.withdrawn": "is not wanted any more, the incident is over",
    "frozen": "is frozen for this target",
}
_NOTHING_DONE = frozenset({RunStatus.DENIED, RunStatus.FAILED, RunStatus.SUPERSEDED})
#: Steps of a run that end its approval, and how that stands then.
_APPROVAL_ENDS = {
    "approval.approved": "approved",
    "approval.refused": "refused",
    "approval.withdrawn": "withdrawn",
    "amended": "withdrawn",
    "expired": "expired",
}


class Subscriptions:
    """Connects the rooms; `connect` is called once."""

    def __init__(
        self,
        *,
        intake: Intake,
        incidents: Incidents,
        muting: Muting,
        oncall: OnCall,
        action_service: ActionService,
        sessions: Sessions,
    ) -> None:
        self._intake = intake
        self._incidents = incidents
        self._muting = muting
        self._oncall = oncall
        self._action_service = action_service
        self._sessions = sessions

    def connect(self, bus: Bus) -> None:
        """Subscribe everything; once per process."""
        bus.subscribe(HealthChanged, self.health_becomes_event)
        bus.subscribe(IncidentOpened, self.incident_is_worked_on)
        bus.subscribe(IncidentRaised, self.decision_is_done)
        bus.subscribe_sets(ActionChanged, self.actions_are_told)
        bus.subscribe(IncidentDecidedAgain, self.incident_is_worked_on)
        bus.subscribe(IncidentChanged, self.incident_is_announced)
        bus.subscribe(IncidentChanged, self._oncall.escalations.changed)
        bus.subscribe(IncidentAcknowledged, self._oncall.escalations.acknowledged)
        bus.subscribe(IncidentReopened, self._oncall.escalations.reopened)
        bus.subscribe(ActionChanged, self._oncall.notices.delivery_ended)
        bus.subscribe(ActionChanged, partial(approval_is_told, notices=self._oncall.notices))
        bus.subscribe(PeopleNeeded, self.people_are_told)
        bus.subscribe(SystemsChanged, self.systems_are_announced)
        bus.subscribe(AgentReported, self.report_becomes_event)
        bus.subscribe(EnrollmentOverdue, self.overdue_becomes_event)
        bus.subscribe(RunningOut, self.warning_becomes_event)
        bus.subscribe(BudgetBurning, self.burn_becomes_event)
        bus.subscribe(SagaStuck, self.stuck_saga_becomes_event)

    async def health_becomes_event(self, session: AsyncSession, message: HealthChanged) -> None:
        """A failing system is an event like any other; a recovered one ends what nobody works on."""
        await feed.announce(session, kind="system", object_id=str(message.system.id))
        told = {"system_id": str(message.system.id), "system_name": message.system.name, "status": message.now}
        await record_changes(session, [Change("system_health_alert", told | {"was": message.was})])
        if message.silenced_by is not None:
            return
        if message.now in ("down", "degraded"):
            await self._intake.take(session, events=events_of_health(message), actor=MONITOR)
        elif message.now == "healthy" and message.was in ("down", "degraded"):
            for incident_id in await self._incidents.waiting_of_system(session, system_id=message.system.id):
                await self._incidents.move(
                    session,
                    incident_id=incident_id,
                    status=IncidentStatus.RESOLVED,
                    actor=MONITOR,
                    title=f"{message.system.name} is healthy again",
                    key="recovered",
                    recovered=True,
                )

    async def warning_becomes_event(self, session: AsyncSession, message: RunningOut) -> None:
        """What will have run out is an event before it is a failure, and ends when its figures say so no more."""
        await feed.announce(session, kind="system", object_id=str(message.system.id))
        await self._intake.take(session, events=[event_of_warning(message)], actor=MONITOR)

    async def burn_becomes_event(self, session: AsyncSession, message: BudgetBurning) -> None:
        """An objective that will be missed is an event, though each of its failures may be over already."""
        await self._intake.take(session, events=[event_of_burn(message)], actor=MONITOR)

    async def incident_is_worked_on(self, session: AsyncSession, message: IncidentDecided) -> None:
        """What was decided is done through the door; a failing system is looked into at once."""
        await self.decision_is_done(session, message)
        if not isinstance(message, IncidentDecidedAgain) or message.first:
            await self._look_into(session, message.incident)

    async def _look_into(self, session: AsyncSession, incident: IncidentView) -> None:
        if incident.muted is not None or incident.system_id is None or incident.category != "system_error":
            return
        running = await self._sessions.page(session, incident_id=incident.id, limit=1)
        if not running or running[0].outcome is not None:
            await self._sessions.start(
                session,
                trigger="incident",
                requested_by=TRIAGE,
                system_id=incident.system_id,
                incident_id=incident.id,
                complaint=incident.title,
            )

    async def decision_is_done(self, session: AsyncSession, message: IncidentDecided) -> None:
        """Each action that is decided for an incident runs once; a session that was started goes on."""
        incident = message.incident
        await feed.announce(session, kind="incident", object_id=str(incident.id))
        opened = isinstance(message, IncidentOpened)
        await record_changes(session, [_incident_change(incident.id, incident.status, opened=opened)])
        if message.action in QUIET_ACTIONS or incident.muted is not None:
            return
        if await self._is_told(session, message):
            return
        once = _once(incident, message.action)
        if isinstance(message, IncidentDecidedAgain) and await self._action_service.was_requested(
            session, idempotency_key=once
        ):
            return
        await self._action_service.request(
            session,
            new=NewAction(
                action=message.action,
                params={
                    "title": f"Incident {incident.number}: {incident.title}"[:200],
                    "body": message.message[:4000],
                    "severity": incident.severity,
                    "incident_id": str(incident.id),
                },
                reason=message.decided_by,
                requested_by=f"standing-order:{message.standing_order}" if message.standing_order else TRIAGE,
                idempotency_key=once,
                incident_id=incident.id,
                standing_order=message.standing_order,
                approval=message.approval,
                limits=message.limits,
            ),
        )

    async def _is_told(self, session: AsyncSession, message: IncidentDecided) -> bool:
        """Whether on-call tells people of it, which takes the place of an action that does nothing else."""
        opened, escalated = False, message.action in NOTIFYING_ACTIONS
        if not isinstance(message, IncidentRaised):
            opened = await self._oncall.escalations.begin(session, incident=message.incident, begins="opened")
        if escalated:
            escalated = await self._oncall.escalations.begin(session, incident=message.incident, begins="escalated")
        return (opened or escalated) and message.action in NOTIFYING_ACTIONS

    async def people_are_told(self, session: AsyncSession, message: PeopleNeeded) -> None:
        """What troubleshooting could not repair goes to the people on call, or to the route of the settings."""
        incident = message.incident
        if incident.muted is not None:
            return
        if await self._oncall.escalations.begin(session, incident=incident, begins="escalated"):
            return
        await self._action_service.request(
            session,
            new=NewAction(
                action="escalate",
                params={
                    "title": f"Incident {incident.number} needs you: {incident.title}"[:200],
                    "body": message.summary[:4000],
                    "severity": incident.severity,
                    "incident_id": str(incident.id),
                },
                reason="troubleshooting could not repair it",
                requested_by=message.requested_by,
                idempotency_key=message.idempotency_key,
                incident_id=incident.id,
                approval="auto",
            ),
        )

    async def actions_are_told(self, session: AsyncSession, messages: Sequence[ActionChanged]) -> None:
        """Each step of an action is a line in its incident's timeline."""
        lines = []
        for message in messages:
            run = message.run
            await feed.announce(session, kind="action", object_id=str(run.id))
            told = {"action_id": str(run.id), "action": run.action, "status": str(run.status)}
            await record_changes(session, [Change("action_changed", told), *_of_approval(message)])
            if message.reply_to is not None and run.status in ENDS:
                await self._sessions.resume(session, session_id=message.reply_to, run_id=run.id)
            if run.incident_id is not None:
                lines.append(_line_of(message, run.incident_id))
        await timeline.add_all(session, lines)

    async def incident_is_announced(self, session: AsyncSession, message: IncidentChanged) -> None:
        """Who follows is told; the end of an incident ends what waits because of it."""
        if message.status == IncidentStatus.RESOLVED:
            await self._muting.incident_is_over(session, incident_id=message.incident_id)
            await self._action_service.withdraw(session, incident_id=message.incident_id)
        await feed.announce(session, kind="incident", object_id=str(message.incident_id))
        await record_changes(session, [_incident_change(message.incident_id, message.status)])

    async def systems_are_announced(self, session: AsyncSession, message: SystemsChanged) -> None:
        await record_changes(session, [Change(f"system_{message.what}", {"system_id": str(message.system_id)})])
        await feed.announce(session, kind="inventory", object_id=str(message.system_id))

    async def report_becomes_event(self, session: AsyncSession, message: AgentReported) -> None:
        """What an agent tells takes the way of every event."""
        report = message.report
        told = NewEvent(
            message=report.message,
            source=report.source or f"agent {message.agent}",
            error_type=report.error_type,
            context=dict(report.context),
            severity=report.severity,
            category="system_error",
            resolved=report.resolved,
        )
        await self._intake.take(session, events=[told], actor=f"agent:{message.agent or 'opsteward'}")

    async def stuck_saga_becomes_event(self, session: AsyncSession, message: SagaStuck) -> None:
        """What could neither be done nor taken back needs a person."""
        saga = message.saga
        told = NewEvent(
            message=f"The saga {saga.name!r} was not taken back as a whole: {'; '.join(message.problems)}"[:1000],
            source="saga",
            error_type="saga_stuck",
            context={"saga_id": str(saga.id), "cause": saga.error or ""},
            severity="high",
            category="system_error",
            group_key=stuck_key(saga.id),
        )
        await self._intake.take(session, events=[told], actor=LIFECYCLE)

    async def overdue_becomes_event(self, session: AsyncSession, message: EnrollmentOverdue) -> None:
        """Who has to decide hears of it by the way of every event: incident, standing order, notification."""
        told = NewEvent(
            message=f"An enrolment as {message.enrollment_type} waits too long for its stage {message.stage}",
            source="enrolment",
            error_type="enrollment_overdue",
            context={"enrollment_id": str(message.enrollment_id)},
            severity="high",
            category="system_error",
        )
        await self._intake.take(session, events=[told], actor=LIFECYCLE)


def _line_of(message: ActionChanged, incident_id: UUID) -> timeline.Line:
    run = message.run
    return timeline.Line(
        incident_id=incident_id,
        kind="action",
        title=shortened(f"Action {run.action} {_in_words(message)}"),
        detail=redact(_told(run.plan, run.proof, run.error))
        | {"action_id": str(run.id), "action": run.action, "status": run.status, "step": message.key}
        | ({"reason": message.reason} if message.reason else {}),
        key=f"{run.id} {message.key}",
        actor=message.actor,
    )


def _once(incident: IncidentView, action: str) -> str:
    """An action is done once for an incident, and once more for each time that it is back."""
    return f"{incident.id}:{action}" + (f":{incident.reopened}" if incident.reopened else "")


def _in_words(message: ActionChanged) -> str:
    """What this step was. Why nothing was done is part of it: denied, frozen and cooling down look alike without."""
    run, because = message.run, f": {message.reason}" if message.reason else ""
    if message.key in _STEP_WORDS:
        return f"{_STEP_WORDS[message.key]}{because}"
    words = _ACTION_WORDS[RunStatus(run.status)]
    return f"{words}: {run.error}" if run.status in _NOTHING_DONE and run.error else words


def _of_approval(message: ActionChanged) -> list[Change]:
    """What this step of a run means for its approval, if anything: told by its key, for while an approval is refused
    or withdrawn the run itself still waits."""
    run, step = message.run, message.key.partition(" ")[0]
    told = {"approval_id": str(approval_id_of(run.id)), "action_id": str(run.id), "action": run.action}
    if step == "planned" and run.status == RunStatus.AWAITING_APPROVAL:
        return [Change("approval_requested", told)]
    if status := _APPROVAL_ENDS.get(step):
        return [Change("approval_decided", told | {"status": status})]
    return []


def _incident_change(incident_id: UUID, status: str, *, opened: bool = False) -> Change:
    return Change(
        "incident_opened" if opened else "incident_changed", {"incident_id": str(incident_id), "status": str(status)}
    )


def _told(plan: JsonObject | None, proof: JsonObject | None, error: str | None) -> JsonObject:
    told: JsonObject = {}
    if plan:
        told["plan"] = {k: plan[k] for k in ("summary", "steps", "objects", "undo")}
    if proof:
        told["proof"] = proof
    if error:
        told["error"] = error
    return told

"""`/agent/*`: analyse an event, decide, execute, validate a payload (api.md, Events)."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import Header, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.actions.types import ENDS, HELPED, ActionView, NewAction, RunStatus
from opsteward.api.capacity import TURN, Capacity, party_of
from opsteward.api.concurrency_limit import Turn, give_up_turn
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input
from opsteward.api.rest.schemas.events import (
    AnalysisMetadata,
    AnalyzedEvent,
    DecidedAction,
    DecisionMetadata,
    SecondOpinionOut,
)
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.core.backoff import growing_pauses
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import iso, now
from opsteward.core.computing import compute, in_fair_thread
from opsteward.core.db import DatabaseSession
from opsteward.core.errors import Invalid, NotFound
from opsteward.core.fair_share import Busy
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.crew.event_analysis import SecondOpinion, UnsureEvent
from opsteward.events.classification import Category, classify, severity_of
from opsteward.events.decision_table import decide, default_action
from opsteward.events.event_decisions import decided as decided_by
from opsteward.events.payload_validation import CPU_SECONDS, PayloadReport, validate_payload
from opsteward.events.standing_orders.document import Subject

router = Routes(prefix="/agent", tags=["events"])

_WAIT_SECONDS = 20.0
_FIRST_PAUSE, _MAX_PAUSE = 0.1, 2.0  # seconds between two looks

Text = Annotated[str, Field(max_length=200_000)]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class AnalyzeEvent(Input):
    error_type: Word
    message: Text
    stack_trace: Text | None = None
    context: JsonObject = {}


class DecideAction(Input):
    event_type: Word
    severity: Word
    message: Text = ""
    context: JsonObject = {}


class ExecuteAction(Input):
    action: Word
    priority: Annotated[int, Field(strict=True, ge=1, le=5)]
    event_type: Word
    severity: Word
    message: Text
    context: JsonObject = {}


class ValidatePayload(Input):
    payload: JsonObject
    required_fields: Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=1000)]
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None


@router.get("/health/", summary="Whether this is up; needs no token")
async def health(services: ServicesDep) -> dict[str, str]:
    ready = all(services.readiness().values())
    return {"status": "healthy" if ready else "starting"}


@router.post("/analyze-event/")
async def analyze_event(
    body: AnalyzeEvent,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.read")],
) -> AnalyzedEvent:
    """What kind of event this is, and what is usually done about it. Where the rules are unsure and a model is
    configured, it is asked too."""
    found = await in_fair_thread(
        classify, error_type=body.error_type, message=body.message, stack_trace=body.stack_trace, context=body.context
    )
    unsure = UnsureEvent(
        error_type=body.error_type,
        message=body.message,
        stack_trace=body.stack_trace,
        category=found.category,
        confidence=found.confidence,
    )
    give_up_turn(request)  # a model may take seconds
    second = await services.crew.events.second_opinion(services.db, unsure, by=identity)
    taken = second is not None and second.taken
    category, confidence, engine = found.category, found.confidence, found.engine
    analysis = f"rule {found.rule_id} fits with confidence {found.confidence:.2f}"
    if second is not None and taken:
        category, confidence = Category(second.opinion.category), second.opinion.confidence
        engine, analysis = f"llm:{second.opinion.model}", second.opinion.why
    action, priority = default_action(category)
    return AnalyzedEvent(
        category=category,
        severity=found.severity,
        action=action,
        priority=priority,
        metadata=AnalysisMetadata(
            user_facing=category == "validation_error",
            severity=found.severity,
            analysis=analysis,
            confidence=confidence,
            second_opinion=_told(second),
        ),
        engine=engine,
    )


def _told(second: SecondOpinion | None) -> SecondOpinionOut | None:
    if second is None:
        return None
    said = second.opinion
    return SecondOpinionOut(
        model=said.model, category=said.category, confidence=said.confidence, why=said.why, taken=second.taken,
        task_id=second.task_id,
    )  # fmt: skip


@router.post("/decide-action/")
async def decide_action(
    body: DecideAction,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("events.read")],
) -> DecidedAction:
    """What to do: a standing order if one fits, else the decision table."""
    decided = decide(event_type=body.event_type, severity=body.severity, message=body.message, context=body.context)
    fields = {
        "category": str(decided.event_type),
        "severity": str(decided.severity),
        "message": body.message,
        "source": str(body.context.get("source", "")),
        "error_type": str(body.context.get("error_type", "")),
    }
    done = decided_by(decided, await services.orders.match(session, Subject(kind="event", fields=fields)))
    return DecidedAction(
        action=done.action,
        priority=done.priority,
        reason=done.reason if done.order else decided.reason,
        metadata=DecisionMetadata(
            event_type=decided.event_type,
            severity=decided.severity,
            requires_immediate_action=decided.requires_immediate_action,
        ),
        engine="rules",
    )


@router.post("/validate-payload/")
async def validate(body: ValidatePayload, identity: Annotated[Identity, needs("events.read")]) -> PayloadReport:
    """Whether a payload has its required fields and fits its JSON Schema."""
    given = (body.payload, body.required_fields, body.schema_)
    return await (
        compute(CPU_SECONDS, validate_payload, *given) if body.schema_ else in_thread(validate_payload, *given)
    )


@router.post("/execute-action/", responses={202: {"description": "An approval is needed, or it is not done yet"}})
async def execute_action(
    body: ExecuteAction,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("actions.request")],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> JSONResponse:
    """Do it, durably, through the one door, and say what was done."""
    decide(event_type=body.event_type, severity=body.severity)  # refuses what is no category or severity
    async with services.db.unit_of_work(identity.tenant_id) as session:
        run = await services.action_service.request(
            session, new=await _new_action(services, session, body, identity, idempotency_key or str(uuid7()))
        )
    run = await _until_settled(request, services, identity, run)
    details: JsonObject = {
        "action_id": str(run.id),
        "status": run.status,
        "priority": body.priority,
        "result": run.result,
        "plan": run.plan,
        "proof": run.proof,
    }
    answer: JsonObject = {
        "success": run.status in HELPED,
        "action": run.action,
        "message": _in_words(run),
        "execution_time": iso(run.ended_at or now()),
        "details": details,
        "engine": "rules",
    }
    if run.status in ENDS:
        return JSONResponse(answer)
    if run.status == RunStatus.AWAITING_APPROVAL:
        async with services.db.unit_of_work(identity.tenant_id) as session:
            approval = await services.action_service.approval_of(session, run_id=run.id)
        answer["approval_id"] = str(approval.id) if approval else None
    return JSONResponse(answer, status_code=202)


async def _new_action(
    services: ApiServices, session: DatabaseSession, body: ExecuteAction, identity: Identity, key: str
) -> NewAction:
    """The six decision actions carry a notice; an action on a system takes `system` and `params` from the context."""
    known = services.registry.actions
    if body.action not in known:
        raise Invalid.field("action", f"{body.action[:60]!r} is no action", f"use one of {', '.join(sorted(known))}")
    system_id = None
    if known[body.action].connector is None:
        field = body.context.get("field")
        params: JsonObject = {
            "title": (body.message.strip().splitlines() or [body.event_type])[0][:200] or body.event_type,
            "body": body.message[:4000],
            "severity": str(severity_of(body.severity)),
            "field": field if isinstance(field, str) else None,
        }
    else:
        name, given = body.context.get("system"), body.context.get("params", {})
        found = await services.inventory.find(session, name=name) if isinstance(name, str) else None
        if found is None:
            raise Invalid.field("context.system", "names no registered system", "see GET /api/v1/systems")
        if not isinstance(given, dict):
            raise Invalid.field("context.params", "is no object", "give the action's parameters as an object")
        system_id, params = found.id, given
    return NewAction(
        action=body.action,
        params={k: v for k, v in params.items() if v is not None},
        reason=f"{body.event_type} {body.severity}: {body.message[:500]}",
        requested_by=identity.actor,
        idempotency_key=f"request:{identity.operator_id}:{key}",
        system_id=system_id,
    )


async def _until_settled(request: Request, services: ApiServices, identity: Identity, run: ActionView) -> ActionView:
    """Wait a little for a worker to finish (or to ask for approval); the work goes on without us, and others' requests
    with it: who waits holds no turn. Where many wait already, the answer is how far it is now."""
    capacity: Capacity = request.app.state.capacity
    turn: Turn = request.scope[TURN]
    try:
        async with capacity.waits.of(party_of(identity), patience=0):
            return await _looked_at(turn, services, identity.tenant_id, run)
    except Busy:
        return run


async def _looked_at(turn: Turn, services: ApiServices, tenant_id: UUID, run: ActionView) -> ActionView:
    deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
    pauses = growing_pauses(_FIRST_PAUSE, limit=_MAX_PAUSE, factor=1.5)
    while run.status not in ENDS | {RunStatus.AWAITING_APPROVAL}:
        if asyncio.get_running_loop().time() > deadline:
            return run
        await turn.sleep(next(pauses))
        async with services.db.unit_of_work(tenant_id) as session:
            try:
                run = await services.action_service.get(session, run_id=run.id)
            except NotFound:
                return run
    return run


def _in_words(run: ActionView) -> str:
    if run.status == RunStatus.AWAITING_APPROVAL:
        return "waits for the approval of another operator"
    if run.status not in ENDS:
        return "accepted; it is not done yet"
    return str(run.error or (run.proof or {}).get("summary") or (run.plan or {}).get("summary") or run.status)

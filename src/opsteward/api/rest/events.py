"""`/api/v1/events` and `/api/v1/incidents`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import AfterValidator, Field, ValidationError

from opsteward.accounts.types import Identity
from opsteward.actions.runs_in_full import in_full
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.middleware.json_limits import check_json, check_rows
from opsteward.api.rest.schemas.base import Input, Instant, NoBody, Page, Ref, Routine, page_of
from opsteward.api.rest.schemas.events import IncidentInFull, NotDone, Rejected, TakenEvents, TakenEventsInFull
from opsteward.api.routes import Routes, called_directly
from opsteward.api.settings import ApiSettings
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.error_words import problems_of, refusal
from opsteward.core.errors import FieldProblem, Invalid, Malformed
from opsteward.events import timeline
from opsteward.events.classification import Category, severity_of
from opsteward.events.group_decisions import GroupDecisions
from opsteward.events.grouping_explained import explain_groups
from opsteward.events.incident_lists import SEARCHED_LIMIT
from opsteward.events.incident_times import times_of
from opsteward.events.types import IncidentStatus, IncidentView, NewEvent
from opsteward.troubleshooting.types import SessionView

router = Routes(prefix="/api/v1", tags=["events"])

_PROBLEMS_PER_ROW = 20
_PROBLEMS_IN_FULL = 5_000  # of all rows; from then on each row names one
_LOOP_BYTES = 16 * 1024  # larger bodies are read on a thread
_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")


def _known_severity(value: str) -> str:
    try:
        severity_of(value)
    except Invalid as error:
        found = error.problems[0]
        raise refusal(found.problem, found.remedy or "use low, medium or high") from None
    return value


class EventIn(Input):
    """One thing that happened."""

    message: Annotated[str, Field(max_length=200_000)]
    source: Annotated[str, Field(max_length=200)] = ""
    error_type: Annotated[str | None, Field(max_length=200)] = None
    stack_trace: Annotated[str | None, Field(max_length=200_000)] = None
    context: dict[str, Any] = {}
    severity: Annotated[
        str | None, Field(max_length=40), AfterValidator(lambda v: v if v is None else _known_severity(v))
    ] = None
    occurred_at: Instant | None = None
    resolved: Annotated[bool, Field(strict=True)] = False


@router.post(
    "/events",
    status_code=202,
    summary="Take one event, a JSON array of them, or NDJSON",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [
                            {"$ref": "#/components/schemas/EventIn"},
                            {"type": "array", "items": {"$ref": "#/components/schemas/EventIn"}},
                        ]
                    }
                },
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        }
    },
)
@called_directly
async def take_events(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
    detail: Literal["full", "none"] = "full",
) -> TakenEventsInFull | TakenEvents:
    """Good rows are taken and committed before the answer; each bad one is listed with its row, field and reason.

    When no row is good, it is a 422 that names the fields.
    """
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    body = await request.body()
    read = partial(_read, body, kind, services.settings.api)
    number, good, rejected = read() if len(body) <= _LOOP_BYTES else await in_thread(read)
    if not good:
        raise Invalid(
            problems=[
                FieldProblem(field=f"{r.row}.{r.field}" if number > 1 else r.field, problem=r.reason, remedy=r.remedy)
                for r in rejected[:100]
            ]
            or [FieldProblem(field="body", problem="holds no event", remedy="send at least one")]
        )
    give_up_turn(request)
    taken = await services.intake_queue.take(
        tenant_id=identity.tenant_id, events=good, actor=identity.actor, size=len(body)
    )
    if detail == "full":
        return TakenEventsInFull(accepted=len(taken), rejected=rejected, events=taken)
    return TakenEvents(accepted=len(taken), rejected=rejected)


def _read(body: bytes, kind: str, settings: ApiSettings) -> tuple[int, list[NewEvent], list[Rejected]]:
    """How many rows there are, and of these the good ones and what is wrong with the others."""
    rows = _rows(body, kind, settings)
    return len(rows), *_sorted_out(rows)


def _rows(body: bytes, kind: str, settings: ApiSettings) -> Sequence[object]:
    most = settings.max_events_per_request
    too_many = Invalid.field("body", f"holds more than {most} events", f"send at most {most} at once")
    if kind in _NDJSON:
        lines = list(islice((line for line in io.BytesIO(body) if line.strip()), most + 1))
        if len(lines) > most:
            raise too_many
        return [_line(line, settings.max_json_depth) for line in lines]
    if kind != "application/json" and not kind.endswith("+json"):
        raise Malformed.field("content-type", f"{kind[:60]!r} is not taken here", "use application/json or NDJSON")
    if not body.strip():
        raise Malformed.field("body", "is empty or no JSON", "send one event, an array, or NDJSON")
    is_array = body.lstrip()[:1] == b"["
    depth = settings.max_json_depth
    rows = check_rows(body, max_depth=depth) if is_array else [check_json(body, max_depth=depth)]
    if len(rows) > most:
        raise too_many
    return rows


def _line(line: bytes, max_depth: int) -> Any:
    """A parsed NDJSON line, or the error that it is rejected with."""
    try:
        return check_json(line, max_depth=max_depth)
    except Invalid as error:
        return error


def _sorted_out(rows: Sequence[object]) -> tuple[list[NewEvent], list[Rejected]]:
    good: list[NewEvent] = []
    rejected: list[Rejected] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Invalid):
            rejected += [Rejected(row=number, field=p.field, reason=p.problem, remedy=p.remedy) for p in row.problems]
            continue
        try:
            event = EventIn.model_validate(row)
        except ValidationError as error:
            rejected += [
                Rejected(row=number, field=p.field, reason=p.problem, remedy=p.remedy)
                for p in problems_of(
                    error.errors(include_input=False, include_url=False),
                    given=row,
                    limit=_PROBLEMS_PER_ROW if len(rejected) < _PROBLEMS_IN_FULL else 1,
                )
            ]
            continue
        good.append(_new(event))
    return good, rejected


def _new(event: EventIn) -> NewEvent:
    """The event, its context as it was sent."""
    return NewEvent(
        message=event.message,
        source=event.source,
        error_type=event.error_type,
        stack_trace=event.stack_trace,
        context=event.context,
        severity=event.severity,
        occurred_at=event.occurred_at,
        resolved=event.resolved,
    )


class Reason(Input):
    reason: Annotated[str, Field(max_length=2000)] = ""


@router.get("/incidents")
async def list_incidents(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.read")],
    status: Annotated[list[IncidentStatus] | None, Query()] = None,
    severity: Annotated[str | None, Query(max_length=40)] = None,
    source: Annotated[str | None, Query(max_length=200)] = None,
    system_id: UUID | None = None,
    since: Annotated[Instant | None, Query(description="opened then or later")] = None,
    until: Annotated[Instant | None, Query(description="opened before")] = None,
    search: Annotated[str | None, Query(max_length=200, description="words in its title or source")] = None,
    ref: Ref = None,
    mine: Annotated[bool, Query(description="assigned to me, or acknowledged by me and assigned to nobody")] = False,
    muted: Annotated[bool | None, Query(description="kept quiet by a silence or an inhibition")] = None,
    order: Annotated[
        Literal["urgency", "newest", "oldest"],
        Query(description="urgency: open before resolved, then by severity, then by age"),
    ] = "urgency",
    before: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Page[IncidentView]:
    """The most urgent first, resolved ones at the end; `before` takes the `next` of the previous page."""
    found = await services.incidents.page(
        session,
        status=[s.value for s in status or []] or None,
        severity=severity,
        source=source,
        system_id=system_id,
        since=since,
        until=until,
        search=search,
        ref=ref,
        newest_first=order == "newest",
        oldest_first=order == "oldest",
        mine=identity.actor if mine else None,
        muted=muted,
        before=before,
        limit=limit,
    )
    return page_of(found, limit=limit, cursor="number", searched=SEARCHED_LIMIT if search else None)


@router.get("/incidents/{incident_id}")
async def get_incident(
    incident_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.read")],
    include_routine: Routine = False,
) -> IncidentInFull:
    """The incident with its timeline, its newest events, its actions and its sessions, and where its time went."""
    incident = await services.incidents.get(session, incident_id=incident_id)
    whole = await timeline.read(session, incident_id=incident_id, include_routine=True)
    events = await services.incidents.events(session, incident_id=incident_id)
    runs = await services.action_service.list_runs(session, incident_id=incident_id, include_routine=include_routine)
    actions = await in_full(session, services.inventory, runs)
    sessions = await services.sessions.page(session, incident_id=incident_id)
    lines = whole if include_routine else timeline.folded(whole)
    return IncidentInFull(
        **vars(incident),
        timeline=lines,
        routine_lines_hidden=len(whole) - len(lines),
        events=events,
        actions=actions,
        not_done=[NotDone.of(run) for run in actions if run.not_done_because is not None],
        sessions=sessions,
        grouping=explain_groups(events),
        times=times_of(lines, opened_at=incident.opened_at, resolved_at=incident.resolved_at, now=now()),
    )


@router.post("/incidents/{incident_id}/acknowledge")
async def acknowledge(
    incident_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
    body: Reason | None = None,
) -> IncidentView:
    """Somebody has seen it."""
    return await services.incidents.acknowledge(
        session, incident_id=incident_id, by=identity, reason=body.reason if body else ""
    )


@router.post("/incidents/{incident_id}/resolve")
async def resolve(
    incident_id: UUID,
    body: Reason,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> IncidentView:
    """Close it by hand."""
    return await services.incidents.resolve_by_hand(session, incident_id=incident_id, by=identity, reason=body.reason)


class Correction(Reason):
    category: Category


class Merge(Reason):
    into: UUID


class Split(Reason):
    fingerprint: Annotated[str, Field(max_length=64)]


@router.post("/incidents/{incident_id}/correct")
async def correct(
    incident_id: UUID,
    body: Correction,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> IncidentView:
    """Say what its events are; later ones like them are judged so."""
    return await GroupDecisions(services.incidents).correct(
        session, incident_id=incident_id, category=body.category, by=identity, reason=body.reason
    )


@router.post("/incidents/{incident_id}/merge")
async def merge(
    incident_id: UUID,
    body: Merge,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> IncidentView:
    """Make it part of another incident, which gets later events like its own too."""
    return await GroupDecisions(services.incidents).merge(
        session, incident_id=incident_id, into=body.into, by=identity, reason=body.reason
    )


@router.post("/incidents/{incident_id}/split")
async def split(
    incident_id: UUID,
    body: Split,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> IncidentView:
    """Let later events of one of its fingerprints stand apart."""
    return await GroupDecisions(services.incidents).split(
        session, incident_id=incident_id, fingerprint=body.fingerprint, by=identity, reason=body.reason
    )


@router.post("/incidents/{incident_id}/troubleshoot", status_code=202)
async def troubleshoot(
    incident_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("troubleshooting.run")],
    body: NoBody = None,
) -> SessionView:
    """Start a session for it."""
    incident = await services.incidents.get(session, incident_id=incident_id)
    return await services.sessions.start(
        session,
        trigger="operator",
        requested_by=identity.actor,
        system_id=incident.system_id,
        incident_id=incident_id,
        complaint=incident.title,
    )

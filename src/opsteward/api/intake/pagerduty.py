"""`/v2/enqueue` and `/v2/change/enqueue`: PagerDuty's Events API v2. Its `routing_key` is a token of ours.

What an alert says is read by the mapping of the source `pagerduty`, as at `/api/v1/intake/pagerduty`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated
from uuid import uuid4

from fastapi import Request
from pydantic import BaseModel

from opsteward.accounts.types import Identity
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.middleware.json_limits import check_values
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Conflict, FieldProblem, Invalid
from opsteward.core.json_types import JsonObject
from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.mapping import read
from opsteward.events.sources.unwrapping import storable
from opsteward.events.types import NewEvent
from opsteward.integrations.pagerduty.events_v2 import Alert, alert_of, change_of, parsed

router = Routes(tags=["sources"])

_STATUS = 202


class PagerDutyAnswer(BaseModel):
    """What its clients expect."""

    status: str = "success"
    message: str = "Event processed"
    dedup_key: str | None = None


@router.post("/v2/enqueue", status_code=_STATUS, include_in_schema=False, response_model_exclude_none=True)
@router.post("/v2/enqueue/", status_code=_STATUS, include_in_schema=False, response_model_exclude_none=True)
async def enqueue(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> PagerDutyAnswer:
    """Trigger opens an alert or joins the open one of its `dedup_key`, acknowledge and resolve move that."""
    body = await request.body()
    alert = await in_thread(_alert, body)
    reading = read(source_named("pagerduty"), alert.body, {}, limit=1)
    if alert.action == "acknowledge":
        async with services.db.unit_of_work(identity.tenant_id) as session:
            home = await services.intake.incident_of(session, fingerprint=str(reading.events[0].group_key))
            if home is not None:
                with suppress(Conflict):  # it is over meanwhile
                    await services.incidents.acknowledge(session, incident_id=home, by=identity)
    else:
        await _take(request, services, identity, reading.events, len(body))
    return PagerDutyAnswer(dedup_key=alert.dedup_key)


@router.post("/v2/change/enqueue", status_code=_STATUS, include_in_schema=False, response_model_exclude_none=True)
async def enqueue_change(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> PagerDutyAnswer:
    """A change (a deployment, say) is kept as an event of low severity."""
    body = await request.body()
    reading = read(source_named("pagerduty"), change_of(await in_thread(_json, body)), {}, limit=1)
    await _take(request, services, identity, reading.events, len(body))
    return PagerDutyAnswer(message="Change event processed")


async def _take(
    request: Request, services: ApiServices, identity: Identity, events: Sequence[NewEvent], size: int
) -> None:
    give_up_turn(request)
    await services.intake_queue.take(tenant_id=identity.tenant_id, events=events, actor=identity.actor, size=size)


def _json(body: bytes) -> JsonObject:
    check_values(body)
    found = storable(parsed(body))
    if not isinstance(found, dict):
        raise Invalid(problems=[FieldProblem(field="body", problem="is no JSON object", remedy="send an event")])
    return found


def _alert(body: bytes) -> Alert:
    return alert_of(_json(body), new_key=uuid4().hex)

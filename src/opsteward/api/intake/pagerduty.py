"""PagerDuty's Events API: v2 (`/v2/enqueue`, `/v2/change/enqueue`) and v1. Its key is a token of ours.

What an alert says is read by the mapping of the source `pagerduty`, as at `/api/v1/intake/pagerduty`.
"""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Request
from pydantic import BaseModel

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.intake import alerts
from opsteward.api.intake_credentials import PAGERDUTY_V1
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.integrations.pagerduty import events_v1, events_v2

router = Routes(tags=["sources"])

_STATUS = 202
_SOURCE = "pagerduty"


class PagerDutyAnswer(BaseModel):
    """What its clients expect."""

    status: str = "success"
    message: str = "Event processed"
    dedup_key: str | None = None
    incident_key: str | None = None


@router.post("/v2/enqueue", status_code=_STATUS, include_in_schema=False, response_model_exclude_none=True)
@router.post("/v2/enqueue/", status_code=_STATUS, include_in_schema=False, response_model_exclude_none=True)
async def enqueue(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> PagerDutyAnswer:
    """Trigger opens an alert or joins the open one of its `dedup_key`, acknowledge and resolve move that."""
    alert = events_v2.alert_of(await alerts.object_in(request, services), new_key=uuid4().hex)
    await _take(request, services, identity, alert)
    return PagerDutyAnswer(dedup_key=alert.key)


@router.post(PAGERDUTY_V1, include_in_schema=False, response_model_exclude_none=True)
async def create_event(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> PagerDutyAnswer:
    """The same in the words of the Events API v1. Its `incident_key` names the same alert as a `dedup_key` does."""
    alert = events_v1.alert_of(await alerts.object_in(request, services), new_key=uuid4().hex)
    await _take(request, services, identity, alert)
    return PagerDutyAnswer(incident_key=alert.key)


@router.post("/v2/change/enqueue", status_code=_STATUS, include_in_schema=False, response_model_exclude_none=True)
async def enqueue_change(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> PagerDutyAnswer:
    """A change (a deployment, say) is kept as an event of low severity."""
    change = events_v2.change_of(await alerts.object_in(request, services))
    await alerts.take(request, services, identity, await alerts.event_of(_SOURCE, change), source=_SOURCE)
    return PagerDutyAnswer(message="Change event processed")


async def _take(request: Request, services: ApiServices, identity: Identity, alert: events_v2.Alert) -> None:
    event = await alerts.event_of(_SOURCE, alert.body)
    if alert.action == "acknowledge":
        await alerts.acknowledge(services, identity, event)
    else:
        await alerts.take(request, services, identity, event, source=_SOURCE)

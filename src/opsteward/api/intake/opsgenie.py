"""`/v2/alerts`: Opsgenie's Alert API. Its `GenieKey` is a token of ours.

What an alert says is read by the mapping of the source `opsgenie`, as at `/api/v1/intake/opsgenie`. A request's id is
the alert's alias, so that a client that asks what became of it is told from what is stored.
"""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Path, Request
from pydantic import BaseModel, Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.intake import alerts
from opsteward.api.routes import Routes
from opsteward.core.errors import NotFound
from opsteward.integrations.opsgenie.alert_api import alert_of, changed, done_to

router = Routes(tags=["sources"])

Identifier = Annotated[str, Path(max_length=2_000)]
_STATUS = 202
_SOURCE = "opsgenie"


class OpsgenieAnswer(BaseModel):
    """What its clients expect; `took`: seconds, which nobody measures here."""

    result: str = "Request will be processed"
    took: float = 0.0
    request_id: str = Field(serialization_alias="requestId")


class ProcessedRequest(BaseModel):
    """What became of a request. The alias is the alert's id, too."""

    success: bool = True
    is_success: bool = Field(default=True, serialization_alias="isSuccess")
    action: str = "Create"
    status: str = "Created alert"
    integration_id: str = Field(default="", serialization_alias="integrationId")
    alert_id: str = Field(serialization_alias="alertId")
    alias: str


class RequestStatus(BaseModel):
    """As the Alert API wraps it."""

    data: ProcessedRequest
    took: float = 0.0
    request_id: str = Field(serialization_alias="requestId")


@router.post("/v2/alerts", status_code=_STATUS, include_in_schema=False)
@router.post("/v2/alerts/", status_code=_STATUS, include_in_schema=False)
async def create_alert(
    request: Request, services: ServicesDep, identity: Annotated[Identity, needs("events.write")]
) -> OpsgenieAnswer:
    """Opens an alert, or joins the open one of its alias."""
    body = await alerts.object_in(request, services)
    alert = alert_of(body, new_key=str(uuid4()))
    await alerts.take(request, services, identity, await alerts.event_of(_SOURCE, alert), source=_SOURCE)
    return OpsgenieAnswer(request_id=str(alert["alias"]))


@router.get("/v2/alerts/requests/{request_id}", include_in_schema=False)
async def get_request_status(
    request_id: Identifier, services: ServicesDep, identity: Annotated[Identity, needs("events.write")]
) -> RequestStatus:
    """Whether the alert that a request created is there; once it is over it is not found any more."""
    event = await alerts.event_of(_SOURCE, done_to(request_id, "Create", {}))
    if await alerts.home_of(services, identity, event) is None:
        raise NotFound("no open alert of this request")
    return RequestStatus(data=ProcessedRequest(alert_id=request_id, alias=request_id), request_id=request_id)


@router.post("/v2/alerts/{identifier}/close", status_code=_STATUS, include_in_schema=False)
async def close_alert(
    identifier: Identifier,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> OpsgenieAnswer:
    """It is over."""
    alert = done_to(identifier, "Close", await alerts.object_in(request, services))
    await alerts.take(request, services, identity, await alerts.event_of(_SOURCE, alert), source=_SOURCE)
    return OpsgenieAnswer(request_id=identifier)


@router.delete("/v2/alerts/{identifier}", status_code=_STATUS, include_in_schema=False)
async def delete_alert(
    identifier: Identifier,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> OpsgenieAnswer:
    """The same: nothing that came in is forgotten by order of a sender."""
    return await close_alert(identifier, request, services, identity)


@router.post("/v2/alerts/{identifier}/acknowledge", status_code=_STATUS, include_in_schema=False)
async def acknowledge_alert(
    identifier: Identifier,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> OpsgenieAnswer:
    """Somebody is on it."""
    alert = done_to(identifier, "Acknowledge", await alerts.object_in(request, services))
    note = alert.get("description")
    event = await alerts.event_of(_SOURCE, alert)
    await alerts.acknowledge(services, identity, event, reason=note[:500] if isinstance(note, str) else "")
    return OpsgenieAnswer(request_id=identifier)


@router.put("/v2/alerts/{identifier}/message", status_code=_STATUS, include_in_schema=False)
@router.put("/v2/alerts/{identifier}/description", status_code=_STATUS, include_in_schema=False)
async def change_alert(
    identifier: Identifier,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> OpsgenieAnswer:
    """A new message or description of an alert that is open is one more event of it; of any other, nothing."""
    event = await alerts.event_of(_SOURCE, changed(identifier, await alerts.object_in(request, services)))
    if await alerts.home_of(services, identity, event) is not None:
        await alerts.take(request, services, identity, event, source=_SOURCE)
    return OpsgenieAnswer(request_id=identifier)

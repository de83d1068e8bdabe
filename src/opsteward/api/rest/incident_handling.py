"""What people do with incidents beyond reading: assign, comment, reopen; and many at once."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input
from opsteward.api.routes import Routes
from opsteward.events.incident_handling import BULK_LIMIT, BulkDone, Handling, Verb
from opsteward.events.related_incidents import RelatedIncident, related_incidents
from opsteward.events.types import IncidentView

router = Routes(prefix="/api/v1/incidents", tags=["incidents"])

_Why = Annotated[str, Field(max_length=2000)]


class BulkIn(Input):
    """The same for many incidents; `to` only to assign them."""

    verb: Verb
    incident_ids: Annotated[list[UUID], Field(min_length=1, max_length=BULK_LIMIT)]
    reason: _Why = ""
    to: Annotated[str | None, Field(max_length=320)] = None


class AssignIn(Input):
    """`to`: an operator by name or id, `me`, or null for nobody."""

    to: Annotated[str | None, Field(min_length=1, max_length=320)]
    reason: _Why = ""


class CommentIn(Input):
    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class ReopenIn(Input):
    reason: _Why = ""


@router.post("/bulk")
async def change_incidents(
    body: BulkIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> BulkDone:
    """Acknowledge, resolve, reopen or assign up to 500. Each is done, or left as it was with the reason."""
    return await Handling(services.incidents).bulk(
        session, verb=body.verb, incident_ids=body.incident_ids, by=identity, reason=body.reason, to=body.to
    )


@router.post("/{incident_id}/assign")
async def assign_incident(
    incident_id: UUID,
    body: AssignIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> IncidentView:
    """Say who is to work on it."""
    return await Handling(services.incidents).assign(
        session, incident_id=incident_id, to=body.to, by=identity, reason=body.reason
    )


@router.post("/{incident_id}/comments", status_code=201)
async def comment_incident(
    incident_id: UUID,
    body: CommentIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> IncidentView:
    """Write something into its timeline."""
    return await Handling(services.incidents).comment(session, incident_id=incident_id, text=body.text, by=identity)


@router.post("/{incident_id}/reopen")
async def reopen_incident(
    incident_id: UUID,
    body: ReopenIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> IncidentView:
    """It is not over after all: the same incident goes on, and takes its events again."""
    return await Handling(services.incidents).reopen(session, incident_id=incident_id, by=identity, reason=body.reason)


@router.get("/{incident_id}/related")
async def list_related_incidents(
    incident_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.read")],
    limit: Annotated[int, Query(ge=1, le=20)] = 5,
) -> list[RelatedIncident]:
    """Past incidents of the same events, then of the same system and category; and what helped then."""
    await services.incidents.get(session, incident_id=incident_id)
    return await related_incidents(
        session, services.action_service, services.inventory, incident_id=incident_id, limit=limit
    )

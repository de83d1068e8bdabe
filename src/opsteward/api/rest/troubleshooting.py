"""`/api/v1/troubleshooting/sessions`: on demand, and what sessions found."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.accounts.named_actors import Said, with_actors
from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Page, page_of
from opsteward.api.routes import Routes
from opsteward.core.errors import Invalid
from opsteward.troubleshooting.replay import replay_session
from opsteward.troubleshooting.types import SessionReplay, SessionView

router = Routes(prefix="/api/v1/troubleshooting/sessions", tags=["troubleshooting"])

_REQUESTER = Said("requested_by", "started_at", "requester")


class SessionIn(Input):
    """What seems to be wrong ("pages are slow"), and with which system; all are looked at when none is named."""

    complaint: Annotated[str, Field(max_length=2000)] = ""
    system: Annotated[str | None, Field(max_length=100)] = None


@router.post("", status_code=202)
async def start_session(
    body: SessionIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("troubleshooting.run")],
) -> SessionView:
    """Start a session; standing orders decide what it may do."""
    system_id = None
    if body.system is not None:
        found = await services.inventory.find(session, name=body.system)
        if found is None:
            raise Invalid.field("system", "is no registered system", "see GET /api/v1/systems")
        system_id = found.id
    return await services.sessions.start(
        session,
        trigger="operator",
        requested_by=identity.actor,
        system_id=system_id,
        complaint=body.complaint,
    )


@router.get("")
async def list_sessions(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("troubleshooting.read")],
    incident_id: UUID | None = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[SessionView]:
    """Newest first."""
    found = await services.sessions.page(session, incident_id=incident_id, before=before, limit=limit)
    return page_of(await with_actors(session, found, _REQUESTER), limit=limit)


@router.get("/{session_id}")
async def get_session(
    session_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("troubleshooting.read")],
) -> SessionView:
    """One session: phases, issues, diagnostics, resolutions."""
    found = await services.sessions.get(session, session_id=session_id)
    return (await with_actors(session, [found], _REQUESTER))[0]


@router.get("/{session_id}/replay")
async def replay_a_session(
    session_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    _: Annotated[Identity, needs("troubleshooting.read")],
) -> SessionReplay:
    """What today's rules and standing orders make of what a past session found; looks at nothing and does nothing."""
    return await replay_session(session, services.orders, session_id=session_id)

"""`/api/v1/silences` and `/api/v1/inhibitions`: what is kept quiet."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, NoBody, Page, page_of
from opsteward.api.routes import Routes
from opsteward.events.muting.types import InhibitionView, SilencePreview, SilenceStatus, SilenceView

router = Routes(prefix="/api/v1", tags=["silences"])

_Matchers = Annotated[
    list[Annotated[str, Field(max_length=1000)]],
    Field(
        max_length=20,
        description='as severity="high" or instance=~"db.*", on source, system, severity, category, error_type, title'
        " or a label; =, !=, =~ and !~",
    ),
]


class PreviewIn(Input):
    matchers: _Matchers


class SilenceIn(PreviewIn):
    """`starts_at` is now if it is left out."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    starts_at: Instant | None = None
    ends_at: Instant


class InhibitionIn(Input):
    """While an incident that matches `source` is open, those that match `target` are kept quiet."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    source: _Matchers
    target: _Matchers
    equal: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=10)] = []
    dependents: Annotated[bool, Field(strict=True)] = False
    reason: Annotated[str, Field(max_length=2000)] = ""


@router.post("/silences", status_code=201)
async def create_silence(
    body: SilenceIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> SilenceView:
    """Keep what matches quiet until an instant: it is recorded and shown, nothing is done and nobody told."""
    return await services.muting.silence(
        session,
        matchers=body.matchers,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        reason=body.reason,
        by=identity,
    )


@router.post("/silences/preview")
async def preview_silence(
    body: PreviewIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.read")],
) -> SilencePreview:
    """How many open incidents it would keep quiet."""
    return await services.muting.preview(session, matchers=body.matchers)


@router.get("/silences")
async def list_silences(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.read")],
    status: SilenceStatus | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[SilenceView]:
    """Newest first, with those that are over."""
    found = await services.muting.silences(session, status=status, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.post("/silences/{silence_id}/end")
async def end_silence(
    silence_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
    body: NoBody = None,
) -> SilenceView:
    """End it now: what it kept quiet and is open still is done and told."""
    return await services.muting.end_silence(session, silence_id=silence_id, by=identity)


@router.post("/inhibitions", status_code=201)
async def create_inhibition(
    body: InhibitionIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
) -> InhibitionView:
    """A rule by which one trouble keeps what follows from it quiet."""
    return await services.muting.inhibit(session, by=identity, **body.model_dump())


@router.get("/inhibitions")
async def list_inhibitions(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.read")],
    removed: Annotated[bool, Query(description="with those that were removed")] = False,
) -> Page[InhibitionView]:
    """Newest first."""
    return Page(items=await services.muting.inhibitions(session, removed=removed))


@router.post("/inhibitions/{inhibition_id}/remove")
async def remove_inhibition(
    inhibition_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.write")],
    body: NoBody = None,
) -> InhibitionView:
    """It keeps nothing quiet any more."""
    return await services.muting.remove_inhibition(session, inhibition_id=inhibition_id, by=identity)

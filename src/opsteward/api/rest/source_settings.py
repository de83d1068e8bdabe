"""`/api/v1/sources/{source}`: what a tenant sets for a source, and its last bodies, which can be read again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Page
from opsteward.api.rest.sources import SourceInfo, parsed_body, source_info
from opsteward.api.routes import Routes
from opsteward.contracts.source import Shape, Signature
from opsteward.core.blocking_calls import in_thread
from opsteward.events.sources import kept_bodies
from opsteward.events.sources.kept_bodies import KeptBody
from opsteward.events.sources.own_sources import KnownSource, Topic
from opsteward.events.sources.taking import TakenFromSource
from opsteward.events.sources.tallies import Tally, counts

router = Routes(tags=["sources"])


class _Settings(Input):
    """`secret`: what the sender signs with; from then on what is not signed is refused. `signature`: how it signs,
    where the source does not declare it. `topics`: of SNS."""

    title: Annotated[str | None, Field(max_length=100)] = None
    shapes: Annotated[list[Shape] | None, Field(max_length=50)] = None
    secret: Annotated[str | None, Field(min_length=8, max_length=1000)] = None
    signature: Signature | None = None
    topics: Annotated[list[Topic] | None, Field(max_length=100)] = None


class SourceSettingsIn(_Settings):
    """What is to change; null takes it away, what is left out stays."""


class NewSourceIn(_Settings):
    """A source that nothing ships for."""

    slug: Annotated[str, Field(min_length=1, max_length=40)]


@dataclass(frozen=True, kw_only=True)
class SourceDetail:
    """A source with what ships for it (`shipped_shapes`) and what the tenant has set (`shapes`)."""

    info: SourceInfo
    shapes: list[Shape]
    shipped_shapes: list[Shape]
    signature: Signature | None
    has_secret: bool
    topics: list[str]
    changed_at: datetime | None


@router.post("/api/v1/sources", status_code=201)
async def create_source(
    body: NewSourceIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> SourceDetail:
    """A source of one's own, with an address of its own: /api/v1/intake/{slug}."""
    changes = {name: getattr(body, name) for name in body.model_fields_set - {"slug"}}
    known = await services.own_sources.create(session, name=body.slug, changes=changes, actor=identity.actor)
    return _detail(known, Tally())


@router.get("/api/v1/sources/{source}")
async def get_source(
    source: str, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("events.read")]
) -> SourceDetail:
    """A source with what is set for it; the secret is never shown."""
    known = await services.own_sources.known(session, source)
    await services.source_tallies.flush()
    return _detail(known, (await counts(session)).get(known.slug, Tally()))


@router.patch("/api/v1/sources/{source}")
async def change_source(
    source: str,
    body: SourceSettingsIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> SourceDetail:
    """Set forms of one's own, a secret, topics."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    known = await services.own_sources.change(session, name=source, changes=changes, actor=identity.actor)
    return _detail(known, (await counts(session)).get(known.slug, Tally()))


@router.delete("/api/v1/sources/{source}", status_code=204)
async def reset_source(
    source: str, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("systems.write")]
) -> Response:
    """Take away all that was set for it; a source of one's own is gone with that."""
    await services.own_sources.remove(session, name=source, actor=identity.actor)
    return Response(status_code=204)


@router.get("/api/v1/sources/{source}/bodies")
async def list_source_bodies(
    source: str,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("events.read")],
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page[KeptBody]:
    """The last bodies, the newest first: all of no known form (up to 200), of the others a sample (up to 20)."""
    known = await services.own_sources.known(session, source)
    return Page(items=await kept_bodies.page(session, slug=known.slug, before=before, limit=limit))


@router.get("/api/v1/sources/{source}/bodies/{body_id}")
async def get_source_body(
    source: str,
    body_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("events.read")],
) -> KeptBody:
    """A kept body with what it holds, as it came."""
    known = await services.own_sources.known(session, source)
    return await kept_bodies.one(session, slug=known.slug, body_id=body_id)


@router.post("/api/v1/sources/{source}/bodies/{body_id}/read", status_code=202)
async def read_source_body(
    source: str,
    body_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> TakenFromSource:
    """Take a kept body again, with the forms as they are now."""
    async with services.db.unit_of_work(identity.tenant_id) as session:
        known = await services.own_sources.known(session, source)
        kept = await kept_bodies.one(session, slug=known.slug, body_id=body_id)
    api = services.settings.api
    body = await in_thread(parsed_body, (kept.body or "").encode(), kept.kind, api.max_json_depth)
    return await services.source_intake.read_again(
        tenant_id=identity.tenant_id,
        name=known.slug,
        kept=kept,
        body=body,
        limit=api.max_events_per_request,
        actor=identity.actor,
    )


def _detail(source: KnownSource, tally: Tally) -> SourceDetail:
    return SourceDetail(
        info=source_info(source, tally),
        shapes=list(source.settings.shapes),
        shipped_shapes=list(source.mapping.shapes),
        signature=source.signature,
        has_secret=source.has_secret,
        topics=list(source.settings.topics),
        changed_at=source.changed_at,
    )

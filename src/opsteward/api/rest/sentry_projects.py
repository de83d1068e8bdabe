"""`/api/v1/sentry-projects`: the applications that report through a Sentry SDK, and their DSNs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from opsteward.accounts import dsns
from opsteward.accounts.dsns import MAX_GRACE, NAME_LIMIT, ProjectKey, SentryProjectInfo
from opsteward.accounts.types import Identity
from opsteward.api.deps import TenantSession, needs, own_address
from opsteward.api.rest.schemas.base import Input, Page, page_of
from opsteward.api.routes import Routes

router = Routes(prefix="/api/v1/sentry-projects", tags=["sources"])


class SentryProjectIn(Input):
    """An application; its events have this name as their source, and belong to the system of that name."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]


class RotationIn(Input):
    """For how long the old DSN is still taken."""

    grace: Annotated[int, Field(strict=True, ge=0, le=int(MAX_GRACE.total_seconds()), description="seconds")] = 86_400


class Dsn(BaseModel):
    """The only time the DSN is seen."""

    id: UUID
    number: int
    dsn: str


@router.post("", status_code=201)
async def create_sentry_project(
    body: SentryProjectIn,
    request: Request,
    session: TenantSession,
    identity: Annotated[Identity, needs("tokens.write")],
) -> Dsn:
    """A DSN for an application with a Sentry SDK: it reports here once it has this in the place of its own."""
    return _told(request, await dsns.create(session, name=body.name, actor=identity.actor))


@router.get("")
async def list_sentry_projects(
    session: TenantSession,
    identity: Annotated[Identity, needs("operators.read")],
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[SentryProjectInfo]:
    """The applications with a DSN, newest first; `after`: `next` of the page before."""
    return page_of(await dsns.list_projects(session, after=after, limit=limit), limit=limit)


@router.get("/{project_id}")
async def get_sentry_project(
    project_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("operators.read")]
) -> SentryProjectInfo:
    """One application with a DSN."""
    return await dsns.get(session, project_id=project_id)


@router.post("/{project_id}/rotate")
async def rotate_dsn(
    project_id: UUID,
    request: Request,
    session: TenantSession,
    identity: Annotated[Identity, needs("tokens.write")],
    body: RotationIn | None = None,
) -> Dsn:
    """A new DSN; the old one is taken for `grace` seconds more (a day), so that applications can follow one by one."""
    grace = timedelta(seconds=(body or RotationIn()).grace)
    return _told(request, await dsns.rotate(session, project_id=project_id, grace=grace, actor=identity.actor))


@router.delete("/{project_id}", status_code=204)
async def remove_sentry_project(
    project_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("tokens.write")]
) -> Response:
    """Take nothing by its DSN any more; what it reported stays."""
    await dsns.remove(session, project_id=project_id, actor=identity.actor)
    return Response(status_code=204)


def _told(request: Request, made: ProjectKey) -> Dsn:
    return Dsn(id=made.id, number=made.number, dsn=made.dsn(own_address(request)))

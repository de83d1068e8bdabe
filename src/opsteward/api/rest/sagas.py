"""`/api/v1/sagas`: one change of records over several systems, all of it or none."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Page, Ref, page_of
from opsteward.api.routes import Routes
from opsteward.provisioning.sagas import queries
from opsteward.provisioning.sagas.types import STEPS_LIMIT, NewStep, Saga

router = Routes(prefix="/api/v1/sagas", tags=["sagas"])

Reader = Annotated[Identity, needs("systems.read")]
Writer = Annotated[Identity, needs("systems.write")]


class SagaIn(Input):
    """What is to be changed, in this order. When a step fails, those before it are taken back."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    steps: Annotated[list[NewStep], Field(min_length=1, max_length=STEPS_LIMIT)]


@router.post("", status_code=202)
async def start_saga(body: SagaIn, services: ServicesDep, session: TenantSession, identity: Writer) -> Saga:
    """Ask for the approval of these changes; once approved they are made, all of them or none."""
    return await services.sagas.start(session, name=body.name, steps=body.steps, actor=identity.actor)


@router.get("")
async def list_sagas(
    session: TenantSession,
    identity: Reader,
    ref: Ref = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page[Saga]:
    """Newest first; `before`: `next` of the page before."""
    return page_of(await queries.list_sagas(session, ref=ref, before=before, limit=limit), limit=limit)


@router.get("/{saga_id}")
async def get_saga(saga_id: UUID, session: TenantSession, identity: Reader) -> Saga:
    """One saga: its steps, the records before them, and what came of each."""
    return await queries.get(session, saga_id)

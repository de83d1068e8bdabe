"""`/api/v1/actions` and `/freezes`: the one door, seen from outside."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.actions.runs_in_full import ActionInFull, in_full
from opsteward.actions.types import ActionView, FreezeView, NewAction
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.actions import ActionTypeInfo
from opsteward.api.rest.schemas.base import Input, NoBody, Page, Ref, Routine, page_of
from opsteward.api.routes import Routes
from opsteward.core.ids import uuid7

router = Routes(prefix="/api/v1", tags=["actions"])


class ActionIn(Input):
    """An action to request. What may interrupt somebody needs another operator's approval."""

    action: Annotated[str, Field(min_length=1, max_length=100)]
    system_id: UUID | None = None
    params: dict[str, Any] = {}
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class AmendIn(Input):
    params: dict[str, Any]


@router.get("/actions/catalogue")
async def action_catalogue(
    services: ServicesDep, identity: Annotated[Identity, needs("actions.read")]
) -> Page[ActionTypeInfo]:
    """Every action there is, with its risk and the JSON Schema of its parameters."""
    items = [
        ActionTypeInfo(
            action=slug,
            title=offered.action.title,
            risk=offered.action.risk.value,
            undoable=offered.action.undoable,
            schemes=sorted(offered.schemes),
            params=offered.action.params_model.model_json_schema(),
        )
        for slug, offered in sorted(services.registry.actions.items())
    ]
    return Page(items=items)


@router.post("/actions", status_code=202)
async def request_action(
    body: ActionIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("actions.request")],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> ActionView:
    """Ask for an action; it is planned, approved where needed, executed, verified."""
    return await services.action_service.request(
        session,
        new=NewAction(
            action=body.action,
            params=body.params,
            reason=body.reason,
            requested_by=identity.actor,
            idempotency_key=f"request:{identity.operator_id}:{idempotency_key or uuid7()}",
            system_id=body.system_id,
        ),
    )


@router.get("/actions")
async def list_actions(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("actions.read")],
    incident_id: UUID | None = None,
    include_routine: Routine = False,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Page[ActionInFull]:
    """Newest first."""
    runs = await services.action_service.list_runs(
        session, incident_id=incident_id, include_routine=include_routine, before=before, limit=limit
    )
    found = await in_full(session, services.inventory, runs)
    return page_of(found, limit=limit)


@router.get("/actions/{action_id}")
async def get_action(
    action_id: UUID, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("actions.read")]
) -> ActionInFull:
    """One action with its plan, result and proof."""
    run = await services.action_service.get(session, run_id=action_id)
    return (await in_full(session, services.inventory, [run]))[0]


@router.put("/actions/{action_id}/params")
async def amend_action(
    action_id: UUID,
    body: AmendIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("actions.request")],
) -> ActionView:
    """Change an action that waits for approval: it is planned anew, and what was shown before can't be approved."""
    return await services.action_service.amend(session, run_id=action_id, params=body.params, by=identity)


@router.get("/freezes")
async def list_freezes(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("actions.read")],
    ref: Ref = None,
    over: Annotated[bool, Query(description="instead those that ended or were lifted")] = False,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[FreezeView]:
    """What is not tried at present, because it did not help; the oldest first. With who asked for it, and who lifted
    it."""
    found = await services.action_service.list_freezes(session, ref=ref, over=over, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.post("/freezes/{freeze_id}/lift", status_code=204)
async def lift_freeze(
    freeze_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("freezes.lift")],
    body: NoBody = None,
) -> Response:
    """Allow the action on that target again."""
    await services.action_service.lift_freeze(session, freeze_id=freeze_id, by=identity)
    return Response(status_code=204)

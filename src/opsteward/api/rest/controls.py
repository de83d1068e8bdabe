"""`/api/v1/controls`: pause and resume everything, one tenant, one task type or one action."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Response
from pydantic import Field

from opsteward.accounts.named_actors import Said, with_actors
from opsteward.accounts.types import Actor, Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input
from opsteward.api.rest.schemas.controls import Pauses
from opsteward.api.routes import Routes
from opsteward.core.errors import Invalid
from opsteward.tasks import controls
from opsteward.tasks.types import PauseInfo

router = Routes(prefix="/api/v1/controls", tags=["controls"])


#: Whose name is not for this tenant.
_OF_ANOTHER_TENANT = Actor(id="", name="a platform operator", kind="operator", automatic=False)


class EverythingIn(Input):
    """Why the whole installation is stopped, or goes on."""

    reason: Annotated[str, Field(max_length=2000)] = ""


class ControlIn(EverythingIn):
    """What to pause or resume in this tenant; `target` names the task type or the action."""

    scope: Literal["tenant", "task_type", "action"]
    target: Annotated[str, Field(max_length=100)] = ""


@router.get("")
async def list_pauses(session: TenantSession, identity: Annotated[Identity, needs("controls.read")]) -> Pauses:
    """The pauses in force for this tenant."""
    found = await with_actors(
        session,
        await controls.in_force(session),
        Said("paused_by", "paused_at", "pauser"),
        object_id=lambda one: one.target or one.scope,
    )
    pauses = [one if one.tenant_id == identity.tenant_id else replace(one, pauser=_OF_ANOTHER_TENANT) for one in found]
    return Pauses(paused=bool(pauses), pauses=pauses)


@router.post("/pause")
async def pause(
    body: ControlIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("controls.write")],
) -> PauseInfo:
    """Begin nothing new of this from now on; what runs waits before its next step."""
    _check(services, body)
    return await controls.pause(session, scope=body.scope, target=body.target, reason=body.reason, actor=identity.actor)


@router.post("/resume", status_code=204)
async def resume(
    body: ControlIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("controls.write")],
) -> Response:
    """Go on where it was paused."""
    _check(services, body)
    await controls.resume(session, scope=body.scope, target=body.target, actor=identity.actor)
    return Response(status_code=204)


@router.post("/everything/pause")
async def pause_everything(
    services: ServicesDep, identity: Annotated[Identity, needs("controls.everything")], body: EverythingIn | None = None
) -> PauseInfo:
    """Stop the whole installation, all tenants: for platform operators."""
    reason = body.reason if body else ""
    return await controls.pause_everything(services.db, reason=reason, actor=identity.actor, home=identity.tenant_id)


@router.post("/everything/resume", status_code=204)
async def resume_everything(
    services: ServicesDep, identity: Annotated[Identity, needs("controls.everything")], body: EverythingIn | None = None
) -> Response:
    """The whole installation goes on, but for what is paused by itself."""
    reason = body.reason if body else ""
    await controls.resume_everything(services.db, reason=reason, actor=identity.actor, home=identity.tenant_id)
    return Response(status_code=204)


def _check(services: ServicesDep, body: ControlIn) -> None:
    if body.scope == "task_type" and body.target and services.task_types.get(body.target) is None:
        raise Invalid.field("target", "is no task type", "see GET /api/v1/tasks/types")
    if body.scope == "action" and body.target and body.target not in services.registry.actions:
        raise Invalid.field("target", "is no action", "see GET /api/v1/actions/catalogue")

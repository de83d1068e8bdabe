"""The commands of the live feed: each is a route of the API under another name, with the same permission."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from opsteward.accounts.types import Identity
from opsteward.api.rest import approvals, enrollments, events, tasks, users
from opsteward.api.rest.schemas.base import Input
from opsteward.api.services import ApiServices


@dataclass(frozen=True)
class Command:
    """`run(rooms, identity, body)` gives the result; it raises what the route raises."""

    permission: str
    model: type[BaseModel]
    run: Callable[[ApiServices, Identity, Any], Awaitable[Any]]


class Approve(approvals.ApproveIn):
    approval_id: UUID


class Refuse(approvals.RefuseIn):
    approval_id: UUID


class OfIncident(Input):
    incident_id: UUID


class Resolve(events.Reason):
    incident_id: UUID


class OfTask(Input):
    task_id: UUID


class CancelTask(tasks.CancelIn):
    task_id: UUID


class Decide(enrollments.DecisionIn):
    enrollment_id: UUID


class OfUser(Input):
    user_id: UUID
    reason: Annotated[str, Field(max_length=2000)] = ""


class SubmitTask(tasks.TaskIn):
    idempotency_key: Annotated[str | None, Field(min_length=1, max_length=200)] = None


async def _approve(services: ApiServices, identity: Identity, body: Approve) -> Any:
    return await approvals.approve(body.approval_id, body, services, identity)


async def _refuse(services: ApiServices, identity: Identity, body: Refuse) -> Any:
    return await approvals.refuse(body.approval_id, body, services, identity)


async def _acknowledge(services: ApiServices, identity: Identity, body: OfIncident) -> Any:
    return await events.acknowledge(body.incident_id, services, identity)


async def _resolve(services: ApiServices, identity: Identity, body: Resolve) -> Any:
    return await events.resolve(body.incident_id, body, services, identity)


async def _troubleshoot(services: ApiServices, identity: Identity, body: OfIncident) -> Any:
    return await events.troubleshoot(body.incident_id, services, identity)


async def _submit_task(services: ApiServices, identity: Identity, body: SubmitTask) -> Any:
    return await tasks.submit_task(body, services, identity, body.idempotency_key)


async def _cancel_task(services: ApiServices, identity: Identity, body: CancelTask) -> Any:
    return await tasks.cancel_task(body.task_id, services, identity, body)


async def _redrive_task(services: ApiServices, identity: Identity, body: OfTask) -> Any:
    return await tasks.redrive_task(body.task_id, services, identity)


async def _approve_enrollment(services: ApiServices, identity: Identity, body: Decide) -> Any:
    return await enrollments.approve_enrollment(body.enrollment_id, services, identity, body)


async def _reject_enrollment(services: ApiServices, identity: Identity, body: Decide) -> Any:
    return await enrollments.reject_enrollment(body.enrollment_id, services, identity, body)


async def _register_user(services: ApiServices, identity: Identity, body: users.UserIn) -> Any:
    return await users.register_user(body, services, identity)


async def _deactivate_user(services: ApiServices, identity: Identity, body: OfUser) -> Any:
    return await users.deactivate_user(body.user_id, services, identity, body.reason)


COMMANDS: dict[str, Command] = {
    "approve": Command("approvals.decide", Approve, _approve),
    "refuse": Command("approvals.decide", Refuse, _refuse),
    "acknowledge_incident": Command("incidents.write", OfIncident, _acknowledge),
    "resolve_incident": Command("incidents.write", Resolve, _resolve),
    "troubleshoot_incident": Command("troubleshooting.run", OfIncident, _troubleshoot),
    "submit_task": Command("tasks.write", SubmitTask, _submit_task),
    "cancel_task": Command("tasks.write", CancelTask, _cancel_task),
    "redrive_task": Command("tasks.write", OfTask, _redrive_task),
    "approve_enrollment": Command("enrollments.decide", Decide, _approve_enrollment),
    "reject_enrollment": Command("enrollments.decide", Decide, _reject_enrollment),
    "register_user": Command("users.write", users.UserIn, _register_user),
    "deactivate_user": Command("users.write", OfUser, _deactivate_user),
}

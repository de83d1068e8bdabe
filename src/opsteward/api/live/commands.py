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
from opsteward.core.db import DatabaseSession


@dataclass(frozen=True)
class Command:
    """`run(services, session, identity, body)` returns the result; it raises what the route raises."""

    permission: str
    model: type[BaseModel]
    run: Callable[[ApiServices, DatabaseSession, Identity, Any], Awaitable[object]]


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


async def _approve(services: ApiServices, session: DatabaseSession, identity: Identity, body: Approve) -> object:
    return await approvals.approve(body.approval_id, body, services, session, identity)


async def _refuse(services: ApiServices, session: DatabaseSession, identity: Identity, body: Refuse) -> object:
    return await approvals.refuse(body.approval_id, body, services, session, identity)


async def _acknowledge(services: ApiServices, session: DatabaseSession, identity: Identity, body: OfIncident) -> object:
    return await events.acknowledge(body.incident_id, services, session, identity)


async def _resolve(services: ApiServices, session: DatabaseSession, identity: Identity, body: Resolve) -> object:
    return await events.resolve(body.incident_id, body, services, session, identity)


async def _troubleshoot(
    services: ApiServices, session: DatabaseSession, identity: Identity, body: OfIncident
) -> object:
    return await events.troubleshoot(body.incident_id, services, session, identity)


async def _submit_task(services: ApiServices, session: DatabaseSession, identity: Identity, body: SubmitTask) -> object:
    return await tasks.submit_task(body, services, session, identity, body.idempotency_key)


async def _cancel_task(services: ApiServices, session: DatabaseSession, identity: Identity, body: CancelTask) -> object:
    return await tasks.cancel_task(body.task_id, session, identity, body)


async def _redrive_task(services: ApiServices, session: DatabaseSession, identity: Identity, body: OfTask) -> object:
    return await tasks.redrive_task(body.task_id, session, identity)


async def _approve_enrollment(
    services: ApiServices, session: DatabaseSession, identity: Identity, body: Decide
) -> object:
    return await enrollments.approve_enrollment(body.enrollment_id, services, session, identity, body)


async def _reject_enrollment(
    services: ApiServices, session: DatabaseSession, identity: Identity, body: Decide
) -> object:
    return await enrollments.reject_enrollment(body.enrollment_id, services, session, identity, body)


async def _register_user(
    services: ApiServices, session: DatabaseSession, identity: Identity, body: users.UserIn
) -> object:
    return await users.register_user(body, services, session, identity)


async def _deactivate_user(services: ApiServices, session: DatabaseSession, identity: Identity, body: OfUser) -> object:
    return await users.deactivate_user(body.user_id, services, session, identity, body.reason)


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

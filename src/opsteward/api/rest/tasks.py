"""`/api/v1/tasks` and `/api/v1/schedules`: durable work, asked for and looked after."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query, Response
from pydantic import Field

from opsteward.accounts.named_actors import Said, with_actors
from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas import base
from opsteward.api.rest.schemas.base import Input, Instant, NoBody, Page, page_of
from opsteward.api.rest.schemas.tasks import (
    FiringTimes,
    SubmittedTask,
    SubmittedTasks,
    TaskRef,
    TaskTypeInfo,
    TaskWithNeighbours,
)
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject
from opsteward.tasks import commands as task_commands
from opsteward.tasks import queries as task_queries
from opsteward.tasks.schedules import next_time
from opsteward.tasks.submission import MAX_DEPENDENCIES
from opsteward.tasks.submission_checks import MAX_DELAY
from opsteward.tasks.types import NewTask, Redriven, ScheduleInfo, TaskInfo, TaskStatus

router = Routes(prefix="/api/v1", tags=["tasks"])

_REQUESTER = Said("requested_by", "created_at", "requester")
_CREATOR = Said("created_by", "created_at", "creator")

Priority = Literal["critical", "high", "normal", "low", "background"]
Ref = Annotated[str, Field(min_length=1, max_length=200)]
Key = Annotated[str | None, Header(min_length=1, max_length=200)]


class TaskBase(Input):
    """What a task and a schedule have in common. Times are seconds."""

    task_type: Annotated[str, Field(min_length=1, max_length=100)]
    name: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=2000)] = ""
    parameters: JsonObject = {}
    metadata: JsonObject = {}
    priority: Priority = "normal"
    dedup_key: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    max_retries: Annotated[int | None, Field(strict=True, ge=0, le=100)] = None
    backoff_factor: Annotated[float | None, Field(strict=True, ge=1, le=10, allow_inf_nan=False)] = None
    max_backoff: Annotated[float | None, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False)] = None
    timeout: Annotated[float | None, Field(strict=True, gt=0, le=604_800, allow_inf_nan=False)] = None

    def common(self) -> dict[str, Any]:
        """As NewTask names them."""
        values = {name: getattr(self, name) for name in TaskBase.model_fields if name != "parameters"}
        return {"params": self.parameters, **values}


class TaskIn(TaskBase):
    """A task. `dependencies`: tasks that must complete first, by id or by the `ref` of another in the same request."""

    dependencies: Annotated[list[Ref], Field(max_length=MAX_DEPENDENCIES)] = []
    ref: Ref | None = None
    delay: Annotated[float | None, Field(strict=True, ge=0, le=MAX_DELAY, allow_inf_nan=False)] = None
    run_at: Instant | None = None

    def as_new(self, *, repeat_key: UUID | None) -> NewTask:
        """What the room takes."""
        return NewTask(
            **self.common(),
            dependencies=tuple(self.dependencies),
            ref=self.ref,
            delay=self.delay,
            run_at=self.run_at,
            repeat_key=repeat_key,
        )


class TasksIn(Input):
    """Many tasks, submitted together or not at all."""

    tasks: Annotated[list[TaskIn], Field(min_length=1)]


class CancelIn(Input):
    reason: Annotated[str, Field(max_length=2000)] = ""


class RedriveIn(Input):
    """Which ended tasks to run anew."""

    status: Literal["dead_letter", "failed", "cancelled"] = "dead_letter"
    task_type: Annotated[str | None, Field(max_length=100)] = None


class LimitIn(Input):
    """The most tasks that run at once; of all types together when none is named. null lifts the limit."""

    task_type: Annotated[str, Field(max_length=100)] = ""
    max_running: Annotated[int | None, Field(strict=True, ge=0, le=100_000)]


class ScheduleIn(Input):
    """A task to be submitted at the times of a cron expression (minute hour day month weekday)."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    cron: Annotated[str, Field(min_length=1, max_length=200)]
    timezone: Annotated[str, Field(max_length=60)] = "UTC"
    task: TaskBase


class PreviewIn(Input):
    """A cron expression, and from when on its times are wanted (now, if left out)."""

    cron: Annotated[str, Field(min_length=1, max_length=200)]
    timezone: Annotated[str, Field(max_length=60)] = "UTC"
    after: Instant | None = None


@router.post("/tasks", status_code=202)
async def submit_task(
    body: TaskIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("tasks.write")],
    idempotency_key: Key = None,
) -> SubmittedTask:
    """Submit a task; sent again with the same `Idempotency-Key`, it is the same task."""
    repeat_key = derived_id(identity.operator_id, f"task {idempotency_key}") if idempotency_key else None
    new = body.as_new(repeat_key=repeat_key)
    told = (await services.submission.submit(session, tasks=[new], actor=identity.actor))[0]
    task = await task_queries.get(session, task_id=told.id)
    return SubmittedTask(**vars(task), deduplicated=told.deduplicated)


@router.post("/tasks/bulk", status_code=202)
async def submit_tasks(
    body: TasksIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("tasks.write")],
    idempotency_key: Key = None,
) -> SubmittedTasks:
    """Submit many tasks in one transaction, all or none; they may depend on each other by `ref`."""
    most = services.settings.api.max_tasks_per_request
    if len(body.tasks) > most:
        raise Invalid.field("tasks", f"are {len(body.tasks)}, the most is {most}", "send them in parts")
    parent = identity.operator_id
    new = [
        one.as_new(repeat_key=derived_id(parent, f"tasks {idempotency_key} {number}") if idempotency_key else None)
        for number, one in enumerate(body.tasks)
    ]
    told = await services.submission.submit(session, tasks=new, actor=identity.actor)
    return SubmittedTasks(
        submitted=sum(not one.deduplicated for one in told),
        deduplicated=sum(one.deduplicated for one in told),
        ids=[one.id for one in told],
    )


@router.get("/tasks")
async def list_tasks(
    session: TenantSession,
    identity: Annotated[Identity, needs("tasks.read")],
    status: TaskStatus | None = None,
    task_type: Annotated[str | None, Query(max_length=100)] = None,
    priority: Priority | None = None,
    schedule_id: UUID | None = None,
    before: UUID | None = None,
    ref: base.Ref = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[TaskInfo]:
    """Newest first."""
    found = await task_queries.page(
        session,
        status=status,
        task_type=task_type,
        priority=priority,
        schedule_id=schedule_id,
        before=before,
        ref=ref,
        limit=limit,
    )
    return page_of(await with_actors(session, found, _REQUESTER), limit=limit)


@router.get("/tasks/types")
async def list_task_types(
    services: ServicesDep, identity: Annotated[Identity, needs("tasks.read")]
) -> Page[TaskTypeInfo]:
    """Every task type there is, with the JSON Schema of its parameters."""
    items = [
        TaskTypeInfo(
            task_type=slug,
            purpose=kind.purpose,
            durable=kind.durable,
            concurrency=kind.concurrency,
            timeout=kind.timeout,
            parameters=kind.params.model_json_schema(),
        )
        for slug, kind in sorted(services.task_types.types.items())
    ]
    return Page(items=items)


@router.get("/tasks/counts")
async def count_tasks(session: TenantSession, identity: Annotated[Identity, needs("tasks.read")]) -> dict[str, int]:
    """How many tasks of this tenant stand in each status."""
    return await task_queries.counts(session)


@router.get("/tasks/limits")
async def list_limits(session: TenantSession, identity: Annotated[Identity, needs("tasks.read")]) -> dict[str, int]:
    """The tenant's limits by task type; the empty name is that of all together."""
    return await task_queries.limits(session)


@router.put("/tasks/limits")
async def set_limit(
    body: LimitIn, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("tasks.write")]
) -> dict[str, int]:
    """Set or lift a limit; returns all of them."""
    if body.task_type and services.task_types.get(body.task_type) is None:
        raise Invalid.field("task_type", "is no task type", "see GET /api/v1/tasks/types")
    return await task_commands.set_limit(
        session, task_type=body.task_type, max_running=body.max_running, actor=identity.actor
    )


@router.post("/tasks/redrive")
async def redrive_tasks(
    session: TenantSession, identity: Annotated[Identity, needs("tasks.write")], body: RedriveIn | None = None
) -> Redriven:
    """Run the dead letters (or other ended tasks) anew, up to 10,000 at once."""
    wanted = body or RedriveIn()
    return await task_commands.redrive_all(
        session, status=wanted.status, task_type=wanted.task_type, actor=identity.actor
    )


@router.get("/tasks/{task_id}")
async def get_task(
    task_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("tasks.read")]
) -> TaskWithNeighbours:
    """One task, with those that it depends on and those that wait for it."""
    (task,) = await with_actors(session, [await task_queries.get(session, task_id=task_id)], _REQUESTER)
    above = await task_queries.several(session, ids=task.dependencies)
    below = await task_queries.dependents_of(session, task_id=task_id)
    return TaskWithNeighbours(
        **vars(task),
        depends_on=[TaskRef.of(one) for one in above],
        dependents=[TaskRef.of(one) for one in below],
    )


@router.put("/tasks/{task_id}/cancel")
async def cancel_task(
    task_id: UUID,
    session: TenantSession,
    identity: Annotated[Identity, needs("tasks.write")],
    body: CancelIn | None = None,
) -> TaskInfo:
    """Cancel a waiting task at once, a running one as soon as its process hears of it."""
    return await task_commands.cancel(
        session, task_id=task_id, actor=identity.actor, reason=body.reason if body else ""
    )


@router.post("/tasks/{task_id}/redrive", status_code=202)
async def redrive_task(
    task_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("tasks.write")], body: NoBody = None
) -> TaskInfo:
    """Run a failed, dead or cancelled task anew, with all its tries."""
    return await task_commands.redrive(session, task_id=task_id, actor=identity.actor)


@router.post("/schedules", status_code=201)
async def create_schedule(
    body: ScheduleIn, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("tasks.write")]
) -> ScheduleInfo:
    """Submit a task again and again."""
    return await services.schedules.create(
        session,
        name=body.name,
        cron=body.cron,
        timezone=body.timezone,
        task=body.task.common(),
        actor=identity.actor,
    )


@router.get("/schedules")
async def list_schedules(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("tasks.read")],
    ref: base.Ref = None,
    after: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[ScheduleInfo]:
    """By name; `after`: `next` of the page before."""
    found = await services.schedules.page(session, ref=ref, after=after, limit=limit)
    found = await with_actors(session, found, _CREATOR)
    return page_of(found, limit=limit, cursor="name")


@router.post("/schedules/preview")
async def preview_schedule(body: PreviewIn, identity: Annotated[Identity, needs("tasks.read")]) -> FiringTimes:
    """The next five times of a cron expression."""
    times = [next_time(body.cron, body.timezone, after=body.after or now())]
    while len(times) < 5:
        times.append(next_time(body.cron, body.timezone, after=times[-1]))
    return FiringTimes(times=times)


@router.get("/schedules/{schedule_id}")
async def get_schedule(
    schedule_id: UUID, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("tasks.read")]
) -> ScheduleInfo:
    """One schedule and when it fires next."""
    found = await services.schedules.get(session, schedule_id=schedule_id)
    return (await with_actors(session, [found], _CREATOR))[0]


@router.put("/schedules/{schedule_id}/pause")
async def pause_schedule(
    schedule_id: UUID, services: ServicesDep, identity: Annotated[Identity, needs("tasks.write")], body: NoBody = None
) -> ScheduleInfo:
    """It fires no more until it is resumed."""
    return await _set_paused(schedule_id, services, identity, True)


@router.put("/schedules/{schedule_id}/resume")
async def resume_schedule(
    schedule_id: UUID, services: ServicesDep, identity: Annotated[Identity, needs("tasks.write")], body: NoBody = None
) -> ScheduleInfo:
    """It fires at its next time; what was missed stays missed."""
    return await _set_paused(schedule_id, services, identity, False)


async def _set_paused(schedule_id: UUID, services: ApiServices, identity: Identity, paused: bool) -> ScheduleInfo:
    async with services.db.unit_of_work(identity.tenant_id) as session:
        return await services.schedules.set_paused(
            session, schedule_id=schedule_id, paused=paused, actor=identity.actor
        )


@router.delete("/schedules/{schedule_id}", status_code=204)
async def remove_schedule(
    schedule_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("tasks.write")],
) -> Response:
    """Remove a schedule; the tasks that it submitted stay."""
    await services.schedules.remove(session, schedule_id=schedule_id, actor=identity.actor)
    return Response(status_code=204)

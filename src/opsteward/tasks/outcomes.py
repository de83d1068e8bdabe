"""How one run of a task ended: with its result or an error, for good or to be tried again later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ValidationError

from opsteward.contracts.task import TaskType
from opsteward.core.backoff import backoff, with_jitter
from opsteward.core.crypto import canonical_json
from opsteward.core.errors import OpsError
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact_text
from opsteward.core.storable_text import storable
from opsteward.tasks.registry import validated
from opsteward.tasks.types import TaskStatus

_MAX_ERROR = 2000  # characters


class Refused(OpsError):
    """A step of a task was refused for good: trying again can't mend it."""

    code = "task_refused"
    http_status = 409
    title = "A step of the task was refused"


@dataclass(frozen=True, kw_only=True)
class ClaimedTask:
    """A task's row as the process got it that runs it. Times in seconds."""

    tenant_id: UUID
    id: UUID
    task_type: str
    params: JsonObject
    retry_count: int
    max_retries: int
    backoff_factor: float
    max_backoff: float
    timeout: float
    cancel_requested: bool
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of a task ended. `pending`: it is to run again, after `delay` seconds; `tried`: that was a try."""

    tenant_id: UUID
    task_id: UUID
    status: TaskStatus
    result: JsonObject | None = None
    error: str | None = None
    tried: int = 0
    delay: float = 0.0
    limited: bool = False  # its end may make room for what a limit holds back, on other processes too

    @property
    def label(self) -> str:
        """How it ended, in the words of the metric: what is to run again was tried, or given back untried."""
        if self.status != TaskStatus.PENDING:
            return self.status.value
        return "retried" if self.tried else "returned"


def completed(task: ClaimedTask, result: JsonObject | None) -> Outcome:
    return Outcome(task.tenant_id, task.id, TaskStatus.COMPLETED, result)


def cancelled(task: ClaimedTask) -> Outcome:
    return Outcome(task.tenant_id, task.id, TaskStatus.CANCELLED)


def returned(task: ClaimedTask) -> Outcome:
    """It waits again, untried: a pause came before it, or this process ends."""
    return Outcome(task.tenant_id, task.id, TaskStatus.PENDING)


def failed(task: ClaimedTask, error: str) -> Outcome:
    """For good: trying again can't mend it."""
    return Outcome(task.tenant_id, task.id, TaskStatus.FAILED, error=error)


def failed_by(task: ClaimedTask, error: BaseException) -> Outcome:
    """What a run that raised this comes to: a failure for good, or a further try."""
    if is_final(error):
        return failed(task, error_text(error))
    return tried(task, error_text(error))


def tried(task: ClaimedTask, error: str) -> Outcome:
    """Once more, later each time and never all at once; or to the dead letters, when all tries are used up."""
    if task.retry_count >= task.max_retries:
        return Outcome(task.tenant_id, task.id, TaskStatus.DEAD_LETTER, error=error)
    delay = with_jitter(backoff(task.retry_count, factor=task.backoff_factor, limit=task.max_backoff))
    return Outcome(task.tenant_id, task.id, TaskStatus.PENDING, error=error, tried=1, delay=delay)


def is_final(error: BaseException) -> bool:
    """Whether trying again can't mend it."""
    return isinstance(error, OpsError) and not error.retryable


def error_text(error: BaseException) -> str:
    """The error as it is kept and shown: without secrets, and not too long."""
    detail = error.detail if isinstance(error, OpsError) else f"{type(error).__name__}: {error}"
    return storable(redact_text(detail), limit=_MAX_ERROR)


def typed_params(task_type: TaskType, params: Mapping[str, object]) -> BaseModel:
    """Raises Refused when the type has changed since the task was submitted."""
    try:
        return validated(task_type, params)
    except ValidationError as error:
        raise Refused(f"its parameters fit the type no more: {error.error_count()} problems") from None


def as_result(value: object, *, max_bytes: int) -> JsonObject | None:
    """What a task's function gave, as it is kept. Raises Refused for what lists of tasks could not bear."""
    if value is None:
        return None
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    result: JsonObject = value if isinstance(value, dict) else {"value": value}  # type: ignore[dict-item]
    if (size := len(canonical_json(result))) > max_bytes:
        raise Refused(f"its result is {size} bytes, the most is {max_bytes}: keep it elsewhere, and give back where")
    return result

"""What became of a run: its result or its error, and whether it is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from opsteward.contracts.task import TaskType
from opsteward.core.crypto import canonical_json
from opsteward.core.errors import OpsError
from opsteward.core.redact import redact_text
from opsteward.tasks.outcome_writer import Outcome, storable
from opsteward.tasks.registry import validated
from opsteward.tasks.types import TaskStatus

_MAX_ERROR = 2000


class Refused(OpsError):
    """A step of a task was refused for good: trying again can't mend it."""

    code = "task_refused"
    http_status = 409
    title = "A step of the task was refused"


def ended_as(outcome: Outcome) -> str:
    """How a run ended, in the words of the metric: one that is to run again was tried, or given back untried."""
    if outcome.status != TaskStatus.PENDING:
        return outcome.status.value
    return "retried" if outcome.tried else "returned"


def params_of(kind: TaskType, row: Any) -> BaseModel:
    """Raises Refused when the type has changed since the task was submitted."""
    try:
        return validated(kind, row.params)
    except ValidationError as error:
        raise Refused(f"its parameters fit the type no more: {error.error_count()} problems") from None


def as_result(value: Any, *, most: int) -> dict[str, Any] | None:
    """Raises Refused for one that lists of tasks could not bear."""
    if value is None:
        return None
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    result: dict[str, Any] = value if isinstance(value, dict) else {"value": value}
    if (size := len(canonical_json(result))) > most:
        raise Refused(f"its result is {size} bytes, the most is {most}: keep it elsewhere, and give back where")
    return result


def failure(end: Callable[..., Outcome], row: Any, error: BaseException) -> Outcome:
    """The end of a run that raised this: for good, or once more."""
    if is_final(error):
        return end(TaskStatus.FAILED, error=said(error))
    return tried(end, row, said(error))


def tried(end: Callable[..., Outcome], row: Any, error: str) -> Outcome:
    """Once more, later each time and never all at once; or to the dead letters."""
    if row.retry_count >= row.max_retries:
        return end(TaskStatus.DEAD_LETTER, error=error)
    wait = min(row.max_backoff, row.backoff_factor**row.retry_count)
    return end(TaskStatus.PENDING, error=error, tried=1, delay=wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


def is_final(error: BaseException) -> bool:
    """Whether trying again can't mend it."""
    return isinstance(error, OpsError) and not error.retryable


def said(error: BaseException) -> str:
    """As it is kept and shown: without secrets, and not too long."""
    detail = error.detail if isinstance(error, OpsError) else f"{type(error).__name__}: {error}"
    return storable(redact_text(detail)[:_MAX_ERROR])

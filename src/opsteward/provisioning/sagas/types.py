"""What a saga is made of, and what other rooms see of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opsteward.core.json_types import JsonObject

STEPS_LIMIT = 50
#: The kind of the notice that says that a saga has come further; its id is the saga's.
SAGA_CHANGED = "saga"


class NewStep(BaseModel):
    """One change of one record. `values` are the attributes as the system itself calls them: all of a new record, or
    those to set (null removes one); `native_id` is the system's own name of a record that is there."""

    model_config = ConfigDict(extra="forbid")

    system_id: UUID
    resource: Annotated[str, Field(min_length=1, max_length=200)]
    operation: Literal["create", "update", "disable", "delete"]
    native_id: Annotated[str | None, Field(min_length=1, max_length=2000)] = None
    values: Annotated[JsonObject, Field(max_length=200)] = {}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.operation == "create") is (self.native_id is not None):
            raise ValueError("native_id names the record to change; a new one has none")
        if (self.operation in ("create", "update")) is not bool(self.values):
            raise ValueError("values say what a create or an update sets; the others take none")
        return self


class SagaStatus(StrEnum):
    """Where a saga stands; the last four are ends."""

    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    COMPENSATING = "compensating"  # a step failed: what was done before is taken back
    SUCCEEDED = "succeeded"
    COMPENSATED = "compensated"  # all is as it was before
    STUCK = "stuck"  # something could not be taken back: see its incident
    CANCELLED = "cancelled"  # not approved


class StepStatus(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    SENT = "sent"  # perhaps done
    DONE = "done"
    UNCHANGED = "unchanged"  # it was so before
    FAILED = "failed"
    COMPENSATED = "compensated"
    STUCK = "stuck"


@dataclass(frozen=True, kw_only=True)
class SagaStep:
    """One step, in words too, and what became of it. `before`: the attributes of the record as they were. Passwords and
    their like are not shown."""

    number: int
    words: str
    system_id: UUID
    resource: str
    operation: str
    native_id: str | None
    values: JsonObject
    before: JsonObject | None
    status: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Saga:
    """One change over several systems."""

    id: UUID
    name: str
    status: str
    steps: list[SagaStep]
    action_id: UUID | None
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class SagaHead:
    """A saga without its steps: how many there are in each state, and of how many systems."""

    id: UUID
    name: str
    status: str
    requested_by: str
    created_at: datetime
    error: str | None
    steps: Mapping[str, int]
    system_ids: Sequence[UUID]


def stuck_key(saga_id: UUID) -> str:
    """What the events of a stuck saga are grouped by, and its incident is found by."""
    return f"saga_stuck:{saga_id}"


@dataclass(frozen=True, kw_only=True)
class SagaStuck:
    """Published in the transaction that ends a saga of which something could not be taken back."""

    saga: Saga
    problems: list[str]

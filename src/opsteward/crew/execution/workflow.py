"""The type of work that is made of others: several engines, of one domain or of several, side by side."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from opsteward.core.json_types import JsonObject
from opsteward.crew.types import Complexity, Strategy, TaskResult, TaskType

NAME = "crew.workflow"
PARTS_LIMIT = 20


class WorkflowPart(BaseModel):
    """A piece of work of a type that is in the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Annotated[str, Field(min_length=1, max_length=100)]
    parameters: JsonObject = {}


class Workflow(BaseModel):
    """Its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: Annotated[list[WorkflowPart], Field(min_length=1, max_length=PARTS_LIMIT)]


def _not_alone(_: Any) -> TaskResult:
    raise RuntimeError("a workflow has no engine of its own: its parts have")


WORKFLOW = TaskType(
    name=NAME,
    domain="crew",
    summary="Several pieces of work, side by side, checked and told together",
    parameters=Workflow,
    complexity=Complexity.COMPLEX,
    strategies=tuple(Strategy),
    engine=_not_alone,
)

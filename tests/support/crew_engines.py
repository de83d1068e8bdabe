"""Types of work for tests, with engines that add, fail, and come to nothing."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from opsteward.crew.types import Complexity, Strategy, TaskResult, TaskType


class Numbers(BaseModel):
    model_config = ConfigDict(extra="forbid")

    values: list[float] = Field(min_length=1)
    rows: list[dict[str, Any]] = []


class Sum(TaskResult):
    total: float
    summary: str


class Nothing(TaskResult):
    total: float | None = None


def add(parameters: Numbers) -> Sum:
    return Sum(total=sum(parameters.values), summary=f"The sum is {sum(parameters.values):g}.")


def divide(parameters: Numbers) -> Sum:
    return Sum(total=parameters.values[0] / parameters.values[-1], summary="Divided.")


def nothing(parameters: Numbers) -> Nothing:
    return Nothing()


def work_type(name: str, engine: Any, complexity: Complexity = Complexity.MODERATE) -> TaskType:
    return TaskType(
        name=name,
        domain=name.partition(".")[0],
        summary=f"Does {name}",
        parameters=Numbers,
        complexity=complexity,
        strategies=tuple(Strategy),
        engine=engine,
    )


TYPES = {
    one.name: one
    for one in (
        work_type("crm.add", add),
        work_type("crm.divide", divide),
        work_type("billing.add", add, Complexity.SIMPLE),
        work_type("billing.nothing", nothing),
    )
}

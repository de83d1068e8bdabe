"""The task types of this process, and the check of a task's parameters against its type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError

from opsteward.contracts.task import TaskType
from opsteward.core.error_words import problems_of
from opsteward.core.errors import FieldProblem


class TaskRegistry:
    """Registered once at start. Raises ValueError when two types claim one name."""

    def __init__(self, types: Iterable[TaskType], *, max_params_bytes: int) -> None:
        self._types: dict[str, TaskType] = {}
        self._max_params_bytes = max_params_bytes
        for task_type in types:
            if task_type.slug in self._types:
                raise ValueError(f"two task types are called {task_type.slug}")
            self._types[task_type.slug] = task_type

    @property
    def types(self) -> Mapping[str, TaskType]:
        return self._types

    def get(self, slug: str) -> TaskType | None:
        return self._types.get(slug)

    def limits(self) -> dict[str, int | None]:
        """Every type that this process can run, with the most of it that may run at once."""
        return {slug: task_type.concurrency for slug, task_type in self._types.items()}

    def problems(self, task_type: str, params: Mapping[str, object], *, at: str = "") -> list[FieldProblem]:
        """What is wrong with these; `at` stands before the fields' names."""
        known_type = self._types.get(task_type)
        if known_type is None:
            known = ", ".join(sorted(self._types)) or "none"
            problem = f"{task_type[:80]!r} is no task type"
            return [FieldProblem(field=f"{at}task_type", problem=problem, remedy=f"use one of {known}")]
        try:
            validated(known_type, params)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            return problems_of(found, prefix=f"{at}parameters", given=params, limit=20, remedy=_SEE_TYPES)
        return self.too_large("parameters", params, at=at)

    def too_large(self, field: str, value: Mapping[str, object], *, at: str = "") -> list[FieldProblem]:
        """The problem of a free field of a task that is no place for data."""
        size = len(json.dumps(value, ensure_ascii=False).encode()) if value else 0
        if size <= self._max_params_bytes:
            return []
        problem = f"are {size} bytes, the most is {self._max_params_bytes}"
        return [FieldProblem(field=f"{at}{field}", problem=problem, remedy="pass a reference to the data instead")]


def validated(task_type: TaskType, params: Mapping[str, object]) -> BaseModel:
    """The typed parameters. Raises pydantic's ValidationError."""
    return task_type.params.model_validate(dict(params))


_SEE_TYPES = "see GET /api/v1/tasks/types"

"""Runs engines where they can hurt nobody: in a process of their own, within a budget of processor time and memory."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import cast

from opsteward.core.blocking_calls import in_thread
from opsteward.core.computing import compute
from opsteward.core.fair_share import FairShare, current_party
from opsteward.core.json_types import JsonObject
from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.execution.types import Part
from opsteward.crew.types import TaskResult

#: As many as there are processes to compute in, where they would lose their patience sooner.
_AT_ONCE = 2
#: Runs an engine and gives its result as JSON. Raises OpsError in words.
EngineRunner = Callable[[Part], Awaitable[JsonObject]]


def in_own_process(seconds: float) -> EngineRunner:
    """Engines run beside this process, each within so many seconds of processor time."""

    async def run(part: Part) -> JsonObject:
        try:
            result = await compute(seconds, part.task_type.engine, part.parameters)
        except (ArithmeticError, LookupError, ValueError, TypeError, AssertionError, RuntimeError) as error:
            raise StepFailed(
                f"the engine of {part.task_type.name} failed: {type(error).__name__}",
                remedy="check the parameters; if they are right, report it with them",
            ) from error
        return await in_thread(as_json, result)

    return run


def in_turn(run: EngineRunner, *, patience: float) -> EngineRunner:
    """A few at once, and of each tenant one: its further ones wait behind it, and hold up nobody else. Raises Busy for
    one that waits for more than `patience` seconds."""
    engines = FairShare(_AT_ONCE)

    async def run_in_turn(part: Part) -> JsonObject:
        async with engines.of(current_party.get(), patience=patience):
            return await run(part)

    return run_in_turn


def as_json(result: TaskResult) -> JsonObject:
    """The result with plain values. Raises StepFailed for numbers that are none."""
    document = cast(JsonObject, result.model_dump(mode="json"))
    if (where := _not_finite(document, "result")) is not None:
        raise StepFailed(f"{where} is no finite number")
    return document


def _not_finite(value: object, at: str) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return at
    if isinstance(value, dict):
        return next((found for key, one in value.items() if (found := _not_finite(one, f"{at}.{key}"))), None)
    if isinstance(value, list):
        return next((found for n, one in enumerate(value) if (found := _not_finite(one, f"{at}.{n}"))), None)
    return None

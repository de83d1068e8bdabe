"""What a strategy may ask of a model: to reason about results. It adds words, never numbers and never authority."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from opsteward.core.json_types import JsonObject
from opsteward.crew.agents.types import Agent
from opsteward.crew.execution.types import Part


class Reasoning(Protocol):
    """Reasoning within one piece of work. All of it raises StepFailed where the model fails, in words."""

    @property
    def used(self) -> str | None:
        """The model whose words are in the result; None while there are none."""
        ...

    @property
    def asked_for(self) -> list[JsonObject]:
        """The actions that were asked for."""
        ...

    def may_use(self, agent: Agent) -> bool:
        """Whether this agent may ask a model."""
        ...

    async def consider(
        self, agent: Agent, part: Part, result: JsonObject, *, path: str, by: Agent | None
    ) -> JsonObject:
        """What the agent makes of the engine's result; `path` names the place in the run, `by` handed over to it."""
        ...

    async def lead(
        self,
        lead: Agent,
        parts: Mapping[str, tuple[str, str]],
        hand_over: Callable[[str], Awaitable[JsonObject]],
        *,
        path: str,
        by: Agent,
    ) -> JsonObject:
        """The lead hands every part over, and says what the results mean together. `parts`: by name the agent and what
        it is about; `hand_over` has one done."""
        ...

    async def report(self, lead: Agent, results: Mapping[str, JsonObject]) -> JsonObject:
        """What the lead tells of all results together."""
        ...

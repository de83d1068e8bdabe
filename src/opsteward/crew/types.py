"""What the crew's parts say to each other and to others: complexity, strategy, a kind of work, its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel


class Complexity(StrEnum):
    """How hard a piece of work is, from a look-up to work that needs several fields' knowledge."""

    SIMPLE = "simple"
    MODERATE = "moderate"
    COMPLEX = "complex"
    EXPERT = "expert"


class Strategy(StrEnum):
    """Who does a piece of work: its engine at once, one agent, several agents side by side, or a planned crew."""

    DIRECT = "direct"
    SINGLE_AGENT = "single_agent"
    MULTI_AGENT = "multi_agent"
    CREW = "crew"


class TaskResult(BaseModel):
    """What every engine's result is made of; an engine adds fields of its own."""

    #: who produced it: "rules", or "llm:<model>"
    engine: str = "rules"


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """One kind of work that the crew can do.

    `engine(parameters)` is a pure, plain function: it computes its result from its parameters alone and is run off the
    event loop. `reads` names what it needs beside the call ("systems", "incidents"), empty when all is in the call.
    """

    #: "<domain>.<work>", like "crm.lead_scoring"
    name: str
    domain: str
    #: one line for people and models
    summary: str
    parameters: type[BaseModel]
    complexity: Complexity
    strategies: tuple[Strategy, ...]
    engine: Callable[[Any], TaskResult]
    reads: tuple[str, ...] = ()

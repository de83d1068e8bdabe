"""What a background agent is: something small that runs for ever, watched, restarted and moved by the agents room.

    class Greeting(BaseModel):
        name: str

    class Greeter(BackgroundAgent[Greeting]):
        kind = "example.greeter"
        purpose = "Says hello every minute"
        params_model = Greeting
        interval = 60.0

        async def run_once(self, ctx: AgentContext[Greeting]) -> None:
            await ctx.send("listener", {"said": f"hello {ctx.params.name}"})

An agent shares its process's event loop with all others: `run_once` awaits, and gives blocking code to
`core.blocking.in_thread`. It runs in one process at a time, but after a crash a run may be repeated in another. What
it keeps in `self` lasts until it is started anew, there or elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from opsteward.core.json_types import Json

ParamsT_co = TypeVar("ParamsT_co", bound=BaseModel, covariant=True)


class NoAgentParams(BaseModel):
    """The parameters of an agent that takes none."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Message:
    """What another agent of the same tenant sent."""

    id: UUID
    sender: str
    body: Mapping[str, object]
    sent_at: datetime


@dataclass(frozen=True, kw_only=True)
class Report:
    """Something that people or standing orders should know: it becomes an event like any other.

    `message` is the same each time the same thing happens, and when it is over (`resolved`); figures and names that
    differ belong into `context`.
    """

    message: str
    error_type: str
    severity: str = "medium"  # low, medium, high
    context: Mapping[str, Json] = field(default_factory=dict)
    resolved: bool = False
    source: str = ""  # empty: the agent itself


class AgentContext(Protocol[ParamsT_co]):
    """What a running agent knows and can do. Its methods raise `Unavailable` while the database is away."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def agent_id(self) -> UUID: ...
    @property
    def process_id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def params(self) -> ParamsT_co: ...

    async def send(self, to: str, body: Mapping[str, object]) -> None:
        """Leave a message for the agent of this name, and wake it. Raises NotFound, Invalid for one too large."""
        ...

    async def receive(self) -> Sequence[Message]:
        """The oldest messages that wait, up to 100. They count as read once this run has ended well."""
        ...

    def degraded(self, reason: str) -> None:
        """Say that this run did only part of its work; the next run without it is well again."""
        ...

    def measure(self, name: str, value: float) -> None:
        """Keep a figure in the history of metrics; written together at the end of the run."""
        ...

    async def report(self, report: Report) -> None:
        """Tell people, by the same way as every event."""
        ...


class BackgroundAgent(ABC, Generic[ParamsT_co]):
    """One kind of agent. Each start makes a new instance of it.

    `interval` is in seconds; None for one that runs only when woken: by a message, or by a notice of one of the kinds
    in `wakes_on` ("incident", "action", "system", "inventory", "task") about its tenant. A run that takes longer than
    `timeout` seconds is cancelled and counts as failed. An `essential` agent goes on while its tenant is paused.
    """

    kind: ClassVar[str]
    purpose: ClassVar[str]
    params_model: ClassVar[type[BaseModel]] = NoAgentParams
    interval: ClassVar[float | None] = 60.0
    wakes_on: ClassVar[frozenset[str]] = frozenset()
    timeout: ClassVar[float] = 60.0
    essential: ClassVar[bool] = False

    async def start(self, ctx: AgentContext[ParamsT_co]) -> None:
        """Before the first run. What it raises counts as a failed run."""

    @abstractmethod
    async def run_once(self, ctx: AgentContext[ParamsT_co]) -> None:
        """Do the work once. Whatever it raises is a failure: the agent is started anew after a pause."""

    async def stop(self, ctx: AgentContext[ParamsT_co]) -> None:
        """Give back what `start` took; within seconds."""


#: One of a list of agent types: its parameters are known to the agent alone.
AnyAgent: TypeAlias = BackgroundAgent[Any]

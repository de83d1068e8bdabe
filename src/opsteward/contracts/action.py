"""An effect on an outside system: planned, executed under a key, verified by measurement, undone if possible.

Only `actions`, `integrations` and the registry may import this module, so nothing else can cause an effect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, SystemRef
from opsteward.core.errors import Conflict


class Risk(StrEnum):
    """How much can go wrong: `low` informs, `medium` interrupts one thing, `high` interrupts many or loses data."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


ConnectorT = TypeVar("ConnectorT", bound=Connector[BaseModel] | None)
ParamsT = TypeVar("ParamsT", bound=BaseModel)
ResultT = TypeVar("ResultT", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class ActionContext(Generic[ConnectorT]):
    """What an action works with. `idempotency_key` is the same for every retry of the same run."""

    via: ConnectorT
    target: SystemRef | None
    idempotency_key: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be done, for a person to read before it is done.

    `needed` false means that the world already is as wanted (the session is gone, the process was
    restarted): nothing is executed. `objects` identify what is touched, exactly ("session 4711 started
    2026-01-01T00:00:00Z"), and count as the blast radius.
    """

    needed: bool
    summary: str
    steps: Sequence[str] = ()
    objects: Sequence[str] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A measurement of the target after the action, never the action's own word."""

    ok: bool
    summary: str
    evidence: Mapping[str, object] = field(default_factory=dict)


class Action(ABC, Generic[ConnectorT, ParamsT, ResultT]):
    """One kind of effect. `undoable` false: the effect can't be taken back, and the plan says so. `beside_target`:
    it is done for a system without a connection to it, as an operator's own command."""

    slug: ClassVar[str]
    title: ClassVar[str]
    risk: ClassVar[Risk]
    params_model: ClassVar[type[BaseModel]]
    result_model: ClassVar[type[BaseModel]]
    undoable: ClassVar[bool] = False
    beside_target: ClassVar[bool] = False
    timeout: ClassVar[float] = 60.0  # seconds, for execute
    #: A person approves it, whatever a standing order says.
    always_asks: ClassVar[bool] = False

    @abstractmethod
    async def plan(self, ctx: ActionContext[ConnectorT], params: ParamsT) -> Plan:
        """Read-only. Raises ConnectorError when it can't look."""

    @abstractmethod
    async def execute(self, ctx: ActionContext[ConnectorT], params: ParamsT) -> ResultT:
        """Do it; doing it again with the same params must be harmless: the identity of what is touched is
        checked in the same breath, and what was already done is reported as done."""

    @abstractmethod
    async def verify(self, ctx: ActionContext[ConnectorT], params: ParamsT, result: ResultT) -> Proof:
        """Measure the target; may wait a little (bounded by itself) for the effect to show."""

    async def undo(self, ctx: ActionContext[ConnectorT], params: ParamsT, result: ResultT) -> None:
        """Take the effect back; idempotent. Only called when `undoable`."""
        raise Conflict(f"{self.slug} can't be undone")


#: One of a list of actions: which connector, parameters and result belong together is known to the action alone.
AnyAction: TypeAlias = Action[Any, Any, Any]

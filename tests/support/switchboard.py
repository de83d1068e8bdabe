"""A working fake integration: switches in memory, which an action turns on and can turn off again.

`memory://NAME` systems, a board for each name. A switch may be broken: turning it on does nothing, so that verification
and undo have something to find out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, ProposedFix, Severity
from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.contracts.integration import Integration
from opsteward.core.errors import Unreachable


class Board:
    """The world: which switches are on, what was done to them, which finding the check reports, and what goes wrong."""

    def __init__(self) -> None:
        self.on: set[str] = set()
        self.broken: set[str] = set()
        self.effects: list[str] = []
        self.wanted: set[str] = set()
        self.crashing: set[str] = set()
        self.away: dict[str, int] = {}
        self.before_effect: Callable[[], None] = lambda: None
        self.before_look: Callable[[], Awaitable[object]] | None = None


class Boards(dict[str, Board]):
    """Every board by its name, made when it is first asked for."""

    def __missing__(self, name: str) -> Board:
        return self.setdefault(name, Board())


BOARDS = Boards()


class Which(BaseModel):
    board: str


class Switch(BaseModel):
    name: str


class MemoryConnector(Connector[Which]):
    config_model: ClassVar[type[BaseModel]] = Which

    @property
    def board(self) -> Board:
        return BOARDS[self.config.board]

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> Which:
        return Which(board=target.endpoint.removeprefix("memory://"))

    async def probe(self) -> ProbeReport:
        return ProbeReport(reachable=True, seconds=0.0, version="1")

    async def close(self) -> None:
        return


class TurnOn(Action[MemoryConnector, Switch, Switch]):
    """Turns a switch on; undoing turns it off."""

    slug: ClassVar[str] = "memory.turn_on"
    title: ClassVar[str] = "Turn a switch on"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = Switch
    result_model: ClassVar[type[BaseModel]] = Switch
    undoable: ClassVar[bool] = True

    async def plan(self, ctx: ActionContext[MemoryConnector], params: Switch) -> Plan:
        return Plan(
            needed=params.name not in ctx.via.board.on,
            summary=f"turn {params.name} on",
            objects=[f"switch {params.name}"],
        )

    async def execute(self, ctx: ActionContext[MemoryConnector], params: Switch) -> Switch:
        board = ctx.via.board
        board.before_effect()
        if params.name in board.crashing:
            raise ValueError("a bug in the plug-in")
        if board.away.get(params.name, 0) > 0:
            board.away[params.name] -= 1
            raise Unreachable("the board is away")
        board.effects.append(f"on {params.name}")
        ctx.via.board.on.add(params.name)
        return params

    async def verify(self, ctx: ActionContext[MemoryConnector], params: Switch, result: Switch) -> Proof:
        works = params.name in ctx.via.board.on and params.name not in ctx.via.board.broken
        return Proof(ok=works, summary="it is on" if works else "it does not light")

    async def undo(self, ctx: ActionContext[MemoryConnector], params: Switch, result: Switch) -> None:
        ctx.via.board.effects.append(f"off {params.name}")
        ctx.via.board.on.discard(params.name)


class SwitchesCheck(Check[MemoryConnector]):
    """Fails for each wanted switch that is off."""

    slug: ClassVar[str] = "memory.switches"
    title: ClassVar[str] = "Switches"
    domain: ClassVar[Domain] = "database"
    health: ClassVar[bool] = True

    async def run(self, via: MemoryConnector, target: SystemRef) -> CheckResult:
        if via.board.before_look is not None:
            await via.board.before_look()
        off = sorted(via.board.wanted - via.board.on)
        findings = [
            Finding(
                type="connection_saturation",
                severity=Severity.HIGH,
                title=f"{name} is off",
                description="",
                component=name,
                evidence={},
                confidence=1.0,
                fixes=[ProposedFix(action=TurnOn.slug, params={"name": name}, reason="it should be on")],
            )
            for name in off
        ]
        status = CheckStatus.FAIL if off else CheckStatus.PASS
        return CheckResult(status=status, summary=f"{len(off)} off", findings=findings)


def integration() -> Integration:
    return Integration(
        slug="memory",
        title="Switches in memory",
        schemes=frozenset({"memory"}),
        connector=MemoryConnector,
        checks=(SwitchesCheck(),),
        actions=(TurnOn(),),
    )

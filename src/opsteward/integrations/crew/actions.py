"""`crew.change_matrix`: releases another version of the delegation matrix, as approved, which the crew writes down.
`crew.register_routes`: tells a gateway which routes the crew has.
"""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.core.errors import Conflict
from opsteward.integrations.crew.gateway import Gateway, GatewayRoute, as_wanted


class MatrixChange(BaseModel):
    """The rows that are to decide, in place of version `replaces`; `rows` and `figures` are JSON."""

    model_config = ConfigDict(extra="forbid")

    replaces: Annotated[int, Field(ge=0)]
    summary: Annotated[str, Field(min_length=1, max_length=500)]
    rows: Annotated[str, Field(max_length=50_000)]
    figures: Annotated[str, Field(max_length=20_000)] = "{}"


class Released(BaseModel):
    """The version that may be replaced."""

    replaces: int


class ChangeMatrix(Action[None, MatrixChange, Released]):
    """Releases a change. It is taken back by another change, to the rows of an earlier version."""

    slug: ClassVar[str] = "crew.change_matrix"
    title: ClassVar[str] = "Change how the crew delegates work"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = MatrixChange
    result_model: ClassVar[type[BaseModel]] = Released
    timeout: ClassVar[float] = 5.0

    async def plan(self, ctx: ActionContext[None], params: MatrixChange) -> Plan:
        try:
            figures = json.loads(params.figures)
        except (ValueError, RecursionError):
            figures = {}
        steps = [f"replace version {params.replaces} of the matrix"]
        return Plan(needed=True, summary=params.summary, steps=steps, evidence={"figures": figures})

    async def execute(self, ctx: ActionContext[None], params: MatrixChange) -> Released:
        return Released(replaces=params.replaces)

    async def verify(self, ctx: ActionContext[None], params: MatrixChange, result: Released) -> Proof:
        # the crew writes the version as this ends; whether it is in force shows in GET /api/crew/matrix
        return Proof(ok=result.replaces == params.replaces, summary=f"Version {params.replaces} may be replaced")


class Routes(BaseModel):
    """Our routes, and the address at which the gateway reaches them."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://")]
    routes: Annotated[list[GatewayRoute], Field(min_length=1, max_length=200)]


class Registered(BaseModel):
    """How many routes the gateway was told."""

    routes: int


class RegisterRoutes(Action[None, Routes, Registered]):
    """Tells the configured gateway; the same again changes nothing."""

    slug: ClassVar[str] = "crew.register_routes"
    title: ClassVar[str] = "Register the crew's routes at the gateway"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = Routes
    result_model: ClassVar[type[BaseModel]] = Registered
    timeout: ClassVar[float] = 30.0

    def __init__(self, gateway: Gateway | None) -> None:
        self._gateway = gateway

    async def plan(self, ctx: ActionContext[None], params: Routes) -> Plan:
        gateway = self._configured()
        missing = await self._missing(params)
        summary = f"Register {len(params.routes)} routes at {gateway.address}, which lead to {params.url}"
        return Plan(needed=bool(missing), summary=summary, steps=missing[:50], objects=[gateway.address])

    async def execute(self, ctx: ActionContext[None], params: Routes) -> Registered:
        await self._configured().set_routes(params.url, params.routes)
        return Registered(routes=len(params.routes))

    async def verify(self, ctx: ActionContext[None], params: Routes, result: Registered) -> Proof:
        missing = await self._missing(params)
        summary = f"The gateway knows {len(params.routes) - len(missing)} of {len(params.routes)} routes"
        return Proof(ok=not missing, summary=summary, evidence={"missing": missing[:50]})

    async def _missing(self, params: Routes) -> list[str]:
        known = await self._configured().registered()
        if known is None or known[0] != params.url:
            return [one.path for one in params.routes]
        return as_wanted(known[1], params.routes)

    def _configured(self) -> Gateway:
        if self._gateway is None:
            raise Conflict("no gateway is configured", remedy="set OPSTEWARD_CREW_GATEWAY")
        return self._gateway

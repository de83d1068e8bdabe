"""`crew.change_matrix`: releases another version of the delegation matrix, as approved. The crew writes it down."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk


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
        except ValueError:
            figures = {}
        steps = [f"replace version {params.replaces} of the matrix"]
        return Plan(needed=True, summary=params.summary, steps=steps, evidence={"figures": figures})

    async def execute(self, ctx: ActionContext[None], params: MatrixChange) -> Released:
        return Released(replaces=params.replaces)

    async def verify(self, ctx: ActionContext[None], params: MatrixChange, result: Released) -> Proof:
        # the crew writes the version as this ends; whether it is in force shows in GET /api/crew/matrix
        return Proof(ok=result.replaces == params.replaces, summary=f"Version {params.replaces} may be replaced")

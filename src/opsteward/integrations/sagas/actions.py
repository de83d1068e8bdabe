"""`saga.apply`: releases a saga, as approved. Its steps are made by a task, which follows its end."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk


class SagaPlan(BaseModel):
    """A saga by its hash, and its steps in words, for a person to read."""

    model_config = ConfigDict(extra="forbid")

    saga_id: UUID
    name: Annotated[str, Field(min_length=1, max_length=100)]
    plan_hash: Annotated[str, Field(min_length=1, max_length=128)]
    steps: Annotated[list[Annotated[str, Field(max_length=500)]], Field(min_length=1, max_length=50)]


class Released(BaseModel):
    """The saga that may begin."""

    saga_id: UUID
    plan_hash: str


class ApplySaga(Action[None, SagaPlan, Released]):
    """Releases a saga. What its steps did is taken back by the saga itself when one of them fails."""

    slug: ClassVar[str] = "saga.apply"
    title: ClassVar[str] = "Change records on several systems"
    risk: ClassVar[Risk] = Risk.HIGH
    params_model: ClassVar[type[BaseModel]] = SagaPlan
    result_model: ClassVar[type[BaseModel]] = Released
    timeout: ClassVar[float] = 5.0

    async def plan(self, ctx: ActionContext[None], params: SagaPlan) -> Plan:
        count = len(params.steps)
        summary = f"{params.name}: {count} change(s), all of them or none"
        return Plan(needed=True, summary=summary, steps=params.steps, evidence={"plan_hash": params.plan_hash})

    async def execute(self, ctx: ActionContext[None], params: SagaPlan) -> Released:
        return Released(saga_id=params.saga_id, plan_hash=params.plan_hash)

    async def verify(self, ctx: ActionContext[None], params: SagaPlan, result: Released) -> Proof:
        # each step is verified when it is made, and recorded with the saga
        return Proof(ok=result.plan_hash == params.plan_hash, summary=f"The saga {params.saga_id} may begin")

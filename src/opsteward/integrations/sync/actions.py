"""`sync.apply`: releases the plan of a sync, as approved. The changes are written by a task, which follows its end."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk

_WORDS = {"create": "create", "update": "change", "disable": "disable", "delete": "delete"}


class SyncPlan(BaseModel):
    """A plan by its hash, and what it changes, for a person to read."""

    model_config = ConfigDict(extra="forbid")

    operation_id: UUID
    source_id: UUID
    target_id: UUID
    plan_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    counts: Annotated[dict[str, int], Field(max_length=20)]
    samples: Annotated[str, Field(max_length=20_000)] = "{}"
    undo: bool = False


class Released(BaseModel):
    """The plan that may be carried out."""

    operation_id: UUID
    plan_hash: str


class ApplySync(Action[None, SyncPlan, Released]):
    """Releases a plan. What it wrote is taken back as a whole by undoing the sync, not this action."""

    slug: ClassVar[str] = "sync.apply"
    title: ClassVar[str] = "Carry out the plan of a sync"
    risk: ClassVar[Risk] = Risk.HIGH
    params_model: ClassVar[type[BaseModel]] = SyncPlan
    result_model: ClassVar[type[BaseModel]] = Released
    timeout: ClassVar[float] = 5.0

    async def plan(self, ctx: ActionContext[None], params: SyncPlan) -> Plan:
        steps = [told(name, count) for name, count in params.counts.items() if count]
        verb = "Undo a sync" if params.undo else "Bring two systems in step"
        try:
            samples = json.loads(params.samples)
        except ValueError:
            samples = {}
        evidence = {"plan_hash": params.plan_hash, "samples": samples}
        return Plan(needed=bool(steps), summary=f"{verb}: {', '.join(steps)}", steps=steps, evidence=evidence)

    async def execute(self, ctx: ActionContext[None], params: SyncPlan) -> Released:
        return Released(operation_id=params.operation_id, plan_hash=params.plan_hash)

    async def verify(self, ctx: ActionContext[None], params: SyncPlan, result: Released) -> Proof:
        # what is written is verified change by change, and recorded with the sync
        return Proof(ok=result.plan_hash == params.plan_hash, summary=f"The sync {params.operation_id} may begin")


def told(name: str, count: int) -> str:
    """ "create 3 in the target" """
    operation, _, side = name.partition("_in_")
    return f"{_WORDS.get(operation, operation)} {count} in the {side or 'target'}"

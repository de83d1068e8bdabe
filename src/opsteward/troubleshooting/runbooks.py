"""Runs runbooks, as durable tasks: a step that has ended is not done again, whatever becomes of the process.

Their actions go through the one door, with an approval by their risk; what a step asks of people is an approval too.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from opsteward.actions.service import ActionService, check_params
from opsteward.actions.types import ENDS, HELPED, NewAction, RunStatus
from opsteward.contracts.registry import Registry
from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.db import Database
from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json, JsonObject
from opsteward.integrations.runbooks import ASK
from opsteward.systems.check_on_demand import ChecksOnDemand
from opsteward.systems.service import Inventory
from opsteward.tasks import queries
from opsteward.troubleshooting.assessment import issues_of
from opsteward.troubleshooting.runbook_file import Runbook, Step, read_runbook
from opsteward.troubleshooting.types import Fix

TASK_TYPE = "troubleshooting.runbook"
_LOOK_EVERY = 0.5  # seconds between looks for an action's end
_LONGEST = 3 * 86_400.0  # seconds; it may wait for people
_AT_ONCE = 10  # in the whole installation: one that waits keeps a place from other tasks


class RunbookParams(BaseModel):
    """The runbook as the text of its file. `dry_run`: checks are made; of the rest it is said what would be done."""

    model_config = ConfigDict(extra="forbid")

    runbook: Annotated[str, Field(min_length=1, max_length=100_000)]
    dry_run: bool = False


class RunbookRunner:
    """Runs on workers."""

    slug: ClassVar[str] = TASK_TYPE

    def __init__(
        self,
        db: Database,
        checks: ChecksOnDemand,
        inventory: Inventory,
        registry: Registry,
        action_service: ActionService,
    ) -> None:
        self._db = db
        self._checks = checks
        self._inventory = inventory
        self._registry = registry
        self._action_service = action_service

    def task_type(self) -> TaskType:
        """The type of task by which runbooks run."""
        return TaskType(
            slug=TASK_TYPE,
            purpose="Runs a runbook step by step: checks, actions, waits, questions to people",
            params=RunbookParams,
            run=self.run,
            durable=True,
            concurrency=_AT_ONCE,
            timeout=_LONGEST,
            max_retries=3,
        )

    async def run(self, ctx: TaskContext, params: RunbookParams) -> JsonObject:
        """Raises Invalid for a file that is no runbook, or names what is not there: before anything is done."""
        runbook = read_runbook(params.runbook)
        await ctx.step("look", lambda: self._all_there(ctx.tenant_id, runbook))
        ended: list[Json] = []  # of each step: whether it ended as it should
        outcome = "tried" if params.dry_run else "done"
        for number, step in enumerate(runbook.steps, start=1):
            ctx.progress(100 * (number - 1) // len(runbook.steps), f"step {number}: {_named(step)}"[:200])
            ok, told = await self._do(ctx, number, step, dry_run=params.dry_run)
            ended.append({"number": number, "kind": step.kind, "ok": ok, "told": told})
            if not ok and step.otherwise == "stop" and not params.dry_run:
                outcome = "stopped"
                break
        return {"runbook": runbook.name, "outcome": outcome, "steps": list(ended)}

    async def _all_there(self, tenant_id: UUID, runbook: Runbook) -> None:
        for number, step in enumerate(runbook.steps):
            place = f"runbook.steps.{number}"
            for name, system in (("check", step.check), ("system", step.system)):
                if system is not None and await self._id_of(tenant_id, system) is None:
                    problem = f"{system!r} is no registered system"
                    raise Invalid.field(f"{place}.{name}", problem, "see `opsteward systems list`")
            if step.action is not None:
                if step.action not in self._registry.actions:
                    raise Invalid.field(f"{place}.action", f"there is no action {step.action!r}", "see the reference")
                check_params(self._registry.action(step.action).action.params_model, step.params)

    async def _do(self, ctx: TaskContext, number: int, step: Step, *, dry_run: bool) -> tuple[bool, str]:
        if step.check is not None:
            return await self._check(ctx, number, step.check, step.expect)
        if step.fix is not None and step.system is not None:
            return await self._fix(ctx, number, step.fix, step.system, dry_run=dry_run)
        if dry_run:
            return True, self._would(step)
        if step.wait is not None:
            until = await ctx.step(f"{number} until", lambda: _in(step.wait or 0))
            await ctx.step(f"{number} wait", lambda: asyncio.sleep(max(0.0, until - time.time())))
            return True, f"waited {step.wait} s"
        if step.ask is not None:
            status = await self._act(ctx, number, ASK, {"question": step.ask}, None, "a runbook asks")
            return status in HELPED, "yes" if status in HELPED else f"no ({status})"
        assert step.action is not None
        status = await self._act(ctx, number, step.action, step.params, step.system, f"step {number} of a runbook")
        return status in HELPED, f"{step.action}: {status}"

    async def _check(self, ctx: TaskContext, number: int, system: str, expect: str) -> tuple[bool, str]:
        async def look() -> JsonObject:
            system_id = await self._id_of(ctx.tenant_id, system)
            if system_id is None:
                return {"health": "unknown", "told": "it is not registered any more"}
            seen = await self._checks.run(ctx.tenant_id, system_id)
            said = [one.result.summary for one in seen.outcomes if one.result.status.value in ("fail", "warn")]
            return {"health": seen.health, "told": "; ".join(said)[:500]}

        seen = await ctx.step(f"{number} check", look)
        health = str(seen["health"])
        fits = health in ("down", "degraded") if expect == "unhealthy" else health == expect
        told = f": {seen['told']}" if seen["told"] else ""
        return fits, f"{system} is {health}{'' if fits else f', not {expect}'}{told}"

    async def _fix(
        self, ctx: TaskContext, number: int, finding: str, system: str, *, dry_run: bool
    ) -> tuple[bool, str]:
        async def look() -> JsonObject:
            system_id = await self._id_of(ctx.tenant_id, system)
            seen = await self._checks.run(ctx.tenant_id, system_id) if system_id is not None else None
            issues = [issue for one in seen.outcomes for issue in issues_of(one)] if seen else []
            fixes = [fix for issue in issues if issue.type == finding for fix in issue.fixes]
            return {"fix": fixes[0].model_dump(mode="json") if fixes else None}

        found = (await ctx.step(f"{number} look", look))["fix"]
        if not isinstance(found, dict):
            return False, f"{system} has no {finding} now that a fix is known for"
        fix = Fix.model_validate(found)
        if dry_run:
            return True, f"{self._asks(fix.action)} on {system}: {fix.reason}"
        status = await self._act(
            ctx, number, fix.action, fix.params, system, f"step {number} of a runbook: {fix.reason}"
        )
        return status in HELPED, f"{fix.action}: {status}"

    async def _act(
        self, ctx: TaskContext, number: int, action: str, params: JsonObject, system: str | None, reason: str
    ) -> RunStatus:
        """Ask for the action, and wait for its end, for as long as its approval may take."""

        async def ask() -> str:
            system_id = await self._id_of(ctx.tenant_id, system) if system is not None else None
            async with self._db.unit_of_work(ctx.tenant_id) as session:
                task = await queries.get(session, task_id=ctx.task_id)
                run = await self._action_service.request(
                    session,
                    new=NewAction(
                        action=action,
                        params=params,
                        reason=reason,
                        requested_by=task.requested_by,
                        idempotency_key=ctx.key(str(number)),
                        system_id=system_id,
                    ),
                )
                return str(run.id)

        run_id = UUID(await ctx.step(f"{number} request", ask))

        async def ended() -> str:
            while True:
                async with self._db.unit_of_work(ctx.tenant_id) as session:
                    status = (await self._action_service.get(session, run_id=run_id)).status
                if status in ENDS:
                    return str(status)
                await asyncio.sleep(_LOOK_EVERY)

        return RunStatus(await ctx.step(f"{number} end", ended))

    def _would(self, step: Step) -> str:
        if step.wait is not None:
            return f"would wait {step.wait} s"
        if step.ask is not None:
            return f"would ask a person: {step.ask}"
        return f"{self._asks(step.action or '')}{f' on {step.system}' if step.system else ''}"

    def _asks(self, action: str) -> str:
        offered = self._registry.action(action).action
        approval = offered.risk.value != "low" or offered.always_asks
        who = "a person approves it" if approval else "without approval"
        return f"would ask for {action} (risk {offered.risk.value}, {who})"

    async def _id_of(self, tenant_id: UUID, name: str) -> UUID | None:
        async with self._db.unit_of_work(tenant_id) as session:
            found = await self._inventory.find(session, name=name)
        return found.id if found is not None else None


async def _in(seconds: int) -> float:
    return time.time() + seconds


def _named(step: Step) -> str:
    return f"{step.kind} {step.check or step.fix or step.action or step.ask or f'{step.wait} s'}"

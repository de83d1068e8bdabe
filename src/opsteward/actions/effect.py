"""The steps of a run from its effect on: execute, verify, undo, and the end of the run. The only caller of `execute`.

Each may be repeated after a crash, so each writes under a condition or a derived id, and the effect itself is keyed by
the exact identity of what it touches.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions import queries
from opsteward.actions.admission import HELD, is_paused
from opsteward.actions.freezes import freeze
from opsteward.actions.models import ActionRun
from opsteward.actions.run_context import RunContexts
from opsteward.actions.types import ENDS, RunStatus
from opsteward.contracts.action import Proof
from opsteward.core.backoff import backoff
from opsteward.core.clock import now
from opsteward.core.errors import OpsError, Timeout
from opsteward.core.log import get_logger
from opsteward.core.redact import redact_json, redact_text
from opsteward.telemetry import traces

log = get_logger(__name__)

UNDONE = "undone"


class Effect:
    """Steps of both workflows, once a run was admitted."""

    def __init__(self, contexts: RunContexts) -> None:
        self._contexts = contexts
        self._settings = contexts.settings

    async def execute(self, tenant: UUID, run_id: UUID, attempt: int) -> float | str | None:
        """The effect. Its key is the run's id; a failure is written down and left to the verification to judge.

        Returns the seconds after which it is to be tried again, None when it was done or there is no hope, HELD when
        a pause came before it.
        """
        result, error, retryable = None, "", False
        async with self._contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            if await is_paused(session, run):
                run.status, run.claimed_by = RunStatus.APPROVED, None
                return HELD
        async with self._contexts.opened(tenant, run_id, "execute") as it:
            try:
                async with asyncio.timeout(min(it.action.timeout, self._settings.action_timeout)):
                    result = (await it.action.execute(it.context, it.params)).model_dump(mode="json")
            except TimeoutError:
                error, retryable = Timeout.title, True
            except OpsError as failure:
                error, retryable = redact_text(failure.detail), failure.retryable
            if error:
                traces.fail(error)
        async with self._contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            run.result, run.error = result, error if result is None else None
        log.info("actions.action.executed", action=run.action, run_id=str(run_id), attempt=attempt, error=error)
        if not retryable or attempt >= self._settings.max_retries:
            return None
        return backoff(attempt, factor=self._settings.backoff_factor, limit=self._settings.max_backoff)

    async def verify(self, tenant: UUID, run_id: UUID) -> bool:
        """Measure the target and write the proof down. What can't be measured is not proven."""
        async with self._contexts.opened(tenant, run_id, "verify") as it:
            if it.run.result is None:
                proof = Proof(ok=False, summary="it was not done")
            else:
                result = it.action.result_model.model_validate(it.run.result)
                try:
                    async with asyncio.timeout(self._settings.verify_timeout):
                        proof = await it.action.verify(it.context, it.params, result)
                except TimeoutError:
                    proof = Proof(ok=False, summary="the verification did not finish in time")
                except OpsError as error:
                    proof = Proof(ok=False, summary=f"can't verify: {redact_text(error.detail)}")
            if not proof.ok:
                traces.fail(proof.summary)
        async with self._contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            run.proof = {"ok": proof.ok, "summary": proof.summary, "evidence": redact_json(proof.evidence)}
        return proof.ok

    async def undo(self, tenant: UUID, run_id: UUID) -> str:
        """Take the effect back where that is possible; says what came of it."""
        async with self._contexts.opened(tenant, run_id, "undo") as it:
            if it.run.result is None:
                return ""
            if not it.action.undoable:
                return "this action can't be undone"
            result = it.action.result_model.model_validate(it.run.result)
            try:
                async with asyncio.timeout(self._settings.action_timeout):
                    await it.action.undo(it.context, it.params, result)
            except TimeoutError:
                return "the undo did not finish in time"
            except OpsError as error:
                return f"the undo failed: {redact_text(error.detail)}"
            return UNDONE

    async def finish(self, tenant: UUID, run_id: UUID, undo: str) -> str:
        """End the run by its proof; what did not help is frozen. Returns the run's status."""
        async with self._contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            proof = run.proof or {"ok": False, "summary": ""}
            summary = str(proof["summary"])
            run.ended_at = now()
            if proof["ok"]:
                run.status = RunStatus.SUCCEEDED
            else:
                run.status = RunStatus.UNDONE if undo == UNDONE else RunStatus.FAILED
                run.error = "; ".join(part for part in (run.error, summary, undo) if part)
                await self._freeze(session, run)
            await self._contexts.record(session, run, run.status, extra={"proof": summary, "undo": undo})
            return str(run.status)

    async def give_up(self, *, tenant_id: str, run_id: str, reason: str) -> None:
        """Something broke that should not: the run has failed, and what may be half done is not tried again."""
        async with self._contexts.db.unit_of_work(UUID(tenant_id)) as session:
            run = await queries.get_run(session, UUID(run_id), lock=True)
            if run.status in ENDS:
                return
            half_done = run.status == RunStatus.EXECUTING
            run.status, run.ended_at = RunStatus.FAILED, now()
            run.error = f"stopped by an unexpected error ({reason})"
            if half_done:
                await self._freeze(session, run)
            await self._contexts.record(session, run, run.status, extra={"why": run.error})

    async def _freeze(self, session: AsyncSession, run: ActionRun) -> None:
        if run.system_id is not None:
            reason = f"did not help: {run.error}"
            await freeze(session, self._contexts.bus, run, seconds=self._settings.freeze_seconds, reason=reason)

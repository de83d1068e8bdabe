"""One step of a saga on its system: made, and taken back. Each may be sent again after a crash.

A step is taken back only where the record still is as the step left it: what others changed since is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsteward.contracts.record_values import same_values
from opsteward.contracts.records import Change, ChangeResult, Operation, Outcome, Record
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.redact import redact_text
from opsteward.core.storable_text import storable
from opsteward.provisioning.sagas.models import SagaStepRow
from opsteward.provisioning.sagas.types import StepStatus
from opsteward.systems.record_connections import GuardedRecords

_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What became of a step."""

    status: StepStatus
    made_id: str | None = None
    problem: str = ""
    may_be_older: bool = False


async def record_before(step: SagaStepRow, system: GuardedRecords) -> Record | None:
    """The record that the step is about, as it is now; None for a create, and where there is none."""
    if step.native_id is None:
        return None
    return (await system.get(step.resource, [step.native_id])).get(step.native_id)


async def make(step: SagaStepRow, system: GuardedRecords, *, again: bool) -> StepResult:
    """Make the change; `again`: it may have been sent before. Raises ConnectorError when nothing was sent."""
    change = Change(
        key=f"{step.saga_id}:{step.number}",
        operation=Operation(step.operation),
        native_id=step.native_id,
        values=step.values,
    )
    result = await _written(system, step.resource, change)
    outcome, record, again = result.outcome, result.record, again or system.tried_again
    made_id = result.native_id or (record.native_id if record is not None else None) or step.native_id
    if outcome is Outcome.DONE:
        return StepResult(status=StepStatus.DONE, made_id=made_id)
    if outcome is Outcome.EXISTS and again and record is not None and same_values(step.values, record.values):
        return StepResult(status=StepStatus.DONE, made_id=made_id, may_be_older=True)
    if outcome is Outcome.UNCHANGED:
        if not again:
            return StepResult(status=StepStatus.UNCHANGED, made_id=made_id)
        if step.operation == "create":
            return StepResult(status=StepStatus.DONE, made_id=made_id, may_be_older=True)
        return StepResult(status=StepStatus.DONE if _changes(step) else StepStatus.UNCHANGED, made_id=made_id)
    if outcome is Outcome.FAILED:
        problem = _told(result) or "the system did not say whether it was done"
        return StepResult(status=StepStatus.SENT, problem=problem)
    words = {Outcome.EXISTS: "another record has this key", Outcome.MISSING: "there is no such record"}
    return StepResult(status=StepStatus.FAILED, problem=_told(result) or words.get(outcome, "the system refused it"))


async def take_back(step: SagaStepRow, system: GuardedRecords) -> StepResult:
    """Bring the record back to what it was before the step. Raises ConnectorError when nothing was sent."""
    if step.operation == "create":
        return await _remove(step, system)
    if step.operation == "delete":
        return await _bring_back(step, system)
    native_id = step.made_id or step.native_id or ""
    record = (await system.get(step.resource, [native_id])).get(native_id)
    before = step.before or {}
    if record is None:
        return _stuck("the record is gone")
    if step.operation == "update":
        wanted: JsonObject = {name: before.get(name) for name in step.values}
        if same_values(wanted, record.values):
            return StepResult(status=StepStatus.COMPENSATED)
        if not same_values(step.values, record.values):
            return _stuck("the record was changed by others since")
    else:
        # whatever says that the account is switched off is among what differs
        names = {*before, *record.values}
        wanted = {name: before.get(name) for name in names if not same_values({name: before.get(name)}, record.values)}
        if not wanted:
            return StepResult(status=StepStatus.COMPENSATED)
    change = _back(step, Operation.UPDATE, native_id=native_id, values=wanted, version=record.version)
    return _ended(await _written(system, step.resource, change), Outcome.DONE, Outcome.UNCHANGED)


async def _remove(step: SagaStepRow, system: GuardedRecords) -> StepResult:
    if step.may_be_older or step.made_id is None:
        return _stuck("nobody knows whether the record was made by this step")
    record = (await system.get(step.resource, [step.made_id])).get(step.made_id)
    if record is None:
        return StepResult(status=StepStatus.COMPENSATED)
    if not same_values(_told_back(step.values, record.values), record.values):
        return _stuck("the record was changed by others since")
    change = _back(step, Operation.DELETE, native_id=step.made_id, version=record.version)
    return _ended(await _written(system, step.resource, change), Outcome.DONE, Outcome.UNCHANGED)


async def _bring_back(step: SagaStepRow, system: GuardedRecords) -> StepResult:
    if step.before is None:
        return StepResult(status=StepStatus.COMPENSATED)
    values = {name: value for name, value in step.before.items() if value not in (None, "", [])}
    result = await _written(system, step.resource, _back(step, Operation.CREATE, values=values, place=step.place))
    if result.outcome is Outcome.EXISTS and result.record and same_values(values, result.record.values):
        return StepResult(status=StepStatus.COMPENSATED)
    return _ended(result, Outcome.DONE, Outcome.UNCHANGED)


async def _written(system: GuardedRecords, resource: str, change: Change) -> ChangeResult:
    """Sent until the system says what became of it, a few times at most."""
    for _ in range(_TRIES - 1):
        (result,) = await system.write(resource, [change])
        if result.outcome is not Outcome.FAILED:
            return result
    (result,) = await system.write(resource, [change])
    return result


def _back(
    step: SagaStepRow,
    operation: Operation,
    *,
    native_id: str | None = None,
    values: Mapping[str, Json] | None = None,
    version: str | None = None,
    place: int | None = None,
) -> Change:
    key = f"{step.saga_id}:{step.number}:back"
    return Change(key=key, operation=operation, native_id=native_id, values=values or {}, version=version, place=place)


def _ended(result: ChangeResult, *well: Outcome) -> StepResult:
    if result.outcome in well:
        return StepResult(status=StepStatus.COMPENSATED)
    return _stuck(_told(result) or f"the system answered: {result.outcome.value}")


def _stuck(problem: str) -> StepResult:
    return StepResult(status=StepStatus.STUCK, problem=problem)


def _told(result: ChangeResult) -> str:
    return redact_text(storable(result.problem, limit=500))


def _changes(step: SagaStepRow) -> bool:
    """Whether the record was otherwise before the step."""
    return step.operation == "disable" or step.before is None or not same_values(step.values, step.before)


def _told_back(values: Mapping[str, Json], there: Mapping[str, Json]) -> dict[str, Json]:
    """Of these values those that the system shows: a password, say, it does not."""
    return {name: value for name, value in values.items() if name in there}

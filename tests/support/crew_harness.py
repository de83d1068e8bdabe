"""A crew in this process, with types of work and agents of its own; work is run at once, as a worker would."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from opsteward.accounts.types import Identity
from opsteward.contracts.task import NoParams, TaskContext
from opsteward.core.json_types import JsonObject
from opsteward.crew.agents.roster import Roster, load_roster
from opsteward.crew.delegation.matrix_changes import MatrixChanges
from opsteward.crew.execution.engine_runs import as_json
from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.execution.types import Accepted, Part, RunView, WorkRequest
from opsteward.crew.execution.work_task import ReasoningMaker, WorkTask
from opsteward.crew.execution.work_types import WorkTypes
from opsteward.crew.service import Crew
from opsteward.crew.settings import CrewSettings, ModelSettings
from opsteward.crew.types import Complexity
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.submission import Submission
from support.crew_engines import TYPES
from support.instance import Instance, Tenant

if TYPE_CHECKING:
    from opsteward.crew.language_models.building import Reasoners

LIMITS = "limits:\n  seconds: 30\n  tokens: 60000\n  money: 5\n  calls_per_minute: 1000\n"


def _agent(name: str, level: str, engine: str, *, to: str = "", tools: str = "") -> str:
    text = f"name: {name}\nlevel: {level}\nrole: {name}\ngoal: Do it\nengine: {engine}\n{LIMITS}"
    return text + (f"may_delegate_to: [{to}]\n" if to else "") + (f"tools: [{tools}]\n" if tools else "")


AGENTS = {
    "master": _agent("master", "master", "plan", to="crm.supervisor, billing.supervisor, operations.data_checker"),
    "crm": _agent("crm.supervisor", "supervisor", "plan", to="crm.analyst", tools="delegate"),
    "billing": _agent("billing.supervisor", "supervisor", "plan", to="billing.clerk", tools="delegate"),
    "analyst": _agent(
        "crm.analyst", "specialist", "[crm.add, crm.divide]", tools="run_engine, request_action, remember, recall"
    ),
    "clerk": _agent("billing.clerk", "specialist", "[billing.add, billing.nothing]", tools="run_engine"),
    "checker": _agent("operations.data_checker", "worker", "check_data"),
}


class CrewHarness:
    """A crew on the instance's database; `engine_runs` are the engines' runs in their order."""

    def __init__(
        self,
        instance: Instance,
        folder: Path,
        *,
        agents: dict[str, str] | None = None,
        models: ModelSettings | None = None,
        run_engine: Callable[[Part], Any] | None = None,
        **settings: Any,
    ) -> None:
        self.instance = instance
        self.db = instance.services.app
        self.settings = CrewSettings(**settings)
        self.types = WorkTypes(TYPES)
        for name, text in {**AGENTS, **(agents or {})}.items():
            (folder / f"{name}.yaml").write_text(text)
        self.roster: Roster = load_roster(self.types.engines, shipped=folder)
        assert self.roster.problems == ()
        self.engine_runs: list[str] = []
        self._engine = run_engine
        self.models = models
        self.work = WorkTask(
            self.db,
            settings=self.settings,
            types=self.types,
            roster=lambda: self.roster,
            run_engine=self._run_engine,
            reasoning=self._reasoning() if models is not None else None,
        )
        self.submission = Submission(
            TaskRegistry([self.work.task_type()], max_params_bytes=65_536), instance.services.settings.tasks
        )
        self.crew = Crew(
            settings=self.settings,
            submission=self.submission,
            types=self.types,
            roster=lambda: self.roster,
            run_engine=self._run_engine,
            matrix_changes=MatrixChanges(instance.services.action_service),
            model=models.model if models else None,
        )

    def reasoners(self) -> Reasoners:
        from opsteward.crew.language_models.building import Reasoners

        assert self.models is not None
        services = self.instance.services
        return Reasoners(
            self.db,
            settings=self.settings,
            models=self.models,
            inventory=services.inventory,
            action_service=services.action_service,
        )

    def _reasoning(self) -> ReasoningMaker:
        reasoners = self.reasoners()

        async def make(tenant_id: UUID, run_id: UUID, *, description: str, requested_by: str) -> Any:
            return reasoners.make(tenant_id, run_id, description=description, requested_by=requested_by)

        return make

    async def _run_engine(self, part: Part) -> JsonObject:
        self.engine_runs.append(part.task_type.name)
        if self._engine is not None:
            await self._engine(part)
        try:
            return as_json(part.task_type.engine(part.parameters))
        except ArithmeticError as error:
            raise StepFailed(f"the engine of {part.task_type.name} failed: {type(error).__name__}") from error

    async def ask(self, tenant: Tenant, work: str, values: list[float] | None = None, **fields: Any) -> Accepted:
        parameters = fields.pop("parameters", {"values": values or [1, 2]})
        if "complexity" in fields:
            fields["complexity"] = Complexity(fields["complexity"])
        request = WorkRequest(type=work, parameters=parameters, **fields)
        async with self.db.unit_of_work(tenant.id) as session:
            return await self.crew.execute(session, request=request, by=identity(tenant))

    async def run(self, tenant: Tenant, task_id: UUID, *, attempt: int = 0) -> JsonObject:
        """As a worker that has claimed the task."""
        return await self.work.run(context(tenant, task_id, attempt), NoParams())

    async def view(self, tenant: Tenant, task_id: UUID) -> RunView:
        async with self.db.unit_of_work(tenant.id) as session:
            return await self.crew.get(session, task_id=task_id)

    async def done(self, tenant: Tenant, work: str, values: list[float] | None = None, **fields: Any) -> RunView:
        """Asked for, run, and looked at."""
        taken = await self.ask(tenant, work, values, **fields)
        with suppress(StepFailed):
            await self.run(tenant, taken.task_id)
        return await self.view(tenant, taken.task_id)


def result_of(found: RunView) -> Any:
    """What it came to, to look into; there has to be something."""
    assert found.result is not None
    return found.result


def identity(tenant: Tenant) -> Identity:
    return Identity(
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        operator_id=tenant.owner.id,
        operator_name=tenant.owner.name,
        roles=("owner",),
        token_id=uuid4(),
        kind="api",
    )


def context(tenant: Tenant, task_id: UUID, attempt: int = 0) -> TaskContext:
    async def step(name: str, function: Callable[[], Any]) -> Any:
        return await function()

    return TaskContext(
        task_id=task_id, tenant_id=tenant.id, attempt=attempt, progress=lambda percent, message: None, step=step
    )

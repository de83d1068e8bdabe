"""Puts the crew together: its types of work, its agents, the engines' processes, the task that does the work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

from opsteward.actions.service import ActionService
from opsteward.actions.types import ActionChanged
from opsteward.app.settings import Settings
from opsteward.contracts.task import TaskType
from opsteward.core.blocking_calls import in_thread
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.json_types import JsonObject
from opsteward.crew.agents.roster import Roster, load_roster
from opsteward.crew.delegation.matrix_changes import MatrixChanges
from opsteward.crew.event_analysis import Opinion, UnsureEvent
from opsteward.crew.execution.engine_runs import in_own_process, in_turn
from opsteward.crew.execution.reasoning import Reasoning
from opsteward.crew.execution.types import TriedModel
from opsteward.crew.execution.work_task import WorkTask
from opsteward.crew.execution.work_types import WorkTypes
from opsteward.crew.service import Crew
from opsteward.crew.settings import CrewSettings
from opsteward.help.writing import Written
from opsteward.integrations.crew.gateway import Gateway
from opsteward.systems.service import Inventory
from opsteward.tasks.submission import Submission

if TYPE_CHECKING:
    from opsteward.crew.language_models.building import Reasoners

_MODELS = "opsteward.crew.language_models.building"


class CrewParts:
    """The parts of one process. What reads files or imports engines waits until it is first needed."""

    def __init__(
        self, settings: Settings, db: Database, *, inventory: Inventory, action_service: ActionService
    ) -> None:
        """`db`: in the worker's role."""
        self._settings, self._db = settings, db
        self._inventory, self._action_service = inventory, action_service
        self._types = WorkTypes()
        self.roster = cache(self._load_roster)
        in_process = in_own_process(settings.crew.crew_engine_seconds)
        self._run_engine = in_turn(in_process, patience=settings.crew.crew_agent_timeout)
        self._reasoners: Reasoners | None = None
        self._importing = asyncio.Lock()

    def task_type(self) -> TaskType:
        """The type of task that does the crew's work."""
        return WorkTask(
            self._db,
            settings=self._settings.crew,
            types=self._types,
            roster=self.roster,
            run_engine=self._run_engine,
            reasoning=self._reason if self._settings.models.model is not None else None,
        ).task_type()

    def service(self, submission: Submission, bus: Bus) -> Crew:
        """What API, console and command line work with."""
        changes = MatrixChanges(self._action_service)
        bus.subscribe(ActionChanged, changes.action_changed)
        return Crew(
            settings=self._settings.crew,
            submission=submission,
            types=self._types,
            roster=self.roster,
            run_engine=self._run_engine,
            matrix_changes=changes,
            model=self._settings.models.model,
            gateway=gateway_of(self._settings.crew),
            try_models=self._try_models,
            ask_about_event=self._opinion if self._settings.models.model is not None else None,
            ask_below=self._settings.models.model_event_confidence,
            model_settings=self._settings.models,
        )

    async def _reason(self, tenant_id: UUID, run_id: UUID, *, description: str, requested_by: str) -> Reasoning:
        reasoners = await self._made_reasoners()
        return reasoners.make(tenant_id, run_id, description=description, requested_by=requested_by)

    async def _try_models(self, tenant_id: UUID) -> list[TriedModel]:
        return await (await self._made_reasoners()).try_models(tenant_id)

    async def write_answer(self, tenant_id: UUID, *, question: str, passages: Sequence[str]) -> Written:
        """An answer to a question from passages alone. Raises StepFailed."""
        reasoners = await self._made_reasoners()
        return await reasoners.write_answer(tenant_id, question=question, passages=passages)

    async def _opinion(self, tenant_id: UUID, run_id: UUID, event: UnsureEvent) -> Opinion:
        return await (await self._made_reasoners()).opinion(tenant_id, run_id, event)

    async def _made_reasoners(self) -> Reasoners:
        """The library is imported when a model is first needed: it takes seconds, and tens of megabytes."""
        async with self._importing:
            if self._reasoners is None:
                await in_thread(import_module, _MODELS)
                from opsteward.crew.language_models.building import Reasoners

                self._reasoners = Reasoners(
                    self._db,
                    settings=self._settings.crew,
                    models=self._settings.models,
                    inventory=self._inventory,
                    action_service=self._action_service,
                )
        return self._reasoners

    def _load_roster(self) -> Roster:
        return load_roster(self._types.engines, self._settings.crew.crew_agents)


def gateway_of(settings: CrewSettings) -> Gateway | None:
    """The gateway that is configured, if any."""
    token = settings.crew_gateway_token.get_secret_value() if settings.crew_gateway_token else None
    return Gateway(settings.crew_gateway, token) if settings.crew_gateway else None


def check_agents(folder: Path) -> list[JsonObject]:
    """What is wrong with the agents' files of a folder, beside those that ship; nothing is started."""
    return [cast(JsonObject, asdict(one)) for one in load_roster(WorkTypes().engines, folder).problems]

"""Puts the crew together: its types of work, its agents, the engines' processes, the task that does the work."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import cast

from opsteward.actions.service import ActionService
from opsteward.actions.types import ActionChanged
from opsteward.app.settings import Settings
from opsteward.contracts.task import TaskType
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.json_types import JsonObject
from opsteward.crew.agents.roster import Roster, load_roster
from opsteward.crew.delegation.matrix_changes import MatrixChanges
from opsteward.crew.execution.engine_runs import in_own_process
from opsteward.crew.execution.types import Part
from opsteward.crew.execution.work_task import WorkTask
from opsteward.crew.execution.work_types import WorkTypes
from opsteward.crew.service import Crew
from opsteward.tasks.submission import Submission

_ENGINES_AT_ONCE = 8  # what is more waits here, where it loses no patience


class CrewParts:
    """The parts of one process. What reads files or imports engines waits until it is first needed."""

    def __init__(self, settings: Settings, db: Database) -> None:
        """`db`: in the worker's role."""
        self._settings, self._db = settings, db
        self._types = WorkTypes()
        self.roster = cache(self._load_roster)
        self._engines = asyncio.Semaphore(_ENGINES_AT_ONCE)
        self._in_process = in_own_process(settings.crew.crew_engine_seconds)

    def task_type(self) -> TaskType:
        """The type of task that does the crew's work."""
        return WorkTask(
            self._db,
            settings=self._settings.crew,
            types=self._types,
            roster=self.roster,
            run_engine=self._run_engine,
        ).task_type()

    def service(self, submission: Submission, action_service: ActionService, bus: Bus) -> Crew:
        """What API, console and command line work with."""
        changes = MatrixChanges(action_service)
        bus.subscribe(ActionChanged, changes.action_changed)
        return Crew(
            settings=self._settings.crew,
            submission=submission,
            types=self._types,
            roster=self.roster,
            run_engine=self._run_engine,
            matrix_changes=changes,
            model=self._settings.models.model,
        )

    async def _run_engine(self, part: Part) -> JsonObject:
        async with self._engines:
            return await self._in_process(part)

    def _load_roster(self) -> Roster:
        return load_roster(self._types.engines, self._settings.crew.crew_agents)


def check_agents(folder: Path) -> list[JsonObject]:
    """What is wrong with the agents' files of a folder, beside those that ship; nothing is started."""
    return [cast(JsonObject, asdict(one)) for one in load_roster(WorkTypes().engines, folder).problems]

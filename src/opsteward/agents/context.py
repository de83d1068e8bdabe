"""What a running agent has in hand: its parameters, its mailbox, its figures, its voice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from opsteward.agents import mailbox, metric_history
from opsteward.agents.types import AgentReported
from opsteward.contracts.agent import Message, Report
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Conflict
from opsteward.core.redact import redact_json

_MAX_FIGURES = 200  # of one run
_MAX_NAME = 200


class Context:
    """The AgentContext of one agent in this process. Closed, it lets nothing out any more."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        *,
        tenant_id: UUID,
        agent_id: UUID,
        process_id: UUID,
        name: str,
        params: BaseModel,
    ) -> None:
        self._db = db
        self._bus = bus
        self._tenant_id = tenant_id
        self._agent_id = agent_id
        self._process_id = process_id
        self._name = name
        self._params = params
        self._closed = False
        self._received: list[UUID] = []
        self._figures: list[tuple[str, float]] = []
        self.trouble = ""

    @property
    def tenant_id(self) -> UUID:
        return self._tenant_id

    @property
    def agent_id(self) -> UUID:
        return self._agent_id

    @property
    def process_id(self) -> UUID:
        return self._process_id

    @property
    def name(self) -> str:
        return self._name

    @property
    def params(self) -> Any:
        return self._params

    async def send(self, to: str, body: Mapping[str, object]) -> None:
        """See AgentContext."""
        self._check()
        async with self._db.unit_of_work(self._tenant_id) as session:
            await mailbox.send(session, to=to, sender=self._name, body=body)

    async def receive(self) -> Sequence[Message]:
        """See AgentContext."""
        self._check()
        async with self._db.unit_of_work(self._tenant_id) as session:
            found = await mailbox.waiting(session, agent_id=self._agent_id)
        self._received = [message.id for message in found]
        return found

    def degraded(self, reason: str) -> None:
        """See AgentContext."""
        self.trouble = reason or "degraded"

    def measure(self, name: str, value: float) -> None:
        """See AgentContext."""
        if math.isfinite(value) and len(self._figures) < _MAX_FIGURES:
            self._figures.append((name[:_MAX_NAME], float(value)))

    async def report(self, report: Report) -> None:
        """See AgentContext."""
        self._check()
        said = AgentReported(
            agent=self._name,
            report=Report(
                message=report.message,
                error_type=report.error_type,
                severity=report.severity,
                context={"agent": self._name, **redact_json(report.context)},
                resolved=report.resolved,
                source=report.source,
            ),
        )
        async with self._db.unit_of_work(self._tenant_id) as session:
            await self._bus.publish(session, said)

    def begin(self) -> None:
        """A run begins."""
        self._received, self._figures, self.trouble = [], [], ""

    async def finish(self) -> None:
        """The run has ended well: what it read is read, what it measured is kept."""
        if self._received:
            self._check()
            async with self._db.unit_of_work(self._tenant_id) as session:
                await mailbox.mark_read(session, agent_id=self._agent_id, ids=self._received)
        if self._figures:
            self._check()
            await metric_history.record(
                self._db, self._tenant_id, process_id=self._process_id, at=now(), figures=self._figures
            )

    def close(self) -> None:
        """This agent runs elsewhere from now on, or nowhere."""
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise Conflict("this agent does not run here any more")

"""The heartbeat and health agent: finds agents that give no sign of life, has them restarted, and reports it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents import metric_history
from opsteward.agents.failure_report import failure_report
from opsteward.agents.lost_process_events import OWN
from opsteward.agents.models import Agent
from opsteward.agents.service import tell_changes
from opsteward.agents.settings import AgentSettings
from opsteward.agents.types import ORDERS, AgentReported, AgentStatus
from opsteward.contracts.agent import AgentContext, BackgroundAgent, NoAgentParams, Report
from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.json_types import JsonObject
from opsteward.telemetry import audit

ACTOR = "agent:heartbeat"
#: Figures of the work that waits for a version of the engine, by version.
_STRANDED = "workflows.stranded."
_LOOK_BACK = 86_400.0
_TROUBLES = sa.text("select * from opsteward.agent_troubles(:alive, :silent)")


@dataclass(frozen=True)
class _Trouble:
    tenant_id: UUID
    id: UUID
    name: str
    detail: JsonObject


class HeartbeatAgent(BackgroundAgent[NoAgentParams]):
    """One for the whole installation, over all tenants."""

    kind = "opsteward.heartbeat"
    purpose = "Notices stalled agents, agents that no process takes and work that no process can go on with"
    interval = 25.0
    timeout = 30.0
    essential = True

    def __init__(self, db: Database, bus: Bus, settings: AgentSettings) -> None:
        self._db = db
        self._bus = bus
        self._settings = settings
        self._stranded: frozenset[str] = frozenset()  # the versions that were reported

    async def start(self, ctx: AgentContext[NoAgentParams]) -> None:
        """What was reported is known from the history: another process may have reported it."""
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            known = await metric_history.latest(session, prefix=_STRANDED, window=_LOOK_BACK)
        self._stranded = frozenset(name.removeprefix(_STRANDED) for name, value in known.items() if value)

    async def run_once(self, ctx: AgentContext[NoAgentParams]) -> None:
        """One look at everything; nothing is written while all is well."""
        async with self._db.unit_of_work(None) as session:
            found = (await session.execute(_TROUBLES, self._limits())).all()
        by_kind: dict[str, dict[UUID, list[_Trouble]]] = defaultdict(lambda: defaultdict(list))
        for row in found:
            if row.tenant_id is not None:
                trouble = _Trouble(row.tenant_id, row.id, row.name, row.detail)
                by_kind[row.trouble][row.tenant_id].append(trouble)
        for tenant_id, stalled in by_kind["stalled"].items():
            await self._restart(tenant_id, stalled)
        for tenant_id, untaken in by_kind["untaken"].items():
            await self._fail(tenant_id, untaken)
        await self._report_stranded(ctx, {r.name: r.detail["workflows"] for r in found if r.trouble == "stranded"})

    def _limits(self) -> dict[str, float]:
        return {"alive": 2 * self._settings.process_lost_after, "silent": 3 * self._settings.agent_beat_seconds}

    async def _restart(self, tenant_id: UUID, stalled: Sequence[_Trouble]) -> None:
        """Their owner starts them anew. Once well again they say so themselves."""
        async with self._db.unit_of_work(tenant_id) as session:
            ids = [one.id for one in stalled]
            await session.execute(
                sa.update(Agent)
                .where(Agent.tenant_id == tenant_id, Agent.id.in_(ids))
                .values(
                    generation=Agent.generation + 1,
                    status=AgentStatus.FAILED,
                    reason="it gave no sign of life and is started anew",
                    beat_at=sa.func.now(),
                    told=True,
                )
            )
            await audit.record_all(
                session,
                [
                    {"actor": ACTOR, "verb": "agents.agent.restarted", "object_type": "agent",
                     "object_id": str(one.id), "detail": {"reason": "stalled", **one.detail}}
                    for one in stalled
                ],
            )  # fmt: skip
            await self._report(session, stalled, reason="it gave no sign of life; it is started anew")
            await feed.announce(session, kind=ORDERS, object_id="")

    async def _fail(self, tenant_id: UUID, untaken: Sequence[_Trouble]) -> None:
        """No process takes them: the kind is known to none, perhaps a plug-in is missing."""
        async with self._db.unit_of_work(tenant_id) as session:
            ids = [one.id for one in untaken]
            reason = "no process runs agents of this kind"
            await session.execute(
                sa.update(Agent)
                .where(Agent.tenant_id == tenant_id, Agent.id.in_(ids))
                .values(status=AgentStatus.FAILED, reason=reason, told=True)
            )
            await self._report(session, untaken, reason=reason)

    async def _report(self, session: AsyncSession, troubles: Sequence[_Trouble], *, reason: str) -> None:
        await tell_changes(session, [(one.id, AgentStatus.FAILED) for one in troubles])
        for one in troubles:
            report = failure_report(one.name, context={**one.detail, "reason": reason}, resolved=False)
            await self._bus.publish(session, AgentReported(agent=one.name, report=report))

    async def _report_stranded(self, ctx: AgentContext[NoAgentParams], stranded: dict[str, int]) -> None:
        for version in stranded.keys() - self._stranded:
            await ctx.report(_stranded_report(version, workflows=stranded[version], resolved=False))
        for version in self._stranded - stranded.keys():
            await ctx.report(_stranded_report(version, workflows=0, resolved=True))
            ctx.measure(_STRANDED + version, 0.0)
        for version, workflows in stranded.items():
            ctx.measure(_STRANDED + version, float(workflows))
        self._stranded = frozenset(stranded)


def _stranded_report(version: str, *, workflows: int, resolved: bool) -> Report:
    return Report(
        message="Work waits for a version of the engine that no process runs",
        error_type=f"engine_version_missing_{version}",
        severity="high",
        context={
            "engine_version": version,
            "workflows": workflows,
            "remedy": f"start a worker of the release with engine version {version} until its work is done",
        },
        resolved=resolved,
        source=OWN,
    )

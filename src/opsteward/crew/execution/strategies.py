"""How each strategy does a piece of work: who takes which step, in which order, who hands over to whom.

direct         the engines alone, one after another
single_agent   one agent does it all
multi_agent    the agents of all parts side by side, and one that looks at the data; joined
crew           the master hands over to the supervisors, they to their specialists; gathered, checked, reported
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from opsteward.core.computing import in_fair_thread
from opsteward.core.errors import Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.crew.agents.roster import Roster
from opsteward.crew.agents.types import CHECK_DATA, CHECK_RESULTS, Agent
from opsteward.crew.execution import checking
from opsteward.crew.execution.engine_runs import EngineRunner
from opsteward.crew.execution.reasoning import Reasoning
from opsteward.crew.execution.steps import PlannedStep, StepFailed, Steps
from opsteward.crew.execution.types import Part
from opsteward.crew.execution.work_types import domains_of
from opsteward.crew.types import Strategy


@dataclass
class Done:
    """What a strategy came to: each part's result by its name, and what was found on the way."""

    results: dict[str, JsonObject]
    extra: JsonObject = field(default_factory=dict)
    agents: list[str] = field(default_factory=list)


class Strategies:
    """The strategies for one piece of work."""

    def __init__(
        self,
        *,
        parts: Sequence[Part],
        roster: Roster,
        steps: Steps,
        run_engine: EngineRunner,
        agent_timeout: float,
        reasoning: Reasoning | None = None,
    ) -> None:
        """`reasoning`: by a model, where the work needs it and there is one."""
        self._parts = dict(zip(_names_of(parts), parts, strict=True))
        self._roster, self._steps, self._run_engine = roster, steps, run_engine
        self._agent_timeout, self._reasoning = agent_timeout, reasoning

    async def do(self, strategy: Strategy) -> Done:
        """By this strategy. Raises StepFailed where it can't, in words."""
        by: Mapping[Strategy, Callable[[], Awaitable[Done]]] = {
            Strategy.DIRECT: self._direct,
            Strategy.SINGLE_AGENT: self._single_agent,
            Strategy.MULTI_AGENT: self._multi_agent,
            Strategy.CREW: self._crew,
        }
        return await by[strategy]()

    async def _direct(self) -> Done:
        results = {}
        for name, part in self._parts.items():
            step = PlannedStep(name=f"direct/{name}", purpose=part.task_type.summary)
            results[name] = await self._steps.do(step, self._engine(part), seconds=self._agent_timeout)
        return Done(results)

    async def _single_agent(self) -> Done:
        agents = {name: self._agent_of(part) for name, part in self._parts.items()}
        results, reasoned = {}, {}
        for name, agent in agents.items():
            results[name], reasoned[name] = await self._part(Strategy.SINGLE_AGENT, name, agent, None)
        return Done(results, _reasoned(reasoned), _names(agents.values()))

    async def _multi_agent(self) -> Done:
        agents = {name: self._agent_of(part) for name, part in self._parts.items()}
        results, reasoned, data = await self._side_by_side(
            Strategy.MULTI_AGENT, {n: (a, None) for n, a in agents.items()}
        )
        return Done(
            results,
            {**_reasoned(reasoned), "data_check": data},
            self._with_workers(_names(agents.values()), CHECK_DATA),
        )

    async def _crew(self) -> Done:
        master = self._roster.master
        if master is None:
            raise StepFailed("there is no master among the agents", remedy="see opsteward crew tree")
        leads = {domain: self._lead(master, domain) for domain in domains_of(list(self._parts.values()))}
        for domain, lead in leads.items():
            plan = [name for name, part in self._parts.items() if part.task_type.domain == domain]
            step = PlannedStep(
                name=f"crew/plan/{domain}", purpose=f"Plan the {domain} part", agent=lead.name, delegated_by=master.name
            )
            await self._steps.note(step, {"engine": "rules", "parts": [*plan]})
        handed = {}
        for name, part in self._parts.items():
            lead = leads[part.task_type.domain]
            handed[name] = (self._delegate(lead, part), lead)
        results, reasoned, data = await self._side_by_side(Strategy.CREW, handed, led_by=master)
        checker = self._worker(CHECK_RESULTS)
        step = PlannedStep(name="crew/check", purpose="Check the results", agent=checker, delegated_by=master.name)
        checked = checking.check_results(results)
        await self._steps.note(step, checked)
        if problems := checked.get("problems"):
            raise StepFailed(f"the check of the results found: {'; '.join(map(str, cast(list[str], problems)))}")
        told = await self._report(master, results)
        agents = [master.name, *_names(leads.values()), *_names(agent for agent, _ in handed.values())]
        extra: JsonObject = {**_reasoned(reasoned), "data_check": data, "check": checked, "report": told}
        return Done(results, extra, self._with_workers(agents, CHECK_DATA, CHECK_RESULTS))

    async def _report(self, master: Agent, results: Mapping[str, JsonObject]) -> JsonObject:
        async def tell() -> JsonObject:
            told = checking.report(results)
            if self._reasoning is not None and self._reasoning.may_use(master):
                told |= await self._reasoning.report(master, results)
            return told

        step = PlannedStep(name="crew/report", purpose="Report what was found", agent=master.name)
        return await self._steps.do(step, tell, seconds=self._seconds(master))

    async def _side_by_side(
        self, strategy: Strategy, handed: Mapping[str, tuple[Agent, Agent | None]], *, led_by: Agent | None = None
    ) -> tuple[dict[str, JsonObject], dict[str, JsonObject], JsonObject]:
        """All parts at once, and a look at the data beside them. When one fails, the others end too. Where there is a
        model and somebody leads (`led_by`), the supervisors' models hand the parts over."""
        lead = next(iter(handed.values()))[1]
        data_step = PlannedStep(
            name=f"{strategy}/data",
            purpose="Look at the data for gaps and repetitions",
            agent=self._worker(CHECK_DATA),
            delegated_by=lead.name if lead else None,
        )
        await self._steps.plan(
            [self._step(strategy, name, agent, by) for name, (agent, by) in handed.items()] + [data_step]
        )
        found: dict[str, tuple[JsonObject, JsonObject]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                data = group.create_task(self._steps.do(data_step, self._look_at_data, seconds=self._agent_timeout))
                for lead in dict.fromkeys(by for _, by in handed.values()):
                    parts = {name: agent for name, (agent, by) in handed.items() if by is lead}
                    if lead and led_by and self._reasoning is not None and self._reasoning.may_use(lead):
                        group.create_task(self._lead_parts(self._reasoning, lead, parts, led_by, found))
                    else:
                        for name, agent in parts.items():
                            group.create_task(self._note_part(strategy, name, agent, lead, found))
        except* (StepFailed, Unavailable) as failed:
            raise failed.exceptions[0] from None
        reasoned = {name: said for name, (_, said) in found.items()}
        return {name: found[name][0] for name in handed}, reasoned, data.result()

    async def _note_part(
        self,
        strategy: Strategy,
        name: str,
        agent: Agent,
        by: Agent | None,
        found: dict[str, tuple[JsonObject, JsonObject]],
    ) -> None:
        found[name] = await self._part(strategy, name, agent, by)

    async def _lead_parts(
        self,
        reasoning: Reasoning,
        lead: Agent,
        parts: Mapping[str, Agent],
        by: Agent,
        found: dict[str, tuple[JsonObject, JsonObject]],
    ) -> None:
        """The supervisor's model hands these parts over, one after another."""

        async def hand_over(name: str) -> JsonObject:
            await self._note_part(Strategy.CREW, name, parts[name], lead, found)
            return {"result": found[name][0], "reasoning": found[name][1]}

        async def do() -> JsonObject:
            about = {name: (agent.name, self._parts[name].task_type.summary) for name, agent in parts.items()}
            return await reasoning.lead(lead, about, hand_over, path=f"crew/lead/{lead.name}", by=by)

        step = PlannedStep(
            name=f"crew/lead/{lead.name}", purpose="Hand over and judge", agent=lead.name, delegated_by=by.name
        )
        said = await self._steps.do(step, do, seconds=self._seconds(lead, by))
        for name, agent in parts.items():  # after a crash the lead's step may be done, and the parts not at hand
            if name not in found:
                found[name] = await self._part(Strategy.CREW, name, agent, lead)
        found[lead.name] = ({}, said)

    async def _part(
        self, strategy: Strategy, name: str, agent: Agent, by: Agent | None
    ) -> tuple[JsonObject, JsonObject]:
        """The engine's result, and what a model makes of it: the numbers are the engine's in any case."""
        part = self._parts[name]
        step = self._step(strategy, name, agent, by)
        result = await self._steps.do(step, self._engine(part), seconds=self._seconds(agent, by))
        if self._reasoning is None or not self._reasoning.may_use(agent):
            return result, {}
        reasoning = self._reasoning

        async def think() -> JsonObject:
            return await reasoning.consider(agent, part, result, path=f"{strategy}/{name}", by=by)

        step = PlannedStep(
            name=f"{strategy}/{name}/reasoning",
            purpose="Reason about the result",
            agent=agent.name,
            delegated_by=by.name if by else None,
        )
        return result, await self._steps.do(step, think, seconds=self._seconds(agent, by))

    def _step(self, strategy: Strategy, name: str, agent: Agent, by: Agent | None) -> PlannedStep:
        return PlannedStep(
            name=f"{strategy}/{name}",
            purpose=self._parts[name].task_type.summary,
            agent=agent.name,
            delegated_by=by.name if by else None,
        )

    def _engine(self, part: Part) -> Callable[[], Awaitable[JsonObject]]:
        async def run() -> JsonObject:
            return await self._run_engine(part)

        return run

    async def _look_at_data(self) -> JsonObject:
        notes: list[str] = []
        rows = 0
        for part in self._parts.values():
            found = await in_fair_thread(checking.check_data, part.parameters)
            rows += int(cast(int, found["rows"]))
            notes += cast(list[str], found["notes"])
        return {"engine": "rules", "rows": rows, "notes": [*notes]}

    def _agent_of(self, part: Part) -> Agent:
        agent = self._roster.who_does(part.task_type.name)
        if agent is None:
            raise StepFailed(f"no agent does {part.task_type.name}", remedy="see opsteward crew tree")
        return agent

    def _lead(self, master: Agent, domain: str) -> Agent:
        lead = next((one for one in self._roster.delegates(master) if one.domain == domain), None)
        if lead is None:
            raise StepFailed(f"{master.name} may delegate to no supervisor of {domain}")
        return lead

    def _delegate(self, lead: Agent, part: Part) -> Agent:
        fitting = [one for one in self._roster.delegates(lead) if part.task_type.name in one.engines]
        if not fitting:
            raise StepFailed(f"{lead.name} may delegate to nobody who does {part.task_type.name}")
        return fitting[0]

    def _worker(self, engine: str) -> str | None:
        worker = self._roster.who_does(engine)
        return worker.name if worker else None

    def _with_workers(self, agents: Sequence[str], *engines: str) -> list[str]:
        return [*dict.fromkeys([*agents, *(worker for engine in engines if (worker := self._worker(engine)))])]

    def _seconds(self, agent: Agent, by: Agent | None = None) -> float:
        """Limits are never widened by a hand-over."""
        return min(self._agent_timeout, agent.limits.seconds, by.limits.seconds if by else agent.limits.seconds)


def _names_of(parts: Sequence[Part]) -> list[str]:
    """By their types; a number behind what comes more than once."""
    names: list[str] = []
    for part in parts:
        name, number = part.task_type.name, 1
        while name in names:
            number += 1
            name = f"{part.task_type.name} {number}"
        names.append(name)
    return names


def _names(agents: object) -> list[str]:
    return [*dict.fromkeys(agent.name for agent in cast(Sequence[Agent], agents))]


def _reasoned(reasoned: Mapping[str, JsonObject]) -> JsonObject:
    said: JsonObject = {name: one for name, one in reasoned.items() if one}
    return {"reasoning": said} if said else {}

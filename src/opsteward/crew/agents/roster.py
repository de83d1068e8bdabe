"""All agents of the installation, read from the shipped files and the operator's own, and checked together.

A file with a mistake is not used: of a faulty override the shipped agent stays. What is wrong is in `problems`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import opsteward.crew
from opsteward.crew.agents.file_format import AgentFile
from opsteward.crew.agents.types import Agent, AgentFileProblem, Level

SHIPPED = Path(opsteward.crew.__file__).parent
FILES_LIMIT = 1_000
_LIMITS = ("seconds", "tokens", "money", "calls_per_minute")


class Roster:
    """The agents by name, and what is wrong with their files."""

    def __init__(self, agents: Mapping[str, Agent], problems: Sequence[AgentFileProblem]) -> None:
        self.agents = dict(agents)
        self.problems = tuple(problems)

    @property
    def master(self) -> Agent | None:
        """The one at the top."""
        return next((one for one in self.agents.values() if one.level is Level.MASTER), None)

    def delegates(self, agent: Agent) -> list[Agent]:
        """Those to whom it may hand over."""
        return [self.agents[name] for name in agent.may_delegate_to if name in self.agents]

    def supervisor(self, domain: str) -> Agent | None:
        """Who leads a domain."""
        return next((a for a in self.agents.values() if a.level is Level.SUPERVISOR and a.domain == domain), None)

    def who_does(self, engine: str) -> Agent | None:
        """The specialist (else a worker) that does this by rules."""
        fitting = [one for one in self.agents.values() if engine in one.engines]
        fitting.sort(key=lambda one: (one.level is not Level.SPECIALIST, one.name))
        return fitting[0] if fitting else None


def load_roster(engines: Collection[str], own: Path | None = None, *, shipped: Path = SHIPPED) -> Roster:
    """Read the agents that ship and those in the folder `own`; a name of its own adds one, a shipped name overrides
    it."""
    problems: list[AgentFileProblem] = []
    all_files = _files(shipped, engines, problems, shipped=True)
    files = _named(all_files, problems)
    own_files = _files(own, engines, problems, shipped=False) if own is not None else []
    mine = _named(own_files, problems)
    # who delegates to one that is left out does without it: its own mistake is told already
    left_out = {file.name for file in (*all_files, *own_files) if file.agent is None}
    while True:
        files_now = {**files, **mine}
        wrong = _wrong_together(files_now, left_out)
        faulty = {problem.file for problem in wrong}
        problems += wrong
        if not (dropped := {name for name, file in mine.items() if file.agent and file.agent.file in faulty}):
            break
        mine = {name: file for name, file in mine.items() if name not in dropped}
        left_out |= dropped
    agents = {name: file.agent for name, file in files_now.items() if file.agent is not None}
    return Roster(
        {name: agent for name, agent in agents.items() if agent.file not in {p.file for p in wrong}},
        list(dict.fromkeys(problems)),
    )


def _files(
    folder: Path, engines: Collection[str], problems: list[AgentFileProblem], *, shipped: bool
) -> list[AgentFile]:
    try:
        paths = sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")])
    except OSError:
        paths = []
    if not paths and not shipped:
        problems.append(_of_folder(folder, "holds no agent's file", "put files as NAME.yaml into it"))
    if len(paths) > FILES_LIMIT:
        problems.append(_of_folder(folder, f"holds more than {FILES_LIMIT} files", "keep other files elsewhere"))
    found = []
    for path in paths[:FILES_LIMIT]:
        shown_as = str(path.relative_to(folder.parent)) if shipped else str(path)
        file = AgentFile(path, shown_as=shown_as, engines=engines, shipped=shipped)
        problems += file.problems
        found.append(file)
    return found


def _named(files: Sequence[AgentFile], problems: list[AgentFileProblem]) -> dict[str, AgentFile]:
    named: dict[str, AgentFile] = {}
    for file in files:
        if file.agent is None:
            continue
        first = named.setdefault(file.agent.name, file)
        if first is not file and first.agent is not None:
            problems.append(file.problem("name", f"{file.agent.name} stands in {first.agent.file} too", "rename one"))
    return named


def _of_folder(folder: Path, problem: str, remedy: str) -> AgentFileProblem:
    return AgentFileProblem(file=str(folder), line=1, field="folder", problem=problem, remedy=remedy)


def _wrong_together(files: Mapping[str, AgentFile], left_out: Collection[str]) -> list[AgentFileProblem]:
    """What is wrong among agents: unknown delegates, circles, limits above a parent's, two masters."""
    found: list[AgentFileProblem] = []
    agents = {name: file.agent for name, file in files.items() if file.agent is not None}
    masters = [name for name, agent in agents.items() if agent.level is Level.MASTER]
    for name in masters[1:]:
        found.append(files[name].problem("level", f"{masters[0]} is the master already", "make it a supervisor"))
    for name, agent in agents.items():
        for number, other in enumerate(agent.may_delegate_to):
            field = f"may_delegate_to.{number}"
            delegate = agents.get(other)
            if delegate is None and other in left_out:
                continue
            if delegate is None:
                found.append(files[name].problem(field, f"there is no agent {other[:60]!r}", "name one that is there"))
                continue
            found += _above_parent(files, delegate, agent)
    return found + _circles(files, agents)


def _above_parent(files: Mapping[str, AgentFile], delegate: Agent, parent: Agent) -> list[AgentFileProblem]:
    """Told in the delegate's file, or in the operator's own where that is the parent's."""
    found = []
    for limit in _LIMITS:
        low, high = getattr(parent.limits, limit), getattr(delegate.limits, limit)
        if high <= low:
            continue
        if delegate.shipped and not parent.shipped:
            problem, remedy = f"{low:g} is below the {high:g} of {delegate.name}, to which it delegates", "raise it"
            found.append(files[parent.name].problem(f"limits.{limit}", problem, f"{remedy}, or override that agent"))
        else:
            problem, remedy = (
                f"{high:g} is above the {low:g} of {parent.name}",
                f"lower it, or raise that of {parent.name}",
            )
            found.append(files[delegate.name].problem(f"limits.{limit}", problem, remedy))
    return found


def _circles(files: Mapping[str, AgentFile], agents: Mapping[str, Agent]) -> list[AgentFileProblem]:
    """Each circle of delegation once, told where it closes."""
    found: list[AgentFileProblem] = []
    done: set[str] = set()
    for start in sorted(agents):
        stack: list[tuple[str, int]] = [(start, 0)]
        path: list[str] = []
        while stack:
            name, at = stack.pop()
            if at == 0:
                if name in done:
                    continue
                path.append(name)
            delegates = [one for one in agents[name].may_delegate_to if one in agents]
            if at < len(delegates):
                stack.append((name, at + 1))
                other = delegates[at]
                if other in path:
                    found.append(_circle(files, agents, path[path.index(other) :]))
                else:
                    stack.append((other, 0))
            else:
                done.add(name)
                path.pop()
    return found


def _circle(files: Mapping[str, AgentFile], agents: Mapping[str, Agent], names: Sequence[str]) -> AgentFileProblem:
    """Told where it closes, or in a file of the operator's own where one has a part in it."""
    last = next((name for name in reversed(names) if not agents[name].shipped), names[-1])
    following = names[(names.index(last) + 1) % len(names)]
    circle = " -> ".join([*names, names[0]])
    number = agents[last].may_delegate_to.index(following)
    return files[last].problem(f"may_delegate_to.{number}", f"is part of a circle: {circle}", f"take {following} out")

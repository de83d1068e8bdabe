"""What an agent is, as its file says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Where an agent stands: one master, a supervisor for each domain, specialists, workers."""

    MASTER = "master"
    SUPERVISOR = "supervisor"
    SPECIALIST = "specialist"
    WORKER = "worker"


#: What an agent may be given to work with, and what each does.
TOOLS = {
    "run_engine": "runs the engine of the work at hand, and gives its result",
    "delegate": "hands a part of the work to an agent named in may_delegate_to",
    "read_systems": "reads the registered systems and their health",
    "request_action": "asks for an action; a person approves it before it is done",
    "remember": "keeps a note for later work of the same tenant, where agent memory is on",
    "recall": "reads the notes of the same tenant, where agent memory is on",
}
#: The engine of those who lead: plan, hand over, gather, check, report.
PLAN_ENGINE = "plan"
CHECK_DATA, CHECK_RESULTS = "check_data", "check_results"
#: Engines beside those of the catalogue.
BUILT_IN_ENGINES = (PLAN_ENGINE, CHECK_DATA, CHECK_RESULTS)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one run of an agent may take, its delegates included. Seconds, tokens in and out, US dollars."""

    seconds: float
    tokens: int
    money: float
    calls_per_minute: int


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent. `engines` are task types that it does by rules, or the one word `plan`; `model` None: the
    installation's; "none": it works by rules alone. `file` is where it stands, for people."""

    name: str
    level: Level
    domain: str
    role: str
    goal: str
    tools: tuple[str, ...]
    engines: tuple[str, ...]
    model: str | None
    limits: Limits
    may_delegate_to: tuple[str, ...]
    file: str
    shipped: bool

    @property
    def leads(self) -> bool:
        """Whether it plans and hands over instead of computing."""
        return self.engines == (PLAN_ENGINE,)


@dataclass(frozen=True, kw_only=True)
class AgentFileProblem:
    """What is wrong in an agent's file, where, and how to mend it."""

    file: str
    line: int
    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.problem}; {self.remedy}"

"""Agents as files: those that ship are right, an operator's own add and override, and each mistake is told with file,
line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsteward.crew.agents.roster import Roster, load_roster
from opsteward.crew.agents.types import AgentFileProblem, Level
from opsteward.crew.execution.work_types import WorkTypes

ENGINES = ("crm.scoring", "crm.churn", "billing.ageing")
LIMITS = "limits:\n  seconds: 60\n  tokens: 1000\n  money: 0.5\n  calls_per_minute: 10\n"
SHIPPED = {
    "master.yaml": "name: master\nlevel: master\nrole: Head\ngoal: Lead\nengine: plan\n"
    + LIMITS
    + "may_delegate_to:\n  - crm.supervisor\n",
    "crm/supervisor.yaml": "name: crm.supervisor\nlevel: supervisor\nrole: CRM\ngoal: Lead\nengine: plan\n"
    + LIMITS
    + "may_delegate_to:\n  - crm.analyst\n",
    "crm/analyst.yaml": "name: crm.analyst\nlevel: specialist\nrole: Analyst\ngoal: Analyse\ntools: [run_engine]\n"
    "engine: [crm.scoring, crm.churn]\n" + LIMITS,
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    return written(tmp_path / "crew", SHIPPED)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


def read(shipped: Path, own: Path, files: dict[str, str]) -> Roster:
    return load_roster(ENGINES, written(own, files), shipped=shipped)


def only(problems: tuple[AgentFileProblem, ...]) -> AgentFileProblem:
    (found,) = problems
    return found


def analyst(**changed: str) -> str:
    fields = {
        "name": "crm.analyst",
        "level": "specialist",
        "role": "Own analyst",
        "goal": "Analyse",
        "engine": "crm.scoring",
        **changed,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + LIMITS


def test_every_agent_that_ships_is_right() -> None:
    types = WorkTypes()
    roster = load_roster(types.engines)
    assert roster.problems == ()
    assert roster.master is not None
    domains = {name.partition(".")[0] for name in types.engines}
    assert {one.domain for one in roster.delegates(roster.master) if one.level is Level.SUPERVISOR} == domains
    for engine in types.engines:
        does, lead = roster.who_does(engine), roster.supervisor(engine.partition(".")[0])
        assert does is not None and lead is not None and does in roster.delegates(lead), engine


def test_without_files_of_ones_own_the_shipped_ones_count(shipped: Path) -> None:
    roster = load_roster(ENGINES, shipped=shipped)
    assert (list(roster.agents), roster.problems) == (["crm.analyst", "crm.supervisor", "master"], ())
    assert roster.agents["crm.analyst"].file == "crew/crm/analyst.yaml"


def test_a_new_name_adds_an_agent_and_a_shipped_name_overrides_it(shipped: Path, own: Path) -> None:
    roster = read(
        shipped,
        own,
        {"a.yaml": analyst(), "b.yaml": analyst(name="billing.clerk", engine="billing.ageing", level="worker")},
    )
    assert roster.problems == ()
    assert (roster.agents["crm.analyst"].role, roster.agents["crm.analyst"].shipped) == ("Own analyst", False)
    assert roster.who_does("billing.ageing") is roster.agents["billing.clerk"]


def test_all_engines_of_a_domain_are_named_at_once(shipped: Path, own: Path) -> None:
    roster = read(shipped, own, {"a.yaml": analyst(engine="crm.*")})
    assert roster.agents["crm.analyst"].engines == ("crm.scoring", "crm.churn")


@pytest.mark.parametrize(
    ("text", "line", "field", "problem", "remedy"),
    [
        (analyst(engine="crm.scorin"), 5, "engine", "there is no engine 'crm.scorin'", "did you mean 'crm.scoring'?"),
        (analyst(engine=""), 5, "engine", "engine is missing", "add 'engine: ...'"),
        (
            analyst(engine="[plan, crm.churn]"),
            5,
            "engine",
            "'plan' stands beside others",
            "an agent plans, or computes",
        ),
        (analyst(tools="[run_engin]"), 6, "tools.0", "there is no tool 'run_engin'", "did you mean 'run_engine'?"),
        (analyst(level="boss"), 2, "level", "'boss' is no level", "use one of: master, specialist, supervisor, worker"),
        (analyst(name="Crm Analyst"), 1, "name", "'Crm Analyst' is no name", "use <domain>.<word> in small"),
        (analyst(rol="x"), 6, "rol", "is no field of an agent", "did you mean 'role'?"),
        (analyst().replace("tokens: 1000", "tokens: many"), 8, "limits.tokens", "is no whole number from 0", "give a"),
        (analyst().replace("tokens: 1000", "tokens: -1"), 8, "limits.tokens", "is no whole number from 0", "give a"),
        (analyst().replace("money: 0.5", "money: .inf"), 9, "limits.money", "is no number from 0", "give a number"),
        (analyst().replace("  money: 0.5\n", ""), 6, "limits", "money is missing", "add 'money: ...'"),
        (analyst(may_delegate_to="[nobody]"), 6, "may_delegate_to.0", "there is no agent 'nobody'", "name one that is"),
        (
            analyst().replace("seconds: 60", "seconds: 61"),
            7,
            "limits.seconds",
            "61 is above the 60 of crm.supervisor",
            "lower it, or raise that of crm.supervisor",
        ),
        (
            analyst(may_delegate_to="[crm.supervisor]"),
            6,
            "may_delegate_to.0",
            "is part of a circle: crm.analyst -> crm.supervisor -> crm.analyst",
            "take crm.supervisor out",
        ),
        (
            analyst(may_delegate_to="[crm.analyst]"),
            6,
            "may_delegate_to.0",
            "is part of a circle",
            "take crm.analyst out",
        ),
        (analyst(name="other.master", level="master"), 2, "level", "master is the master already", "make it a"),
        ("name: [a\n", 1, "file", "is no YAML", ""),
        ("- a\n", 1, "file", "holds no agent", "write its fields"),
        ("name: &a x\n", 1, "file", "anchors and aliases", ""),
    ],
)
def test_each_mistake_is_told_where_it_stands(
    shipped: Path, own: Path, text: str, line: int, field: str, problem: str, remedy: str
) -> None:
    roster = read(shipped, own, {"mine.yaml": text})
    found = only(roster.problems)
    assert (found.file, found.line, found.field) == (str(own / "mine.yaml"), line, field)
    assert found.problem.startswith(problem), found.problem
    assert found.remedy.startswith(remedy), found.remedy
    # the shipped one goes on
    assert roster.agents["crm.analyst"].role == "Analyst"


def test_lowering_a_parent_below_its_shipped_delegates_is_told_in_ones_own_file(shipped: Path, own: Path) -> None:
    text = SHIPPED["crm/supervisor.yaml"].replace("seconds: 60", "seconds: 5")
    roster = read(shipped, own, {"lead.yaml": text})
    found = only(roster.problems)
    assert (found.file, found.line) == (str(own / "lead.yaml"), 7)
    assert found.problem == "5 is below the 60 of crm.analyst, to which it delegates"
    assert roster.agents["crm.supervisor"].limits.seconds == 60


def test_a_long_circle_is_told_once(shipped: Path, own: Path) -> None:
    files = {f"{n}.yaml": analyst(name=f"crm.a{n}", may_delegate_to=f"[crm.a{(n + 1) % 4}]") for n in range(4)}
    roster = read(shipped, own, files)
    assert only(roster.problems).problem == "is part of a circle: crm.a0 -> crm.a1 -> crm.a2 -> crm.a3 -> crm.a0"


def test_two_files_of_one_name_are_told(shipped: Path, own: Path) -> None:
    roster = read(shipped, own, {"a.yaml": analyst(name="crm.new"), "b.yaml": analyst(name="crm.new")})
    assert only(roster.problems).problem == f"crm.new stands in {own / 'a.yaml'} too"


def test_files_that_can_not_be_read_stop_nothing(shipped: Path, own: Path) -> None:
    own.mkdir()
    (own / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    (own / "huge.yaml").write_bytes(b"#" * 300_000)
    roster = load_roster(ENGINES, own, shipped=shipped)
    assert sorted(one.problem for one in roster.problems) == ["is larger than 262144 bytes", "is no text in UTF-8"]
    assert "crm.analyst" in roster.agents


def test_a_folder_without_files_is_told(shipped: Path, own: Path) -> None:
    assert only(load_roster(ENGINES, own, shipped=shipped).problems).problem == "holds no agent's file"

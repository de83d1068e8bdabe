"""The house rules hold for all of the source, and each rule can fail."""

from __future__ import annotations

import pytest
from house_rules import (
    MAX_FILE,
    MAX_FUNCTION,
    badly_named,
    broad_excepts,
    foreign_threads,
    sqlalchemy_beyond_sessions,
    too_long,
    undocumented,
)
from source_tree import modules, snippet

#: The only places that may catch every error, and why. Whatever they catch is logged or told, and nothing is lost.
BOUNDARIES = {
    "agents/agent_supervisor.py: AgentSupervisor._run_until_cancelled": "an agent's error is its own; it restarts",
    "agents/agent_supervisor.py: AgentSupervisor._stop": "an agent that can't even stop must not bar its next start",
    "agents/status_reporting.py: StatusReporter.run": "what can't be reported now must not silence the other agents",
    "agents/runtime.py: Runtime._keep_claiming": "one bad round must not leave the agents without an owner",
    "api/live/connection.py: Connection._answer_to": "a command that crashes is answered so; its connection goes on",
    "app/process.py: Process._watched": "a part that dies is said, and ends the process in order",
    "app/plugins.py: load_plugin": "whatever a plug-in's module does when it is imported, the others work without it",
    "app/worker.py: seal_waiting": "one tenant's trouble must not leave the others unsealed",
    "cli/main.py: _run": "the last one: says an expected failure in one line, and lets any other through",
    "console/site.py: Site.__call__": "a page that can't be shown is told as one, and logged",
    "core/daemon_threads.py: DaemonThreads._run": "whatever a call raises belongs to who asked for it",
    "core/durable.py: Engine._sweep": "the sweep must outlive a round in which the database is away",
    "core/durable.py: _patiently": "a step's error ends its workflow in order instead of leaving it hanging",
    "core/timers.py: Timers.run": "one bad round must not end the leader's other duties",
    "core/timers.py: Timers._fire_alone": "what one timer's work raises must not hold up the others",
    "core/process_takeover.py: Membership._lead": "an unexpected error gives the lead up for another try",
    "core/process_takeover.py: Membership._look_after_others": "a takeover that failed is tried again",
    "core/compute_worker.py: _done": "a heart that stumbles must go on",
    "core/process_heartbeat.py: Heartbeat._beat": "a heart that stumbles must go on",
    "core/shared_look_ups.py: SharedLookUps._run": "whatever a statement raises is told to all who asked by it",
    "core/database_setup.py: _checked_url": "any failure to read DATABASE_URL is told without repeating the password",
    "events/intake_queue.py: IntakeQueue._take_together": "what one sender's events raise is told to it alone",
    "help/parsing/office.py: read_docx": "what a library makes of a broken file says only that it is broken",
    "help/parsing/office.py: read_pdf": "what a library makes of a broken file says only that it is broken",
    "systems/health_checks.py: _run_check": "a plug-in's bug is no failure of the system it looks at",
    "systems/heartbeat_watch.py: HeartbeatWatch._judge_alone": "one heartbeat must not end the leader's other duties",
    "systems/early_warning/sampling.py: Sampler._measure_alone": "one system must not end the round over all",
    "systems/health_monitor.py: Monitor._watch": "the watch over a system must not die of one bad round",
    "tasks/outcome_writer.py: OutcomeWriter._store_batch": "a result that can't be stored fails its task and no other",
    "tasks/durable_tasks.py: DurableTasks._body": "whatever a task raises is its own failure, recorded with its steps",
    "tasks/executor.py: TaskExecutor._outcome": "whatever a task raises is its own failure",
}


def test_files_and_functions_are_short() -> None:
    assert [problem for module in modules() for problem in too_long(module)] == []


def test_names_say_what_is_inside() -> None:
    assert [problem for module in modules() for problem in badly_named(module)] == []


def test_everything_public_is_documented() -> None:
    assert list(undocumented(modules())) == []


def test_only_boundaries_catch_every_error() -> None:
    found = {place for module in modules() for place in broad_excepts(module)}
    assert found == set(BOUNDARIES)


def test_blocking_calls_keep_off_the_engines_threads() -> None:
    found = {place for module in modules() for place in foreign_threads(module)}
    assert found == set()


def test_sessions_are_handed_on_without_sqlalchemy() -> None:
    assert [problem for module in modules() for problem in sqlalchemy_beyond_sessions(module)] == []


# ---------------------------------------------------------------- the rules can fail


def test_a_long_file_and_a_long_function_are_found() -> None:
    body = "    x = 1\n" * MAX_FUNCTION
    assert list(too_long(snippet(f"def f():\n{body}"))) == [f"room/snippet.py: f has {MAX_FUNCTION + 1} lines"]
    assert list(too_long(snippet("x = 1\n" * (MAX_FILE + 1)))) == [f"room/snippet.py: {MAX_FILE + 1} lines"]


@pytest.mark.parametrize("name", ["core/utils.py", "events/helpers/phrases.py", "systems/manager.py"])
def test_a_name_of_nothing_is_found(name: str) -> None:
    assert len(list(badly_named(snippet("", name)))) == 1


def test_what_has_no_docstring_is_found() -> None:
    long_body = "        a = 1\n        b = 2\n        c = 3\n        d = 4\n        return a\n"
    bare = snippet(f"class Door:\n    def open(self):\n{long_body}")
    assert list(undocumented([bare])) == ["room/snippet.py", "room/snippet.py: Door", "room/snippet.py: Door.open"]
    parent = f'"""A."""\nclass Base:\n    """B."""\n    def open(self):\n        """C."""\n{long_body}'
    child = f'class Door(Base[int]):\n    """D."""\n    def open(self):\n{long_body}'
    assert list(undocumented([snippet(parent + child)])) == []  # said where it is first declared


@pytest.mark.parametrize("caught", ["Exception", "BaseException", "(ValueError, Exception)", ""])
def test_a_swallowed_error_is_found(caught: str) -> None:
    code = f"def f():\n    try:\n        g()\n    except {caught}:\n        pass\n"
    assert list(broad_excepts(snippet(code))) == ["room/snippet.py: f"]
    assert list(broad_excepts(snippet(code.replace("pass", "raise")))) == []
    assert list(broad_excepts(snippet("def f():\n    try:\n        g()\n    except OSError:\n        pass\n"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio\nasync def f():\n    await asyncio.to_thread(g)\n",
        "from asyncio import to_thread\nasync def f():\n    await to_thread(g)\n",
        "async def f(loop):\n    await loop.run_in_executor(None, g)\n",
    ],
)
def test_a_foreign_thread_is_found(code: str) -> None:
    assert list(foreign_threads(snippet(code))) == ["room/snippet.py: f"]


def test_sqlalchemy_in_a_page_is_found() -> None:
    code = "import sqlalchemy as sa\nfrom sqlalchemy.ext.asyncio import AsyncSession\n"
    assert list(sqlalchemy_beyond_sessions(snippet(code, "console/page.py"))) == ["console/page.py: sqlalchemy"]
    assert list(sqlalchemy_beyond_sessions(snippet(code, "events/intake.py"))) == []

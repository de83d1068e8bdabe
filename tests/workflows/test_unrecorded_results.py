"""What the engine fails to record has not failed: the step runs again, and the workflow comes to its end."""

from __future__ import annotations

from pathlib import Path

from support.preloaded import program

WORKER = Path(__file__).with_name("unrecorded_worker.py")


def test_a_result_that_could_not_be_recorded_is_no_failure(fresh_home: Path) -> None:
    ran = program(WORKER, fresh_home)
    code = ran.wait(60)
    out, errors = ran.told()
    assert code == 0, errors[-2000:]
    assert out.splitlines() == ["first", "second", "second", "third", "['first', 'second', 'third']"]

"""What `core.engine_internals` relies on of the engine's private parts holds in the engine that is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.preloaded import program

WORKER = Path(__file__).with_name("engine_internals_worker.py")


def happened(home: Path, scenario: str) -> dict[str, Any]:
    ran = program(WORKER, home, scenario)
    code = ran.wait(60)
    out, errors = ran.told()
    assert code == 0, errors[-2000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def test_steps_in_a_row_are_looked_for_once(module_home: Path) -> None:
    told = happened(module_home, "in_a_row")
    assert told["begun"] == told["result"] == [f"step {n}" for n in range(6)]
    assert told["looks"][0] == "step 0"
    assert len(told["looks"]) < 6  # one, and on a slow machine one more after each pause


def test_after_a_pause_the_engine_is_asked_again(module_home: Path) -> None:
    told = happened(module_home, "after_a_pause")
    assert told["result"] == told["begun"] == told["looks"] == ["before", "after"]


def test_a_step_recorded_behind_an_unrecorded_one_is_not_run_again(module_home: Path) -> None:
    told = happened(module_home, "side_by_side")
    assert told["result"] == ["left", "right"]
    assert sorted(told["begun"]) == ["left", "left", "right"]


def test_a_workflow_cancelled_in_a_step_begins_no_other(module_home: Path) -> None:
    assert happened(module_home, "cancelled_in_a_step")["begun"] == ["first", "cancel"]


@pytest.mark.parametrize("part", ["recover_pending_workflows", "_recover_workflow"])
def test_what_is_called_to_put_workflows_back_is_there(part: str) -> None:
    from dbos import _recovery

    assert callable(getattr(_recovery, part))

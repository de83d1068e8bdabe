"""An operator's own repairs as actions: run once, without a shell, told what they are to mend."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from real_parts import system

from opsteward.contracts.action import ActionContext, AnyAction
from opsteward.contracts.check import Finding, Severity
from opsteward.integrations.machine import build_commands, repair_commands
from opsteward.troubleshooting.assessment import operators_repairs

CONTEXT: ActionContext[None] = ActionContext(via=None, target=None, idempotency_key="run-1")


def action(words: Sequence[str], records: Path | None = None) -> AnyAction:
    (made,) = build_commands({"mend": words}, records).actions
    return made


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def params(made: AnyAction, **given: Any) -> Any:
    return made.params_model.model_validate(given)


async def test_a_repair_is_told_what_it_is_for_and_proven_by_its_exit() -> None:
    made = action(python("import os; print(os.environ['OPSTEWARD_FINDING'], os.environ['OPSTEWARD_COMPONENT'])"))
    assert made.slug == "command.mend"
    given = params(made, finding="disk_full", component="/var; rm -rf /", system="files")
    assert (await made.plan(CONTEXT, given)).needed
    result = await made.execute(CONTEXT, given)
    assert (result.exit_code, result.output) == (0, "disk_full /var; rm -rf /")
    assert (await made.verify(CONTEXT, given, result)).ok


async def test_a_repair_that_fails_says_its_last_words() -> None:
    made = action(python("print('no space'); raise SystemExit(3)"))
    result = await made.execute(CONTEXT, params(made))
    proof = await made.verify(CONTEXT, params(made), result)
    assert not proof.ok and "ended with 3: no space" in proof.summary


async def test_a_repair_is_begun_once_for_one_run(tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    made = action(python("import sys; open(sys.argv[1], 'a').write('x')", str(counted)), tmp_path / "records")
    first = await made.execute(CONTEXT, params(made))
    again = await made.execute(CONTEXT, params(made))
    assert (counted.read_text(), again) == ("x", first)


async def test_a_repair_that_was_interrupted_is_not_begun_again(tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    (records / "run-1.json").touch()  # begun, and then the process was killed
    counted = tmp_path / "counted"
    made = action(python("import sys; open(sys.argv[1], 'a').write('x')", str(counted)), records)
    result = await made.execute(CONTEXT, params(made))
    assert result.interrupted and not counted.exists()
    assert (await made.verify(CONTEXT, params(made), result)).evidence["measured"] is False


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["/nowhere/mend"], "was not done: mend can't be run"),
        (python("import time; time.sleep(60)"), "did not end within 0.2 s"),
    ],
)
async def test_a_repair_that_could_not_be_done_is_no_success_when_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], why: str
) -> None:
    monkeypatch.setattr(repair_commands, "_SECONDS", 0.2)  # in the place of 55
    made = action(words, tmp_path / "records")
    for _ in range(2):
        result = await made.execute(CONTEXT, params(made))
        proof = await made.verify(CONTEXT, params(made), result)
        assert not proof.ok and why in proof.summary


async def test_a_repair_that_we_have_ended_is_no_success_when_it_is_tried_again(tmp_path: Path) -> None:
    made = action(python("import time; time.sleep(60)"), tmp_path / "records")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await made.execute(CONTEXT, params(made))
    result = await made.execute(CONTEXT, params(made))
    assert not result.interrupted
    assert "was not done: it was ended before its time" in (await made.verify(CONTEXT, params(made), result)).summary


@pytest.mark.parametrize(("name", "words"), [("Mend It", ["true"]), ("../x", ["true"]), ("mend", [])])
def test_a_repair_that_no_order_could_name_is_refused(name: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match="OPSTEWARD_REPAIR_COMMANDS"):
        build_commands({name: words})


@pytest.mark.parametrize(
    ("repairs", "expected"),
    [
        ({"disk_full": "free"}, ["command.free"]),
        ({"disk_full": ["free", "grow"]}, ["command.free", "command.grow"]),
        ({"disk_full:/var": "free-var", "disk_full": "free"}, ["command.free-var"]),
        ({"job_missed": "free"}, []),
        ({"disk_full": 3}, []),
        ("free", []),
        (None, []),
    ],
)
def test_a_system_says_which_repair_mends_which_finding(repairs: Any, expected: list[str]) -> None:
    finding = Finding(
        type="disk_full", severity=Severity.HIGH, title="full", description="full", component="/var", evidence={},
        confidence=1.0,
    )  # fmt: skip
    fixes = operators_repairs(finding, system("disk:/var", repairs=repairs))
    assert [fix.action for fix in fixes] == expected

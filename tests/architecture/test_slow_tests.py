"""A slow test says why, and one that does not is listed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from source_tree import ROOT


def run(tmp_path: Path, test: str, *arguments: str) -> tuple[int, str]:
    """Run a test file of its own, in which a test is slow after 0.05 seconds."""
    (tmp_path / "conftest.py").write_text(
        "from support import slow_tests\nslow_tests.SLOW_AFTER = 0.05\npytest_plugins = ['support.slow_tests']\n"
    )
    (tmp_path / "test_it.py").write_text(f"import pytest, time\n\n{test}")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *arguments]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


LONG = "def test_long():\n    time.sleep(0.1)\n"


@pytest.mark.parametrize("arguments", [(), ("-n", "1")])
def test_a_long_test_without_a_reason_is_listed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    status, said = run(tmp_path, LONG + "def test_short():\n    pass\n", *arguments)
    assert status == 0
    assert "no pytest.mark.slow says why" in said
    assert "s  test_it.py::test_long" in said
    assert "test_short" not in said


def test_a_long_test_with_a_reason_is_not_listed(tmp_path: Path) -> None:
    status, said = run(tmp_path, f'@pytest.mark.slow(reason="waits for the tide")\n{LONG}')
    assert status == 0
    assert "says why" not in said


@pytest.mark.slow(reason="runs pytest as a process of its own")
def test_a_mark_without_a_reason_is_refused(tmp_path: Path) -> None:
    for mark in ("slow", "slow()", 'slow(reason=" ")'):
        status, said = run(tmp_path, f"@pytest.mark.{mark}\n{LONG}")
        assert status != 0
        assert "test_long: say why it is slow" in said

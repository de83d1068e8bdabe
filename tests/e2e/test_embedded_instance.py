"""`Opsteward()` in a program of somebody's: an instance of its own, that ends with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support.homes import temporary_home

_ENDED_WITHIN = 60  # seconds

_GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "python.md"
_UNTIL_KILLED = """
from opsteward import Opsteward
ops = Opsteward()
print("up", flush=True)
ops.wait_for_task(ops.create_task("opsteward.echo", delay=3600)["id"])
"""


def program(text: str, home: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
    return subprocess.Popen(
        [sys.executable, "-c", text],
        # a port that nobody listens on: an instance of the machine's own must not be taken for ours
        env=environment | {"OPSTEWARD_HOME": str(home), "OPSTEWARD_PORT": "9"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow(reason="starts two instances, one after the other, each by a program")
def test_the_guide_runs_as_it_stands_and_again_in_the_same_home() -> None:
    examples = re.findall(r"```python\n(.*?)```", _GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) > 5
    with temporary_home(empty=True) as home:
        assert program("\n".join(examples), home).wait(120) == 0
        assert program("\n".join(examples), home).wait(120) == 0


@pytest.mark.slow(reason="starts an instance of a program of its own")
def test_the_instance_ends_with_a_program_that_is_killed() -> None:
    with temporary_home(empty=True) as home:
        killed = program(_UNTIL_KILLED, home)
        assert killed.stdout is not None
        assert killed.stdout.readline() == "up\n"
        instance = [child for child in psutil.Process(killed.pid).children() if "up" in child.cmdline()]
        killed.kill()
        killed.wait()
        assert psutil.wait_procs(instance, timeout=_ENDED_WITHIN)[1] == []
        assert len(instance) == 1

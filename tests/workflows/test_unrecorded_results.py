"""What the engine fails to record has not failed: the step runs again, and the workflow comes to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("unrecorded_worker.py")


def test_a_result_that_could_not_be_recorded_is_no_failure(fresh_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(WORKER), str(fresh_home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["first", "second", "second", "third", "['first', 'second', 'third']"]

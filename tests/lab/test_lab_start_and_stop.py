"""A lab is started from the command line, acted on from elsewhere, and leaves nothing behind, even when killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from opsteward.core.errors import Conflict, Invalid, NotFound, Unavailable
from opsteward.lab.lab import Lab

Until = Callable[[Callable[[], object], float], None]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "opsteward.lab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def left_behind(home: Path) -> list[list[str]]:
    """Command lines of live processes that work in the home."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        about = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and process.pid != os.getpid() and any(str(home) in word for word in about):
            found.append(about)
    return found


def start(home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "opsteward.lab", "start", "--home", str(home), "--rate", "10"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("}"):
            break
    process.stdout.close()
    assert json.loads(said)["ready"] is True
    return process


def test_a_lab_of_another_process_is_used_and_ended(home: Path, until: Until) -> None:
    owner = start(home)
    try:
        assert [each["name"] for each in json.loads(run("describe", "--home", home).stdout)["systems"]] == [
            "shop-database",
            "shop-processes",
            "shop-web",
        ]
        injected = json.loads(run("inject", "lock_chain", "--home", home).stdout)
        assert injected["cause"] == "idle_in_transaction_holds_locks"
        assert run("clear", "--home", home).returncode == 0
        second = run("start", "--home", home)
        assert second.returncode == 1 and "already runs" in second.stderr
        with pytest.raises(Conflict):
            Lab(home).start()
        Lab(home).stop()  # not ours: nothing happens
        assert owner.poll() is None and left_behind(home)

        # killed: the next start ends what was left and serves anew
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        before = json.loads((home / "lab.json").read_text())
        assert left_behind(home)
    finally:
        owner.kill()
        owner.wait()
    owner = start(home)
    try:
        after = json.loads((home / "lab.json").read_text())
        assert after["shop_password"] != before["shop_password"]
        assert not Path(before["supervisor_folder"]).exists()
        assert run("stop", "--home", home).returncode == 0
        assert owner.wait(10) == 0
    finally:
        owner.kill()
        owner.wait()
    until(lambda: not left_behind(home), 5)
    assert not Path(after["supervisor_folder"]).exists()
    assert (home / "traffic.jsonl").stat().st_size > 0
    with pytest.raises(Unavailable, match="does not run"):
        Lab(home).inject("none")


def test_a_killed_lab_is_taken_down_by_anybody(home: Path, until: Until) -> None:
    owner = start(home)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    Lab(home).take_down()
    until(lambda: not left_behind(home), 5)


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(Conflict, match="other things"):
        Lab(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_without_a_lab_there_is_nothing_to_break(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Lab(tmp_path / "none").inject("lock_chain")
    Lab(tmp_path / "none").stop()
    Lab(tmp_path / "none").take_down()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as another user")
def test_a_home_below_a_closed_folder_is_refused_and_the_folder_stays_closed() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as closed:
        with pytest.raises(Invalid, match=closed):
            Lab(Path(closed) / "lab").start()
        assert Path(closed).stat().st_mode & 0o777 == 0o700
        assert not left_behind(Path(closed))

"""Real processes, disks and commands of this machine; units of systemd where there is one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from real_parts import connector_for, system

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.errors import ConnectorError, Invalid, Timeout
from opsteward.integrations.machine import build
from opsteward.integrations.machine.checks import unit_result
from opsteward.integrations.machine.connector import MachineConnector
from opsteward.integrations.machine.paths import look_at_path
from opsteward.integrations.machine.programs import Ran

COMMANDS = {
    "good": ["/bin/sh", "-c", "echo all is well; exit 0"],
    "bad": ["/bin/sh", "-c", "echo broken >&2; exit 3"],
    "warns": ["/bin/sh", "-c", "exit 1"],
    "hangs": ["/bin/sh", "-c", "sleep 60 & sleep 60"],
    "leaves": ["/bin/sh", "-c", "sleep 60 & echo $!; exit 0"],
    "floods": ["/bin/sh", "-c", "yes | head -c 3000000; exit 0"],
    "killed": ["/bin/sh", "-c", "kill -9 $$"],
    "gone": ["/no/such/program"],
    "env": ["/usr/bin/env"],
}
INTEGRATION = build(commands=COMMANDS)


async def check(endpoint: str, **settings: Any) -> CheckResult:
    target = system(endpoint, **settings)
    return await INTEGRATION.checks[0].run(connector_for(INTEGRATION, target, {}), target)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a name of its own."""
    program = tmp_path / f"ow{os.getpid()}"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    (tmp_path / "run.pid").write_text(f"{process.pid}\n")
    deadline = time.monotonic() + 5
    while psutil.Process(process.pid).name() != program.name:  # it is forked, then it becomes the program
        assert time.monotonic() < deadline
    yield process
    process.kill()
    process.wait(10)


async def test_a_process_is_counted_by_name_and_by_pid_file(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    name = psutil.Process(sleeper.pid).name()
    for endpoint in (f"process:{name}", f"process:{tmp_path}/run.pid"):
        found = await check(endpoint, expect="count == 1 and memory_bytes > 0 and open_files > 0")
        assert (found.status, found.evidence["pids"]) == (CheckStatus.PASS, [sleeper.pid]), found.summary
        assert (await check(endpoint, min_count=2)).findings[0].type == "process_missing"
    many = await check(f"process:{name}", min_count=0, max_count=0)
    assert (many.status, many.findings[0].type) == (CheckStatus.FAIL, "process_many")


async def test_a_process_that_hangs_or_has_died_fails(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
    hangs = await check(f"process:{tmp_path}/run.pid")
    assert (hangs.status, hangs.findings[0].type) == (CheckStatus.FAIL, "process_hangs")
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet fetched: a zombie
    dead = await check(f"process:{tmp_path}/run.pid")
    assert (dead.status, dead.findings[0].type, dead.evidence["zombies"]) == (CheckStatus.FAIL, "process_missing", 1)


@pytest.mark.parametrize("content", [b"", b"not a number", b"99999999", b"1" * 40, b"\xff\xfe"])
async def test_a_pid_file_that_names_no_process_says_why(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.pid").write_bytes(content)
    result = await check(f"process:{tmp_path}/run.pid")
    assert (result.status, "pid file" in result.summary) == (CheckStatus.FAIL, True)


async def test_a_pid_file_older_than_its_process_or_a_pipe_names_none(tmp_path: Path) -> None:
    (tmp_path / "run.pid").write_text(str(os.getpid()))
    os.utime(tmp_path / "run.pid", (1, 1))
    assert "older than the process" in (await check(f"process:{tmp_path}/run.pid")).summary
    os.mkfifo(tmp_path / "pipe")
    assert "no number" in (await check(f"process:{tmp_path}/pipe", timeout_seconds=2)).summary


async def test_a_path_that_hangs_costs_one_thread_however_often_it_is_looked_at() -> None:
    answered, looks = threading.Event(), []

    def hang(path: str) -> str:
        looks.append(path)
        answered.wait(10)
        return "there"

    for _ in range(3):
        with pytest.raises(Timeout, match="/net/gone did not answer"):
            await look_at_path(hang, "/net/gone", 0.05)
    waits = asyncio.create_task(look_at_path(hang, "/net/gone", 5))
    await asyncio.sleep(0)
    answered.set()
    assert (await waits, looks) == ("there", ["/net/gone"])
    assert await look_at_path(hang, "/net/gone", 5) == "there"
    assert len(looks) == 2


async def test_a_disk_is_measured_as_df_does_and_held_against_its_bounds(tmp_path: Path) -> None:
    df = subprocess.run(["df", "--output=pcent,avail", "-B1", tmp_path], capture_output=True, text=True, check=True)
    percent, free = df.stdout.splitlines()[1].split()
    seen = await check(f"disk:{tmp_path}", warn_percent=100, fail_percent=100, expect="free_bytes > 0")
    assert seen.status is CheckStatus.PASS
    assert abs(float(str(seen.evidence["used_percent"])) - float(percent.rstrip("%"))) <= 1.1
    assert abs(int(str(seen.evidence["free_bytes"])) - int(free)) < 2**30
    full = await check(f"disk:{tmp_path}", warn_percent=0.0000001, fail_percent=100)
    assert (full.status, full.findings[0].type) == (CheckStatus.WARN, "disk_full")
    assert (await check(f"disk:{tmp_path}", fail_percent=0.0000001)).status is CheckStatus.FAIL
    assert (await check(f"disk:{tmp_path}/nothing")).findings[0].type == "disk_missing"
    assert (await check(f"disk:{tmp_path}", mounted=True)).findings[0].type == "disk_missing"
    assert (await check("disk:/proc")).status in (CheckStatus.PASS, CheckStatus.WARN), "it has no size and no inodes"


async def test_a_command_is_judged_by_its_exit() -> None:
    good = await check("command:good", expect='output contains "well"')
    assert (good.status, good.evidence["exit_code"]) == (CheckStatus.PASS, 0)
    bad = await check("command:bad")
    assert (bad.status, bad.findings[0].type, "broken" in bad.summary) == (CheckStatus.FAIL, "command_failed", True)
    assert (await check("command:bad", expect="exit_code == 3")).status is CheckStatus.PASS
    assert (await check("command:killed")).evidence["exit_code"] == -signal.SIGKILL
    nagios = [(await check(f"command:{name}", nagios=True)).status for name in ("good", "warns", "bad")]
    assert nagios == [CheckStatus.PASS, CheckStatus.WARN, CheckStatus.UNKNOWN]
    with pytest.raises(ConnectorError):
        await check("command:gone")


async def test_a_command_ends_in_time_with_all_that_it_started_and_floods_nobody() -> None:
    began = time.monotonic()
    hangs = await check("command:hangs", timeout_seconds=0.3)
    assert (hangs.status, hangs.findings[0].type) == (CheckStatus.FAIL, "command_hangs")
    leaves = await check("command:leaves", timeout_seconds=0.3)  # its child holds the pipe open
    assert leaves.status is CheckStatus.FAIL
    assert time.monotonic() - began < 5
    floods = await check("command:floods")
    assert (floods.status, len(str(floods.evidence["output"])) <= 2000) == (CheckStatus.PASS, True)


async def test_a_command_learns_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSTEWARD_SECRET_KEY", "planted-secret")
    assert "planted-secret" not in repr(await check("command:env"))


async def test_many_commands_run_side_by_side_in_one_loop() -> None:
    began = time.monotonic()
    results = await asyncio.gather(*(check("command:good") for _ in range(30)))
    assert {result.status for result in results} == {CheckStatus.PASS}
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "endpoint",
    [
        "command:other",
        "command:",
        "process:",
        "disk:relative",
        "disk://host/var",
        "systemd:-M",
        "systemd:a b",
        "disk:/a?b",
    ],
)
def test_what_is_no_part_of_this_machine_is_refused(endpoint: str) -> None:
    with pytest.raises(Invalid):
        connector_for(INTEGRATION, system(endpoint), {})


def test_what_the_operator_does_not_allow_is_refused() -> None:
    closed = build(allowed=())
    for endpoint in ("process:sshd", "systemd:ssh.service", "disk:/var", "command:good"):
        with pytest.raises(Invalid) as refused:
            connector_for(closed, system(endpoint), {})
        assert "OPSTEWARD_" in refused.value.problems[0].remedy


UNITS = {  # what systemctl 252 writes
    "running": (
        "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts=2",
        CheckStatus.PASS,
    ),
    "failed": (
        "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nNRestarts=5",
        CheckStatus.FAIL,
    ),
    "starting": ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nNRestarts=1", CheckStatus.WARN),
    "in a loop": ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nNRestarts=9", CheckStatus.FAIL),
    "absent": ("LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success", CheckStatus.FAIL),
    "stopped": ("LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success", CheckStatus.FAIL),
}


@pytest.mark.parametrize("case", UNITS)
def test_what_systemd_says_of_a_unit_is_judged(case: str) -> None:
    output, status = UNITS[case]
    via = connector_for(INTEGRATION, system("systemd:nginx.service"), {})
    assert isinstance(via, MachineConnector)
    assert unit_result(via, Ran(exit_code=0, output=output, seconds=0.01)).status is status


def test_an_answer_that_is_none_says_nothing_of_the_unit() -> None:
    via = connector_for(INTEGRATION, system("systemd:nginx.service"), {})
    assert isinstance(via, MachineConnector)
    for output in ("System has not been booted with systemd as init system (PID 1). Can't operate.", "", "\x00"):
        with pytest.raises(ConnectorError):
            unit_result(via, Ran(exit_code=1, output=output, seconds=0.01))


async def test_a_real_systemd_is_asked_where_there_is_one() -> None:
    """Without one, the unit is UNKNOWN: the check raises, and fails nothing."""
    if Path("/run/systemd/system").is_dir():
        assert (await check("systemd:systemd-journald.service")).status is CheckStatus.PASS
        assert (await check("systemd:no-such-unit.service")).status is CheckStatus.FAIL
    else:
        with pytest.raises(ConnectorError):
            await check("systemd:systemd-journald.service")

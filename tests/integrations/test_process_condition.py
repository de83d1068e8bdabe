"""Processes that live and do nothing, by what the kernel knows; the machine as a whole; missed jobs."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from real_parts import connector_for, system

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.process_condition import Condition, condition_of
from opsteward.integrations.machine import INTEGRATION
from opsteward.integrations.machine.host import new_oom_kills, offset_of

LISTENS = "import socket,time; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1], flush=True)\n"


@contextmanager
def server(code: str) -> Iterator[tuple[int, int]]:
    """A process that listens and then does what the code says: its pid and port."""
    with subprocess.Popen([sys.executable, "-c", LISTENS + code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def condition(code: str) -> Condition:
    with server(code) as (pid, port), socket.create_connection(("127.0.0.1", port)):
        seen = condition_of(pid, hang_seconds=0.9)
        assert seen is not None and (
            not seen.hung or condition_of(pid, hang_seconds=8.0) is not None
        )  # it is remembered
    return seen


def test_a_server_that_waits_for_ever_is_told_from_one_that_runs_in_a_circle() -> None:
    assert condition("time.sleep(60)").hung == "deadlocked"
    assert condition("while True: pass").hung == "spinning"


def test_a_server_that_is_only_slow_does_not_hang() -> None:
    slow = "while True:\n c, _ = s.accept(); time.sleep(0.4); c.close()"
    with server(slow) as (pid, port):
        kept = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
        seen = condition_of(pid, hang_seconds=0.9)
        for connection in kept:
            connection.close()
    assert seen is not None and seen.hung == ""


def test_a_process_that_has_opened_all_its_files_is_full() -> None:
    code = (
        "import os, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "kept = []\n"
        "try:\n while True: kept.append(os.open('/dev/null', 0))\n"
        "except OSError: print('full', flush=True); time.sleep(60)"
    )
    with server(code) as (pid, _):
        deadline = time.monotonic() + 10
        seen = condition_of(pid)
        while not (seen and seen.files_full) and time.monotonic() < deadline:
            seen = condition_of(pid)
    assert seen is not None and seen.files_full and seen.open_files_limit == 64


def test_a_process_that_is_gone_has_no_condition() -> None:
    with server("time.sleep(60)") as (pid, _):
        pass
    assert condition_of(pid) is None


async def look(endpoint: str, **settings: object) -> CheckResult:
    target = system(endpoint, **settings)
    via = connector_for(INTEGRATION, target, {})
    return await INTEGRATION.checks[0].run(via, target)


async def test_a_job_is_missed_by_the_age_of_what_it_leaves(tmp_path: Path) -> None:
    trace = tmp_path / "nightly.done"
    missing = await look(f"job:{trace}", max_age_seconds=60)
    trace.touch()
    fresh = await look(f"job:{trace}", max_age_seconds=60)
    os.utime(trace, (time.time() - 90, time.time() - 90))
    old = await look(f"job:{trace}", max_age_seconds=60)
    assert [r.status for r in (missing, fresh, old)] == [CheckStatus.FAIL, CheckStatus.PASS, CheckStatus.FAIL]
    assert old.findings[0].type == "job_missed" and "90" in old.findings[0].description


async def test_the_machine_is_looked_at_as_a_whole() -> None:
    well = await look("host:local", load_per_cpu=10_000, memory_available_percent=0, open_files_percent=100)
    assert well.status is CheckStatus.PASS
    assert set(well.evidence) >= {"load_per_cpu", "memory_available_percent", "oom_kills", "pressure"}
    low = await look("host:local", load_per_cpu=10_000, memory_available_percent=100)
    assert [finding.type for finding in low.findings] == ["host_memory_low"]


async def test_a_wrong_clock_is_told_by_a_time_server() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clock:
        clock.bind(("127.0.0.1", 0))
        clock.setblocking(False)
        import asyncio

        async def answer() -> None:
            loop = asyncio.get_running_loop()
            _, peer = await loop.sock_recvfrom(clock, 100)
            clock.sendto(sntp(time.time() + 100), peer)

        task = asyncio.create_task(answer())
        seen = await look("host:local", time_server=f"127.0.0.1:{clock.getsockname()[1]}", memory_available_percent=0)
        with suppress(TimeoutError):
            await asyncio.wait_for(task, 1)
    assert [finding.type for finding in seen.findings] == ["host_skew"]
    assert "behind" in seen.findings[0].description


def sntp(now: float) -> bytes:
    stamp = struct.pack("!II", int(now) + 2_208_988_800, 0)
    return b"\x24\x02" + bytes(22) + bytes(8) + stamp + stamp


def test_an_answer_that_tells_no_time_is_none() -> None:
    assert offset_of(b"", 0, 0) is None
    assert offset_of(b"\x24\x00" + bytes(46), 0, 0) is None  # it says itself that it does not know
    assert offset_of(sntp(100.0), 50.0, 50.0) == pytest.approx(50.0, abs=1)


def test_only_new_kills_for_lack_of_memory_count() -> None:
    assert new_oom_kills("oom_kill 5\n", "boot-of-a-test") == 0
    assert new_oom_kills("nr 1\noom_kill 7\n", "boot-of-a-test") == 2
    assert new_oom_kills("oom_kill 7\n", "boot-of-a-test") == 0

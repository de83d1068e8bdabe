"""The lab's faults: what each breaks, how it is caused, the ground truth about it, and how it is taken back.

The ground truth (`faults/<n>-<fault>.json`) is for scoring only: who repairs must find out alone.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from opsteward.core.errors import Conflict, Invalid, Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.lab.folder import LabFacts, LabFolder, set_rate, write_private
from opsteward.lab.injector import EXPORT, REPORT
from opsteward.lab.pidfiles import end_by_pidfile, write_pidfile
from opsteward.lab.supervision import SHOP, Supervisor

_SIGNALLED_WITHIN = 2.0  # seconds
_IN_FORCE_WITHIN = 20.0  # seconds; the leak takes up to 8


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is really wrong: the system and the part of it, and why."""

    system: str
    component: str
    cause: str
    description: str


FAULTS = {
    "lock_chain": Truth(
        system="shop-database",
        component="session",
        cause="idle_in_transaction_holds_locks",
        description=f"a session of {REPORT} sits idle in a transaction that locks every product",
    ),
    "connection_leak": Truth(
        system="shop-database",
        component="connections",
        cause="leaked_idle_connections",
        description=f"{EXPORT} holds nearly every connection that the role shop may have, and uses none",
    ),
    "process_crash": Truth(
        system="shop-processes",
        component=SHOP,
        cause="process_exited",
        description="the shop's process was killed and nothing starts it again",
    ),
    "process_hang": Truth(
        system="shop-processes",
        component=SHOP,
        cause="process_stopped",
        description="the shop's process is stopped (SIGSTOP): it lives, listens and answers nothing",
    ),
    "none": Truth(
        system="",
        component="",
        cause="none",
        description="more orders than usual for a while; nothing is wrong",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One injected fault. Instants are epoch seconds: when it began, and when its cause was complete."""

    fault: str
    injected_at: float
    in_force_at: float
    truth: Truth
    details: JsonObject
    truth_file: Path

    def as_dict(self) -> JsonObject:
        """As plain data, for JSON."""
        return {
            "fault": self.fault,
            "injected_at": self.injected_at,
            "in_force_at": self.in_force_at,
            "system": self.truth.system,
            "component": self.truth.component,
            "cause": self.truth.cause,
            "description": self.truth.description,
            **self.details,
        }


@dataclass(frozen=True)
class _Cause:
    """What was done: when it began, when it was complete (epoch seconds), and what is to be known of it."""

    injected_at: float
    in_force_at: float
    details: JsonObject


def inject(folder: LabFolder, supervisor: Supervisor, fault: str, *, rush_seconds: float) -> Injection:
    """Cause a fault and write its ground truth; returns once it is in force.

    Raises Invalid for an unknown fault, Conflict when the shop does not run (nothing to break),
    Unavailable when the fault could not be caused.
    """
    truth = FAULTS.get(fault)
    if truth is None:
        raise Invalid.field("fault", f"unknown fault {fault!r}", f"one of {', '.join(FAULTS)}")
    number = 1 + len(list(folder.faults.glob("*.json")))
    name = f"{number:03d}-{fault}"
    if fault == "process_crash":
        cause = _signal_shop(supervisor, signal.SIGKILL)
    elif fault == "process_hang":
        cause = _signal_shop(supervisor, signal.SIGSTOP)
    else:
        cause = _start_injector(folder, name, fault, rush_seconds)
    injection = Injection(
        fault=fault,
        injected_at=cause.injected_at,
        in_force_at=cause.in_force_at,
        truth=truth,
        details=cause.details,
        truth_file=folder.faults / f"{name}.json",
    )
    write_private(injection.truth_file, json.dumps(injection.as_dict(), indent=2) + "\n")
    return injection


def end_injectors(folder: LabFolder) -> None:
    """End every injector that still runs; what it held is given back by its end."""
    for pidfile in folder.run.glob("injector-*.json"):
        end_by_pidfile(pidfile)


def clear(folder: LabFolder, facts: LabFacts, supervisor: Supervisor) -> None:
    """Take back every fault by the shortest way, whether or not somebody repaired it already."""
    end_injectors(folder)
    set_rate(folder, facts.rate)
    info = supervisor.info(SHOP)
    if info["statename"] not in {"RUNNING", "STARTING"} or not _works(info["pid"]):
        supervisor.restart(SHOP)


def _works(pid: int) -> bool:
    """Neither stopped nor dead: supervisord sees the first never, and the second a moment later."""
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
    except psutil.NoSuchProcess:
        return False


def _signal_shop(supervisor: Supervisor, number: signal.Signals) -> _Cause:
    info = supervisor.info(SHOP)
    if info["statename"] not in {"RUNNING", "STARTING"}:
        raise Conflict(f"the shop does not run ({info['statename']})", remedy="clear the earlier fault first")
    now = time.time()
    os.kill(info["pid"], number)
    # A signal takes its moment: whoever looked in it would find the shop at work.
    deadline = now + _SIGNALLED_WITHIN
    while _works(info["pid"]) and time.time() < deadline:
        time.sleep(0.001)
    return _Cause(now, time.time(), {"pid": info["pid"], "process_started": info["start"]})


def _start_injector(folder: LabFolder, name: str, fault: str, rush_seconds: float) -> _Cause:
    """Start an injector and wait for its line; it outlives us, and its pid file lets anybody end it."""
    with (folder.log / "injectors.log").open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "opsteward.lab.injector", fault, str(folder.home), str(rush_seconds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder.home,
            start_new_session=True,
        )
    pidfile = folder.run / f"injector-{name}.json"
    write_pidfile(pidfile, process.pid)
    # reaped whenever it ends
    threading.Thread(target=process.wait, daemon=True).start()
    assert process.stdout is not None
    with process.stdout:
        ready, _, _ = select.select([process.stdout], [], [], _IN_FORCE_WITHIN)
        line = process.stdout.readline() if ready else b""
    if not line:
        end_by_pidfile(pidfile)
        raise Unavailable(f"{fault} could not be caused; see {errors.name}")
    details = json.loads(line)
    return _Cause(details.pop("injected_at"), details.pop("in_force_at"), {**details, "injector_pid": process.pid})

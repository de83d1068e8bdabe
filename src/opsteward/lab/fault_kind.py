"""What a kind of fault is, and what causing one works with."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from opsteward.core.errors import Conflict, Unavailable
from opsteward.lab.folder import LabFacts, LabFolder
from opsteward.lab.pidfiles import end_by_pidfile, write_pidfile
from opsteward.lab.supervision import SHOP, Supervisor

_SIGNALLED_WITHIN = 2.0  # seconds
_IN_FORCE_WITHIN = 20.0  # seconds; the leak takes up to 8


@dataclass(frozen=True)
class Site:
    """A running lab, and under which name this injection is kept."""

    folder: LabFolder
    facts: LabFacts
    supervisor: Supervisor
    name: str = ""
    rush_seconds: float = 10.0

    def send(self, number: signal.Signals, program: str = SHOP) -> dict[str, object]:
        """Signal a program, and see that it took effect. Raises Conflict when it does not run."""
        info = self.supervisor.info(program)
        if info["statename"] not in {"RUNNING", "STARTING"}:
            raise Conflict(f"{program} does not run ({info['statename']})", remedy="clear the earlier fault first")
        now = time.time()
        os.kill(info["pid"], number)
        # A signal takes its moment: whoever looked in it would find the program at work.
        deadline = now + _SIGNALLED_WITHIN
        while works(info["pid"]) and time.time() < deadline:
            time.sleep(0.001)
        return {
            "injected_at": now,
            "in_force_at": time.time(),
            "pid": info["pid"],
            "process_started": info["start"],
        }

    def ask_shop(self, path: str, *, wait: float = 5.0) -> bool:
        """One request of a customer, and whether it was answered within `wait` seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.facts.shop_port, timeout=wait)
        answered = False
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            connection.getresponse().read()
            answered = True
        connection.close()
        return answered

    def start_injector(self, fault: str) -> dict[str, object]:
        """Start an injector and wait for its line; it outlives us, and its pid file lets anybody end it."""
        folder = self.folder
        with (folder.log / "injectors.log").open("ab") as errors:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "opsteward.lab.injector", fault, str(folder.home), str(self.rush_seconds)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder.home,
                start_new_session=True,
            )
        pidfile = folder.run / f"injector-{self.name}.json"
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
        details: dict[str, object] = json.loads(line)
        return {**details, "injector_pid": process.pid}


Make = Callable[[Site], dict[str, object] | None]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One thing that is really wrong: the system, the part of it, and why, as a finding names it."""

    system: str
    component: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of fault. `truths` has one for each independent fault, and none for a control; `repairable`: the lab's
    orders hold what mends it; `heals`: it ends by itself; `held_out`: no rule was written with it in sight."""

    name: str
    area: str
    description: str
    cause_it: Make
    truths: tuple[Truth, ...] = ()
    repairable: bool = True
    heals: bool = False
    held_out: bool = False
    whole: bool = True
    needs_disk: bool = False

    @property
    def is_control(self) -> bool:
        return not self.truths

    @property
    def system(self) -> str:
        return ", ".join(truth.system for truth in self.truths)

    @property
    def component(self) -> str:
        return ", ".join(truth.component for truth in self.truths)

    @property
    def cause(self) -> str:
        return ", ".join(truth.cause for truth in self.truths) or "none"

    def lacking(self, facts: LabFacts) -> str:
        """Why this lab can't have it; empty where it can."""
        if self.whole and not facts.whole:
            return "it needs the whole lab"
        return "it needs a small disk, which only root may mount" if self.needs_disk and not facts.has_disk else ""

    def make(self, site: Site) -> dict[str, Any]:
        """Cause it; what is to be known of it besides."""
        return self.cause_it(site) or {}


def works(pid: int) -> bool:
    """Neither stopped nor dead: supervisord sees the first never, and the second a moment later."""
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
    except psutil.NoSuchProcess:
        return False

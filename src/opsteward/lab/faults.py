"""The lab's faults as one catalogue: each caused with its ground truth written down, and all of them taken back.

The ground truth (`faults/<n>-<fault>.json`) is for scoring only: who repairs must find out alone.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from opsteward.core.errors import Conflict, Invalid
from opsteward.core.json_types import JsonObject
from opsteward.lab import repairs
from opsteward.lab.controls import CONTROLS
from opsteward.lab.fault_kind import Kind, Site, works
from opsteward.lab.folder import LabFacts, LabFolder, set_rate, write_private
from opsteward.lab.pidfiles import end_by_pidfile
from opsteward.lab.process_faults import PROCESS_FAULTS, SPOILT_FILES, SPOILT_MEMORY
from opsteward.lab.service_faults import SERVICE_FAULTS
from opsteward.lab.supervision import PROGRAMS, SHOP, Supervisor
from opsteward.lab.web_faults import WEB_FAULTS

_PATIENCE = 1.7  # seconds that the shop may take for its health page
FAULTS: dict[str, Kind] = {kind.name: kind for kind in (*PROCESS_FAULTS, *WEB_FAULTS, *SERVICE_FAULTS, *CONTROLS)}


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One injected fault. Instants are epoch seconds: when it began, and when its cause was complete."""

    fault: str
    injected_at: float
    in_force_at: float
    kind: Kind
    details: JsonObject
    truth_file: Path

    def as_dict(self) -> JsonObject:
        """As plain data, for JSON."""
        return {
            "fault": self.fault,
            "injected_at": self.injected_at,
            "in_force_at": self.in_force_at,
            "system": self.kind.system,
            "component": self.kind.component,
            "cause": self.kind.cause,
            "description": self.kind.description,
            **self.details,
        }


def inject(folder: LabFolder, facts: LabFacts, supervisor: Supervisor, fault: str, *, rush_seconds: float) -> Injection:
    """Cause a fault and write its ground truth; returns once it is in force.

    Raises Invalid for an unknown fault, Conflict when the shop does not run (nothing to break) or the fault needs parts
    that this lab has not, Unavailable when the fault could not be caused.
    """
    kind = FAULTS.get(fault)
    if kind is None:
        raise Invalid.field("fault", f"unknown fault {fault!r}", f"one of {', '.join(FAULTS)}")
    if lacking := kind.lacking(facts):
        raise Conflict(f"{fault} can't be caused here: {lacking}")
    number = 1 + len(list(folder.faults.glob("*.json")))
    name = f"{number:03d}-{fault}"
    began = time.time()
    done = kind.make(Site(folder, facts, supervisor, name, rush_seconds))
    injection = Injection(
        fault=fault,
        injected_at=done.pop("injected_at", began),
        in_force_at=done.pop("in_force_at", None) or time.time(),
        kind=kind,
        details=done,
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
    repairs.all_in_order(folder, facts)
    for program in PROGRAMS if facts.whole else (SHOP,):
        info = supervisor.info(program)
        up = info["statename"] in {"RUNNING", "STARTING"} and works(info["pid"]) and not _is_spoilt(info["pid"])
        if up and program == SHOP:  # it may hang without being stopped
            up = Site(folder, facts, supervisor).ask_shop("/health", wait=_PATIENCE)
        if not up:
            supervisor.restart(program)


def _is_spoilt(pid: int) -> bool:
    """Whether a latent bug has left something behind in the process that only its end takes away."""
    try:
        process = psutil.Process(pid)
        return process.memory_info().rss > SPOILT_MEMORY or process.num_fds() > SPOILT_FILES
    except psutil.NoSuchProcess:
        return True

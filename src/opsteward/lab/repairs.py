"""The repairs that an operator of the lab has written, one for each thing that only they know how to mend.

    python -m opsteward.lab.repairs HOME NAME

Each does its one thing, and is harmless when there is nothing to do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from opsteward.core.errors import Unavailable
from opsteward.lab import gateway, jobs, names, small_disk
from opsteward.lab.certificates import issue
from opsteward.lab.folder import LabFacts, LabFolder
from opsteward.lab.releases import deploy
from opsteward.lab.supervision import SHOP, Supervisor


def _roll_back(folder: LabFolder, facts: LabFacts) -> None:
    """The release before, and a shop that runs it."""
    deploy(folder)
    supervisor = Supervisor(folder, facts)
    with suppress(Unavailable):
        if supervisor.info(SHOP)["statename"] in {"FATAL", "BACKOFF"}:
            supervisor.call("supervisor.startProcess", SHOP)


def _free_disk(folder: LabFolder, facts: LabFacts) -> None:
    """By the rule: temporary files of the cache, and nothing else."""
    if facts.has_disk:
        for path in (folder.disk / "cache").glob("*.tmp"):
            with suppress(OSError):
                path.unlink()


def _make_writable(folder: LabFolder, facts: LabFacts) -> None:
    if facts.has_disk:
        small_disk.remount(folder, read_only=False)


def _quarantine(folder: LabFolder, facts: LabFacts) -> None:
    """Set aside what has been tried in vain."""
    with closing(jobs.queue(folder)) as rows:
        rows.execute("update jobs set state = 'quarantined' where state = 'waiting' and attempts >= 3")
        rows.execute("delete from jobs where state = 'quarantined' and id < 0 and created < ?", (time.time() - 5,))


def _schedule(folder: LabFolder, facts: LabFacts) -> None:
    jobs.set_schedule(folder)


def _renew(folder: LabFolder, facts: LabFacts) -> None:
    issue(folder)


REPAIRS: dict[str, Callable[[LabFolder, LabFacts], None]] = {
    "roll-back": _roll_back,
    "renew-certificate": _renew,
    "restore-gateway": lambda folder, facts: gateway.set_way(folder),
    "restore-zone": lambda folder, facts: names.set_zone(folder),
    "free-disk": _free_disk,
    "make-disk-writable": _make_writable,
    "quarantine-jobs": _quarantine,
    "restore-schedule": _schedule,
}


def commands(folder: LabFolder) -> dict[str, list[str]]:
    """The repairs as commands, each a list of its words."""
    return {name: [sys.executable, "-P", "-m", "opsteward.lab.repairs", str(folder.home), name] for name in REPAIRS}


def all_in_order(folder: LabFolder, facts: LabFacts) -> None:
    """Do all of them; and let the second application in again."""
    deploy(folder)
    if not facts.whole:
        return
    _make_writable(folder, facts)
    for repair in REPAIRS.values():
        repair(folder, facts)
    with closing(jobs.queue(folder)) as rows:
        rows.execute("delete from jobs where id < 0")
    jobs.set_access(folder, facts)


def main() -> None:
    """Exit code 0 when it is done."""
    folder = LabFolder(Path(sys.argv[1]).resolve())
    REPAIRS[sys.argv[2]](folder, LabFacts.load(folder))


if __name__ == "__main__":
    main()

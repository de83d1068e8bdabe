"""The lab as one thing: started, broken on purpose, put right and stopped, from one folder."""

from __future__ import annotations

import fcntl
import http.client
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from opsteward.core.errors import Conflict, Unavailable
from opsteward.lab import certificates, faults, gateway, jobs, names, releases, repairs, small_disk
from opsteward.lab.folder import LabFacts, LabFolder, set_rate
from opsteward.lab.pidfiles import process_of_pidfile, wait_gone, write_pidfile
from opsteward.lab.ports import free_port
from opsteward.lab.postgres import ShopDatabase
from opsteward.lab.registration import LabDescription, systems
from opsteward.lab.scoring import order_success
from opsteward.lab.supervision import PROGRAMS, TRAFFIC, Supervisor, socket_folder

DEFAULT_RATE = 20.0  # orders a second
_SERVING_WITHIN = 15.0  # seconds
_OWNER_ENDS_WITHIN = 30.0  # seconds


class Lab:
    """One lab in `home`. The process that starts it owns it; others may inject, clear, describe and stop.

    All methods block; call them from a thread where an event loop runs.
    """

    def __init__(self, home: Path, *, rate: float = DEFAULT_RATE, whole: bool = False) -> None:
        """`whole`: with all parts, for all faults; else the shop alone."""
        self.folder = LabFolder(home.expanduser().resolve())
        self._rate = rate
        self._whole = whole
        self._lock: int | None = None
        # Kept, not made anew: its child must be reaped by whoever started it.
        self._supervisor: Supervisor | None = None

    @property
    def facts(self) -> LabFacts:
        """Raises NotFound when no lab was ever started here."""
        return LabFacts.load(self.folder)

    @property
    def traffic(self) -> Path:
        """The log of all orders, for scoring."""
        return self.folder.traffic

    def start(self) -> None:
        """Start everything anew and return once orders succeed. What an earlier lab here left is removed.

        Raises Conflict when a lab runs in this home or it holds other things, Invalid when the home can't be
        used, Unavailable when a part does not come up. Nothing is left running then.
        """
        self._claim()
        try:
            self._end_everything()
            self._make_folders()
            facts = self._new_facts()
            facts.save(self.folder)
            set_rate(self.folder, facts.rate)
            self._furnish(facts)
            ShopDatabase(self.folder).start(facts)
            self._supervisor = Supervisor(self.folder, facts)
            self._supervisor.start()
            self._wait("the shop does not answer", self._shop_is_healthy)
            if facts.whole:
                self._wait("not all programs run", self._all_run)
            self._supervisor.call("supervisor.startProcess", TRAFFIC, False)
            self._wait("no order succeeds", lambda: self._ok_since(0.0))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all that `start` started; the traffic log and the ground truth stay. Harmless twice, and does
        nothing to a lab that another process runs.
        """
        if self._lock is None:
            return
        try:
            self._end_everything()
        finally:
            self._release()

    def take_down(self) -> None:
        """End the lab in this home whoever runs it: the process that owns it is asked to end and waited for;
        if that one was killed, what it left behind is ended here. Raises Unavailable when it does not end.
        """
        owner = process_of_pidfile(self.folder.run / "owner.json")
        if owner is not None and owner.pid != os.getpid():
            owner.send_signal(signal.SIGTERM)
            if not wait_gone(owner, _OWNER_ENDS_WITHIN):
                raise Unavailable(f"process {owner.pid}, which runs the lab, does not end")
        if self._lock is None and self.folder.facts.exists():
            self._claim()
        self.stop()

    def inject(self, fault: str, *, rush_seconds: float = 10.0) -> faults.Injection:
        """Cause one of `faults.FAULTS`; returns once it is in force. `rush_seconds` is the length of `none`.

        Raises Invalid for an unknown fault, Conflict when the shop is down already, NotFound without a lab,
        Unavailable when the lab does not run.
        """
        supervisor = self._running_supervisor()
        return faults.inject(self.folder, self.facts, supervisor, fault, rush_seconds=rush_seconds)

    def clear(self) -> None:
        """Take back all faults and return once orders succeed again. Raises like `inject`."""
        faults.clear(self.folder, self.facts, self._running_supervisor())
        since = time.time()
        self._wait("no order succeeds", lambda: self._ok_since(since))

    def alive(self) -> bool:
        """Whether the process supervisor still runs."""
        return self._supervised().alive()

    def describe(self) -> LabDescription:
        """What a caller needs to look after the lab: `systems` to register, each after those it depends on.

        Also the shop's address and, for scoring, `traffic` (path), `rate` (orders a second) and `faults`
        (folder). Holds the credentials of the systems.
        """
        facts = self.facts
        return {
            "systems": systems(facts, self.folder),
            "shop_url": facts.shop_url,
            "rate": facts.rate,
            "traffic": str(self.folder.traffic),
            "faults": str(self.folder.faults),
            "commands": repairs.commands(self.folder) if facts.whole else {},
        }

    def _supervised(self) -> Supervisor:
        return self._supervisor or Supervisor(self.folder, self.facts)

    def _running_supervisor(self) -> Supervisor:
        supervisor = self._supervised()
        if not supervisor.alive():
            raise Unavailable(f"the lab in {self.folder.home} does not run", remedy="start it first")
        return supervisor

    def _claim(self) -> None:
        """Take the home for ourselves, until `_release` or our death."""
        home = self.folder.home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        others = [path.name for path in home.iterdir() if path != self.folder.lock]
        if others and not self.folder.facts.exists():
            raise Conflict(f"{home} holds other things ({others[0]})", remedy="choose an empty folder")
        lock = os.open(self.folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Conflict(f"a lab already runs in {home}", remedy="stop it first") from None
        self._lock = lock

    def _release(self) -> None:
        (self.folder.run / "owner.json").unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make_folders(self) -> None:
        folder = self.folder
        small_disk.unmount(folder)
        rooms = (folder.postgres, folder.run, folder.log, folder.faults, folder.jobs, folder.tls, folder.network)
        for kept in rooms:
            shutil.rmtree(kept, ignore_errors=True)
        folder.traffic.unlink(missing_ok=True)
        # Another user runs the database where we are root: let it pass through, but not look around.
        folder.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for fresh in (folder.run, folder.log, folder.faults):
            fresh.mkdir(mode=0o700)
        write_pidfile(folder.run / "owner.json")

    def _furnish(self, facts: LabFacts) -> None:
        """What the programs need before they start."""
        releases.deploy(self.folder)
        if not facts.whole:
            return
        certificates.make_authority(self.folder)
        certificates.issue(self.folder)
        gateway.set_way(self.folder)
        names.set_zone(self.folder)
        jobs.set_access(self.folder, facts)
        jobs.set_schedule(self.folder)

    def _all_run(self) -> bool:
        assert self._supervisor is not None
        return all(self._supervisor.info(program)["statename"] == "RUNNING" for program in PROGRAMS)

    def _new_facts(self) -> LabFacts:
        return LabFacts(
            database_port=free_port(),
            shop_port=free_port(),
            admin_password=secrets.token_urlsafe(18),
            shop_password=secrets.token_urlsafe(18),
            monitor_password=secrets.token_urlsafe(18),
            supervisor_folder=str(socket_folder()),
            supervisor_password=secrets.token_urlsafe(18),
            rate=self._rate,
            whole=self._whole,
            has_disk=self._whole and small_disk.mount(self.folder),
            gateway_port=free_port(),
            names_port=free_port(),
            jobs_port=free_port(),
            jobs_token=secrets.token_urlsafe(18),
            operator_token=secrets.token_urlsafe(18),
        )

    def _end_everything(self) -> None:
        """End all processes of the lab in this home, also those that a killed owner left."""
        if not self.folder.facts.exists():
            return
        supervisor, self._supervisor = self._supervised(), None
        with ExitStack() as steps:
            # the last one first, and each even if another fails
            steps.callback(shutil.rmtree, self.facts.supervisor_folder, ignore_errors=True)
            steps.callback(small_disk.unmount, self.folder)
            steps.callback(ShopDatabase(self.folder).stop)
            steps.callback(supervisor.stop)
            steps.callback(faults.end_injectors, self.folder)

    def _wait(self, complaint: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SERVING_WITHIN
        while not condition():
            if time.monotonic() > deadline or not self.alive():
                raise Unavailable(f"{complaint}; see {self.folder.log}")
            time.sleep(0.03)

    def _shop_is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.facts.shop_port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _ok_since(self, start: float) -> bool:
        return order_success(self.folder.traffic, start, time.time() + 1).ok > 0

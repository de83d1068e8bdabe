"""Faults of the database's sessions and of processes."""

from __future__ import annotations

import signal
import threading
from typing import Any

from opsteward.lab.fault_kind import Kind, Site, Truth
from opsteward.lab.injector import EXPORT, REPORT
from opsteward.lab.releases import FAULTY, deploy
from opsteward.lab.shop_bugs import OPEN_FILES
from opsteward.lab.supervision import GATEWAY, JOBS_API, JOBS_WORKER, NAMES, SHOP

MEMORY_LIMIT_MB = 300
SPOILT_MEMORY = 200 * 1024 * 1024
SPOILT_FILES = OPEN_FILES // 2
_SHOP, _JOBS = "shop-processes", "jobs-processes"


def _kind(name: str, system: str, program: str, cause: str, description: str, make: Any, **more: Any) -> Kind:
    truth = Truth(system=system, component=program, cause=cause)
    return Kind(name=name, area="process", description=description, cause_it=make, truths=(truth,), **more)


def _unanswered(path: str) -> Any:
    """A request that brings a bug out, and never gets its answer."""

    def make(site: Site) -> None:
        threading.Thread(target=site.ask_shop, args=(path,), kwargs={"wait": 1.0}, daemon=True).start()

    return make


def _deploy_that_does_not_start(site: Site) -> None:
    deploy(site.folder, site=FAULTY["deploy_crash"])
    site.send(signal.SIGKILL)
    # as a deployment does; it fails
    site.supervisor.begin_start(SHOP)


def _fill_memory(site: Site) -> None:
    site.ask_shop(f"/report?mb={MEMORY_LIMIT_MB + 50}")


def _open_all_files(site: Site) -> None:
    site.ask_shop(f"/catalogue?n={OPEN_FILES}")


PROCESS_FAULTS = (
    Kind(
        name="lock_chain",
        area="database",
        description=f"a session of {REPORT} sits idle in a transaction that locks every product",
        cause_it=lambda site: site.start_injector("lock_chain"),
        truths=(Truth(system="shop-database", component="session", cause="idle_in_transaction_holds_locks"),),
        whole=False,
    ),
    Kind(
        name="lock_table",
        area="database",
        description=f"a session of {REPORT} sits idle in a transaction that holds the table of products for itself",
        cause_it=lambda site: site.start_injector("lock_table"),
        truths=(Truth(system="shop-database", component="session", cause="idle_in_transaction_holds_locks"),),
    ),
    Kind(
        name="connection_leak",
        area="database",
        description=f"{EXPORT} holds nearly every connection that the role shop may have, and uses none",
        cause_it=lambda site: site.start_injector("connection_leak"),
        truths=(Truth(system="shop-database", component="connections", cause="leaked_idle_connections"),),
        whole=False,
    ),
    _kind("process_crash", _SHOP, SHOP, "process_exited", "the shop's process was killed and nothing starts it again",
          lambda site: site.send(signal.SIGKILL), whole=False),
    _kind("process_hang", _SHOP, SHOP, "process_stopped",
          "the shop's process is stopped (SIGSTOP): it lives, listens and answers nothing",
          lambda site: site.send(signal.SIGSTOP), whole=False),
    _kind("process_deadlock", _SHOP, SHOP, "process_deadlocked", "the shop waits for a lock that it holds itself",
          _unanswered("/export")),
    _kind("process_spin", _SHOP, SHOP, "process_spinning", "a search keeps the shop's only thread busy for ever",
          _unanswered("/search?q=" + "a" * 40 + "!")),
    _kind("process_memory", _SHOP, SHOP, "process_memory", "the shop keeps what a report computed, beyond its limit",
          _fill_memory),
    _kind("process_files", _SHOP, SHOP, "process_files", "the shop has opened all files that it may, and closes none",
          _open_all_files),
    _kind("deploy_crash", _SHOP, SHOP, "process_crash_loop", "the release that was deployed does not even start",
          _deploy_that_does_not_start),
    _kind("gateway_crash", _SHOP, GATEWAY, "process_exited", "the gateway was killed and nothing starts it again",
          lambda site: site.send(signal.SIGKILL, GATEWAY)),
    _kind("gateway_hang", _SHOP, GATEWAY, "process_stopped", "the gateway is stopped: new connections stay unanswered",
          lambda site: site.send(signal.SIGSTOP, GATEWAY), held_out=True),
    _kind("names_crash", _SHOP, NAMES, "process_exited", "the name server was killed",
          lambda site: site.send(signal.SIGKILL, NAMES), held_out=True),
    _kind("worker_crash", _JOBS, JOBS_WORKER, "process_exited", "the worker of the queue was killed",
          lambda site: site.send(signal.SIGKILL, JOBS_WORKER)),
    _kind("worker_hang", _JOBS, JOBS_WORKER, "process_stopped",
          "the worker is stopped; the health page of its API says that all is well",
          lambda site: site.send(signal.SIGSTOP, JOBS_WORKER)),
    _kind("jobs_api_crash", _JOBS, JOBS_API, "process_exited", "the API of the jobs was killed",
          lambda site: site.send(signal.SIGKILL, JOBS_API), held_out=True),
)  # fmt: skip

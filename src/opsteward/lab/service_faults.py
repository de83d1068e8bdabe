"""Faults of names, of the second application, and of the machine; and several at once."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing, suppress
from typing import Any

from opsteward.lab import jobs
from opsteward.lab.certificates import issue
from opsteward.lab.fault_kind import Kind, Make, Site, Truth
from opsteward.lab.names import NAME, USUAL, set_zone
from opsteward.lab.releases import FAULTY_JOBS, deploy
from opsteward.lab.small_disk import remount
from opsteward.lab.supervision import GATEWAY, JOBS_WORKER, SHOP


def _kind(name: str, area: str, system: str, cause: str, description: str, make: Make, **more: Any) -> Kind:
    truth = Truth(system=system, component="", cause=cause)
    return Kind(name=name, area=area, description=description, cause_it=make, truths=(truth,), **more)


def _zone(name: str, cause: str, description: str, *, held_out: bool = False, **how: object) -> Kind:
    def make(site: Site) -> None:
        set_zone(site.folder, {**USUAL, **how})  # type: ignore[typeddict-item]

    return _kind(name, "network", "shop-name", cause, description, make, held_out=held_out)


def _access(name: str, cause: str, description: str, **more: Any) -> Kind:
    how = {key: more.pop(key) for key in ("ends", "rights", "per_second") if key in more}

    def make(site: Site) -> None:
        given = {**how, "ends": time.time() - 60} if "ends" in how else how
        jobs.set_access(site.folder, site.facts, **given)

    return _kind(name, "api", "jobs-api", cause, description, make, repairable=False, **more)


def _contract(name: str, description: str, *, held_out: bool = False) -> Kind:
    def make(site: Site) -> None:
        deploy(site.folder, jobs=FAULTY_JOBS[name])

    return _kind(name, "api", "jobs-api", "api_contract_drift", description, make, held_out=held_out)


def _poison(site: Site) -> None:
    with closing(jobs.queue(site.folder)) as rows:
        rows.execute("insert into jobs (id, kind, created) values (-1, ?, ?)", (jobs.POISON, time.time()))


def _fill_disk(site: Site) -> None:
    cache = site.folder.disk / "cache"
    with suppress(OSError):
        for number in range(100):
            (cache / f"{number}.tmp").write_bytes(os.urandom(1024) * 1024)


def _fill_inodes(site: Site) -> None:
    cache = site.folder.disk / "cache"
    with suppress(OSError):
        for number in range(10_000):
            (cache / f"{number}.tmp").touch()


def _both(name: str, description: str, truths: tuple[Truth, ...], *makes: Make, **more: Any) -> Kind:
    def make(site: Site) -> None:
        for one in makes:
            one(site)

    return Kind(name=name, area="combined", description=description, cause_it=make, truths=truths, **more)


_CRASHED = Truth(system="shop-processes", component=SHOP, cause="process_exited")
_GATEWAY_CRASHED = Truth(system="shop-processes", component=GATEWAY, cause="process_exited")
_WORKER_HUNG = Truth(system="jobs-processes", component=JOBS_WORKER, cause="process_stopped")
_EXPIRED = Truth(system="shop-page", component="", cause="certificate_expired")
_LOCKED = Truth(system="shop-database", component="session", cause="idle_in_transaction_holds_locks")
_NO_NAME = Truth(system="shop-name", component="", cause="dns_error")

SERVICE_FAULTS = (
    _zone("name_gone", "dns_error", "the shop's name is not in its zone any more", records={}),
    _zone("name_wrong", "dns_unexpected", "the shop's name leads to another machine", records={NAME: ["192.0.2.7"]}),
    _zone("name_slow", "dns_slow", "the name server takes more than a second to answer", delay=1.2),
    _zone("name_unanswered", "dns_unanswered", "the name server drops every question", answers=False, held_out=True),
    _access("token_expired", "credential_expired", "the token that is used for the API has expired", ends=0.0),
    _access("right_missing", "right_missing", "the token may not read jobs any more", rights=()),
    _access("rate_limited", "rate_limited", "the API lets a token make no request at all", per_second=0),
    _contract("contract_field", "the API calls a field otherwise than it promises"),
    _contract("contract_type", "the API gives a number as a text", held_out=True),
    _kind("queue_poisoned", "api", "jobs-api", "operator_check_failed",
          "one job that can't be done holds up all that came after it; all processes run", _poison),
    _kind("job_missed", "host", "jobs-nightly", "job_missed", "the nightly job is not scheduled any more",
          lambda site: jobs.set_schedule(site.folder, nightly=False)),
    _kind("disk_full", "host", "shop-disk", "disk_full", "old files fill the disk", _fill_disk, needs_disk=True),
    _kind("inodes_full", "host", "shop-disk", "disk_full", "as many small files as the disk can hold", _fill_inodes,
          needs_disk=True, held_out=True),
    _kind("disk_read_only", "host", "shop-disk", "disk_read_only", "the disk can only be read",
          lambda site: remount(site.folder, read_only=True), needs_disk=True),
    _both("crash_and_certificate", "the shop's process was killed, and the gateway's certificate has ended",
          (_CRASHED, _EXPIRED), lambda site: issue(site.folder, days=-2), lambda site: site.send(signal.SIGKILL)),
    _both("lock_and_worker", "a forgotten transaction blocks the shop, and the other application's worker hangs",
          (_LOCKED, _WORKER_HUNG), lambda site: site.send(signal.SIGSTOP, JOBS_WORKER),
          lambda site: site.start_injector("lock_chain")),
    _both("gateway_and_name", "the gateway was killed, and the shop's name is gone", (_GATEWAY_CRASHED, _NO_NAME),
          lambda site: set_zone(site.folder, {**USUAL, "records": {}}),
          lambda site: site.send(signal.SIGKILL, GATEWAY), held_out=True),
)  # fmt: skip

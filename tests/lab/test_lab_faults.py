"""Each fault really hurts the shop's customers, and the usual repair really helps them, by their own log."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from supervisor.xmlrpc import SupervisorTransport

from opsteward.core.errors import Conflict, Invalid
from opsteward.lab.faults import FAULTS, Injection
from opsteward.lab.lab import Lab
from opsteward.lab.scoring import SETTLED_AFTER, order_success, recovered

Until = Callable[[Callable[[], object], float], None]
WINDOW = 5.0  # seconds; shorter than what the product proves its repairs with, to keep this module short


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[Lab]:
    lab = Lab(home)
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture(autouse=True)
def well_before(lab: Lab, until: Until) -> Iterator[None]:
    """The level before the fault: a whole window in which every order succeeded. No fault is left behind."""

    def served() -> bool:
        end = time.time() - SETTLED_AFTER
        return order_success(lab.traffic, end - WINDOW, end, rate=lab.facts.rate).share > 0.99

    until(served, 30)
    yield
    lab.clear()


def system(lab: Lab, name: str) -> dict[str, Any]:
    (found,) = [each for each in lab.describe()["systems"] if each["name"] == name]
    return dict(found)


def as_monitor(lab: Lab, query: str, *values: object) -> list[tuple[Any, ...]]:
    database = system(lab, "shop-database")
    who = {"user": database["credentials"]["username"], "password": database["credentials"]["password"]}
    with psycopg.connect(database["endpoint"], autocommit=True, **who) as connection:
        return connection.execute(query, values or None).fetchall()


def as_operator(lab: Lab, method: str) -> Any:
    processes = system(lab, "shop-processes")
    url = processes["endpoint"].removeprefix("supervisor+")
    transport = SupervisorTransport(**processes["credentials"], serverurl=url)
    with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
        return getattr(server.supervisor, method)(processes["settings"]["processes"][0])


def health(lab: Lab) -> tuple[int, dict[str, Any], float]:
    """Status, what it says, and the seconds it took; status 0 without an answer in 1.5 s."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(system(lab, "shop-web")["health_check_url"], timeout=1.5) as answer:
            status, said = answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        status, said = answer.code, json.load(answer)
    except OSError:
        status, said = 0, {}
    return status, said, time.monotonic() - began


def orders_fail(lab: Lab, injection: Injection, until: Until) -> None:
    """Twenty answers in a row without success, to orders that were sent since the fault is in force."""

    def failing() -> bool:
        last = [json.loads(line) for line in lab.traffic.read_text().splitlines()[-20:]]
        return all(order["at"] > injection.in_force_at and not order["ok"] for order in last)

    until(failing, 15)


def prove_recovered(lab: Lab, injection: Injection, until: Until) -> None:
    # a process that was started again listens a moment later than its supervisor says
    until(lambda: health(lab)[0] == 200, 15)
    repaired_at = time.time()
    until(lambda: time.time() > repaired_at + WINDOW + SETTLED_AFTER, WINDOW + SETTLED_AFTER + 1)
    found = recovered(
        lab.traffic,
        rate=lab.facts.rate,
        fault_at=injection.injected_at,
        repaired_at=repaired_at,
        window=WINDOW,
    )
    assert found.recovered, found
    assert health(lab)[0] == 200


def injector_left(lab: Lab, injection: Injection, until: Until) -> None:
    until(lambda: not psutil.pid_exists(injection.details["injector_pid"]), 5)
    assert (lab.folder.log / "injectors.log").read_text() == ""


def check_truth(injection: Injection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(injection.truth_file.read_text())
    truth = FAULTS[injection.fault]
    assert (told["fault"], told["system"], told["component"], told["cause"]) == (
        injection.fault,
        truth.system,
        truth.component,
        truth.cause,
    )
    assert injection.injected_at <= injection.in_force_at <= time.time()
    assert injection.truth_file.stat().st_mode & 0o077 == 0
    return told


def test_the_shop_serves_and_the_monitor_sees_sessions_but_no_orders(lab: Lab) -> None:
    status, said, _ = health(lab)
    assert (status, said["status"], said["database"]) == (200, "ok", "ok")
    assert said["orders"]["success_share"] == 1.0
    with urllib.request.urlopen(system(lab, "shop-web")["endpoint"], timeout=2) as page:
        assert b"Product 20" in page.read()
    assert as_monitor(lab, "select 1 from pg_stat_activity where application_name = 'shop-web' and query <> ''")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_monitor(lab, "select * from orders")


def test_an_order_that_makes_no_sense_is_refused(lab: Lab) -> None:
    no_such, too_many = b'{"product_id": 99, "quantity": 1}', b'{"product_id": 1, "quantity": 999}'
    for body, expected in ((b"{", 422), (b"\xff\x00", 422), (too_many, 422), (no_such, 404)):
        request = urllib.request.Request(lab.facts.shop_url + "/orders", data=body, method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=2)
        assert refused.value.code == expected


def test_an_unknown_fault_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid, match="unknown fault"):
        lab.inject("earthquake")


def test_lock_chain(lab: Lab, until: Until) -> None:
    injection = lab.inject("lock_chain")
    (blocker,) = check_truth(injection)["database_pids"]
    orders_fail(lab, injection, until)
    status, said, seconds = health(lab)
    assert status == 503 and said["orders"]["success_share"] < 0.5 and seconds < 1.5
    roots = as_monitor(
        lab,
        "select distinct root.pid, root.state, root.application_name from pg_stat_activity as waiting"
        " join pg_stat_activity as root on root.pid = any (pg_blocking_pids(waiting.pid))"
        " where cardinality(pg_blocking_pids(root.pid)) = 0",
    )
    assert roots == [(blocker, "idle in transaction", "shop-report")]
    assert as_monitor(lab, "select pg_terminate_backend(%s)", blocker) == [(True,)]
    prove_recovered(lab, injection, until)
    injector_left(lab, injection, until)


def test_connection_leak(lab: Lab, until: Until) -> None:
    injection = lab.inject("connection_leak")
    assert len(check_truth(injection)["database_pids"]) >= 18
    orders_fail(lab, injection, until)
    status, said, seconds = health(lab)
    assert status == 503 and "too many connections for role" in said["database"] and seconds < 1.5
    ended = as_monitor(
        lab,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'shop-export' and state = 'idle'",
    )
    assert len(ended) >= 18
    prove_recovered(lab, injection, until)
    injector_left(lab, injection, until)
    assert as_monitor(lab, "select 1 from pg_stat_activity where application_name = 'shop-export'") == []


def test_process_crash_stays_down_until_somebody_acts(lab: Lab, until: Until) -> None:
    injection = lab.inject("process_crash")
    pid = check_truth(injection)["pid"]
    orders_fail(lab, injection, until)
    assert as_operator(lab, "getProcessInfo")["statename"] == "EXITED"
    with pytest.raises(Conflict):
        lab.inject("process_hang")
    as_operator(lab, "startProcess")
    assert as_operator(lab, "getProcessInfo")["pid"] != pid
    prove_recovered(lab, injection, until)


def test_process_hang_looks_alive_to_the_supervisor(lab: Lab, until: Until) -> None:
    injection = lab.inject("process_hang")
    pid = check_truth(injection)["pid"]
    orders_fail(lab, injection, until)
    assert health(lab)[0] == 0
    info = as_operator(lab, "getProcessInfo")
    assert (info["statename"], info["pid"]) == ("RUNNING", pid)
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    as_operator(lab, "stopProcess")
    as_operator(lab, "startProcess")
    prove_recovered(lab, injection, until)


def test_the_control_is_only_more_orders(lab: Lab, until: Until) -> None:
    usual = lab.facts.rate
    injection = lab.inject("none", rush_seconds=4.0)
    told = check_truth(injection)
    assert told["rate"] == usual * 2.5
    until(lambda: time.time() > told["until"] + SETTLED_AFTER, 10)
    rush = order_success(lab.traffic, injection.in_force_at + 0.2, told["until"], rate=told["rate"])
    assert rush.share > 0.99 and rush.orders > 3 * told["rate"]
    assert health(lab)[0] == 200
    injector_left(lab, injection, until)
    now = time.time()
    after = order_success(lab.traffic, now - 1.5, now - 0.5)
    assert after.orders == pytest.approx(usual, abs=4)


def test_clear_takes_back_what_nobody_repaired(lab: Lab) -> None:
    for fault in ("lock_chain", "process_crash", "process_hang"):
        lab.inject(fault)
        lab.clear()
        assert health(lab)[0] != 0
    assert as_monitor(lab, "select 1 from pg_stat_activity where application_name = 'shop-report'") == []

"""Processes that cause a fault from inside: a report that holds locks, an export that leaks, many orders.

Run by `faults` as `python -m opsteward.lab.injector FAULT HOME [SECONDS]`. Once the fault is in force it
prints one line of JSON, then says nothing more. It ends on SIGTERM, and by itself when its sessions were
terminated.
"""

from __future__ import annotations

import json
import select
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from types import FrameType

import psycopg

from opsteward.lab.folder import ROLE_LIMIT, LabFacts, LabFolder, set_rate

RUSH = 2.5  # times the usual rate
LEAK_WITHIN = 8.0  # seconds in which the leak takes the connections that the shop gives up one by one
REPORT, EXPORT = "shop-report", "shop-export"


def hold_locks(facts: LabFacts, statement: str) -> None:
    """Lock every product in one transaction and never end it."""
    with closing(psycopg.connect(**facts.connect_args("shop", REPORT))) as connection:
        began = time.time()
        connection.execute("set lock_timeout = '5s'")
        connection.execute(statement)
        _report(began, database_pids=[connection.info.backend_pid], application_name=REPORT)
        while not _ended([connection]):
            pass


def leak_connections(facts: LabFacts) -> None:
    """Open connections as the shop's role until none is left, use each once, and never close them."""
    arguments = facts.connect_args("shop", EXPORT)
    held: list[psycopg.Connection] = []
    began = time.time()
    deadline = time.monotonic() + LEAK_WITHIN
    while len(held) < ROLE_LIMIT and time.monotonic() < deadline and not _ended(held, wait=0.001):
        try:
            held.append(psycopg.connect(**arguments, autocommit=True))
            held[-1].execute("select count(*) from orders")
        except psycopg.OperationalError:
            # refused, as long as the shop holds the rest; or already terminated, which the loop sees
            continue
    pids = [connection.info.backend_pid for connection in held if not connection.closed]
    _report(began, database_pids=pids, application_name=EXPORT, role_limit=ROLE_LIMIT)
    while held:
        # what was terminated is not opened again
        ended = _ended(held)
        held = [connection for connection in held if connection not in ended]


def keep_idle_sessions(facts: LabFacts) -> None:
    """A few connections that nobody misses."""
    arguments, began = facts.connect_args("shop", EXPORT), time.time()
    held = [psycopg.connect(**arguments, autocommit=True) for _ in range(3)]
    _report(began, database_pids=[connection.info.backend_pid for connection in held])
    while not _ended(held):
        pass


def run_long_report(facts: LabFacts, seconds: float) -> None:
    """One statement that reads for a while and locks nothing that others need."""
    with closing(psycopg.connect(**facts.connect_args("shop", REPORT), autocommit=True)) as connection:
        _report(time.time(), database_pids=[connection.info.backend_pid])
        connection.execute("select count(*), pg_sleep(%s) from products", (seconds,))


def take_insight(facts: LabFacts) -> None:
    """The monitor may not see others' sessions until we end."""
    with closing(psycopg.connect(**facts.connect_args("postgres", "lab"), autocommit=True)) as connection:
        connection.execute("revoke pg_monitor from shop_monitor")
        try:
            _report(time.time())
            while True:
                time.sleep(60)
        finally:
            connection.execute("grant pg_monitor to shop_monitor")


def keep_busy(seconds: float) -> None:
    """Take a whole processor."""
    _report(time.time())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def rush(folder: LabFolder, seconds: float) -> None:
    """More orders than usual for a while."""
    usual = LabFacts.load(folder).rate
    began = time.time()
    set_rate(folder, usual * RUSH)
    try:
        _report(began, rate=usual * RUSH, usual_rate=usual, until=began + seconds)
        time.sleep(seconds)
    finally:
        set_rate(folder, usual)


def _ended(connections: list[psycopg.Connection], wait: float = 1.0) -> list[psycopg.Connection]:
    """Those on which the server hung up, waiting at most `wait` seconds for the first."""
    ended = [connection for connection in connections if connection.closed]
    if ended:
        return ended
    # An idle session has nothing to say: anything to read is its farewell.
    sockets = {connection.pgconn.socket: connection for connection in connections}
    readable, _, _ = select.select(list(sockets), [], [], wait)
    return [sockets[number] for number in readable]


def _report(began: float, **details: object) -> None:
    print(json.dumps({"injected_at": began, "in_force_at": time.time(), **details}), flush=True)


def _leave(_: int, __: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    """Hold what the arguments name until it is taken away, or until SIGTERM."""
    signal.signal(signal.SIGTERM, _leave)
    fault, folder = sys.argv[1], LabFolder(Path(sys.argv[2]))
    if fault == "lock_chain":
        hold_locks(LabFacts.load(folder), "update products set reported_at = now()")
    elif fault == "lock_table":
        hold_locks(LabFacts.load(folder), "lock table products in share row exclusive mode")
    elif fault == "idle_sessions":
        keep_idle_sessions(LabFacts.load(folder))
    elif fault == "long_report":
        run_long_report(LabFacts.load(folder), float(sys.argv[3]))
    elif fault == "no_insight":
        take_insight(LabFacts.load(folder))
    elif fault == "busy_neighbour":
        keep_busy(float(sys.argv[3]))
    elif fault == "connection_leak":
        leak_connections(LabFacts.load(folder))
    else:
        rush(folder, float(sys.argv[3]))


if __name__ == "__main__":
    main()

"""Fault to verified repair, over rounds, with a check interval of 2 s (aim: median under 10 s).

    python -m bench.repair [ROUNDS [FAULT ...]]

Clock: from the moment the fault is in force until the incident is resolved, which is after the repair was verified
twice on all systems. Each repair must also show in the shop's traffic: at least 99 % of the orders of the following
seconds succeed. Limit: the same repairs by hand (`lab clear`), by somebody who knows the cause and was standing by,
plus half a check interval for noticing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.instance import Instance, quantile, running, temporary_folder
from opsteward.cli.shop import register_shop
from opsteward.lab.lab import Lab
from opsteward.lab.scoring import SETTLED_AFTER, order_success

FAULTS = ("lock_chain", "connection_leak", "process_crash", "process_hang")
INTERVAL = 2.0
WITHIN = 90.0
PROOF = 5.0  # seconds of traffic that prove a round


def measure(lab: Lab, instance: Instance, fault: str) -> tuple[float, bool, float]:
    """One round: seconds to verified repair, whether it was resolved, share of orders afterwards."""
    before = {i["id"] for i in instance.client.get("/api/v1/incidents", limit=500)["items"]}
    began = lab.inject(fault).in_force_at
    status, ended = "", 0.0
    while time.time() < began + WITHIN:
        new = [i for i in instance.client.get("/api/v1/incidents", limit=20)["items"] if i["id"] not in before]
        status = new[-1]["status"] if new else ""
        ended = time.time()
        if status in ("resolved", "escalated"):
            break
        time.sleep(0.05)
    time.sleep(PROOF + SETTLED_AFTER)
    share = order_success(lab.traffic, ended, ended + PROOF, rate=lab.facts.rate).share
    if status != "resolved" or share < 0.99:
        lab.clear()
    return ended - began, status == "resolved", share


def by_hand(lab: Lab, fault: str) -> float:
    """Seconds that undoing the known fault takes."""
    lab.inject(fault)
    time.sleep(2.0)
    began = time.time()
    lab.clear()
    return time.time() - began


def main(rounds: int = 10, faults: Sequence[str] = FAULTS) -> None:
    console = Console()
    table = Table("fault", "rounds", "repaired", "median s", "p95 s", "by hand s", "ratio", "worst orders after")
    with temporary_folder() as folder:
        lab = Lab(folder / "lab")
        lab.start()
        try:
            limits = {fault: by_hand(lab, fault) + INTERVAL / 2 for fault in faults}
            time.sleep(5)
            with running(folder / "ops") as instance:
                register_shop(instance.client, lab, check_interval=INTERVAL)
                time.sleep(3 * INTERVAL)
                for fault in faults:
                    found = [
                        measure(lab, instance, fault)
                        for _ in track(range(rounds), fault, console=console, transient=True)
                    ]
                    times = [seconds for seconds, _, _ in found]
                    median = quantile(times, 0.5)
                    table.add_row(
                        fault, str(rounds), f"{sum(ok for _, ok, _ in found)}", f"{median:.1f}",
                        f"{quantile(times, 0.95):.1f}", f"{limits[fault]:.1f}", f"{median / limits[fault]:.1f}",
                        f"{min(share for _, _, share in found):.1%}",
                    )  # fmt: skip
        finally:
            lab.stop()
    console.print(f"Fault to verified repair, check interval {INTERVAL:g} s (aim: median under 10 s)")
    console.print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:] or FAULTS)

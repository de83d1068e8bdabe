"""How many alerts people get, through a running instance in real time: a target that flaps (4 s well, 4 s not, checked
every 2 s, for 3 minutes), and a parent that goes down with its 200 children.

Aims: one alert for the flapping one, one page for the parent and its children. Counted are incidents, and the messages
to people that the log names.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from bench.health import targets
from bench.instance import Instance, running, temporary_folder

FLAPPING_SECONDS = float(os.environ.get("BENCH_SECONDS", "180"))
CHILDREN = int(os.environ.get("BENCH_CHILDREN", "200"))
INTERVAL = 2.0


def register(instance: Instance, url: str, name: str, *needs: str, interval: float = INTERVAL) -> None:
    system = {
        "name": name, "type": "api", "endpoint": f"{url}/t/{name}", "depends_on": list(needs),
        "settings": {"check_interval": interval},
    }  # fmt: skip
    instance.client.post("/api/v1/systems", system)


def incidents(instance: Instance) -> list[dict[str, Any]]:
    return list(instance.client.get("/api/v1/incidents", limit=500)["items"])


def statuses(instance: Instance) -> Counter[str]:
    found = instance.client.get("/api/v1/systems", limit=1000)["items"]
    return Counter(one["health"]["status"] for one in found)


def wait_for(instance: Instance, status: str, count: int, *, seconds: float) -> float:
    """Seconds until so many systems have this health."""
    began = time.monotonic()
    while statuses(instance)[status] < count and time.monotonic() - began < seconds:
        time.sleep(0.5)
    return time.monotonic() - began


def messages(log: Path) -> int:
    """Messages to people, as the log names them."""
    return log.read_text(errors="replace").count("event.notice.sent_to_")


def flapping(instance: Instance, url: str, log: Path) -> None:
    register(instance, url, "flapping")
    wait_for(instance, "healthy", 1, seconds=30)
    before = messages(log)
    time.sleep(FLAPPING_SECONDS)
    found = incidents(instance)
    print(f"flapping for {FLAPPING_SECONDS:.0f} s: {len(found)} incidents, {messages(log) - before} messages (aim 1)")


def parent_with_children(instance: Instance, url: str, log: Path) -> None:
    names = [f"child-{number}" for number in range(CHILDREN)]
    register(instance, url, "parent", interval=10)
    for name in names:
        register(instance, url, name, "parent", interval=10)
    wait_for(instance, "healthy", CHILDREN + 1, seconds=120)
    before, known = messages(log), len(incidents(instance))
    httpx.get(f"{url}/fail/{','.join(['parent', *names])}")
    took = wait_for(instance, "down", CHILDREN + 1, seconds=60)
    time.sleep(15)
    made = len(incidents(instance)) - known
    print(
        f"parent and {CHILDREN} children down after {took:.1f} s: {made} incidents, {messages(log) - before} messages"
    )
    print(f"health of all systems: {dict(statuses(instance))} (aim: one incident)")
    for incident in incidents(instance)[:made]:
        print(f"  {incident['title']} ({incident['status']})")


def main() -> None:
    with targets() as url, temporary_folder() as folder:
        log = folder / "home.log"
        with running(folder / "home") as instance:
            flapping(instance, url, log)
            parent_with_children(instance, url, log)
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

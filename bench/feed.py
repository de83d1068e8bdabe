"""The live feed: 200 followers, one of them stalled; how late the others hear (aim: p95 under 250 ms), and how fast one
that was away for 1,000 changes has them all.

The followers live in a process of their own, so that their work is not the server's. A delay is the time from the
change's own instant, taken before its commit, until the follower has read it.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect

from bench.instance import quantile, running, temporary_folder

FOLLOWERS = 200
SECONDS = 20.0
TASKS_A_SECOND = 20  # each is two changes: submitted and completed
AWAY = 1000


async def _follow(url: str, token: str, delays: list[float], numbers: list[int], total: list[int]) -> None:
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        async for text in socket:
            change = json.loads(text)
            if "at" in change:
                delays.append((datetime.now(UTC) - datetime.fromisoformat(change["at"])).total_seconds())
                numbers.append(change["id"])
                total[0] += 1


async def _follow_all(url: str, token: str, pipe: Connection, changes: int) -> dict[str, Any]:
    delays: list[list[float]] = [[] for _ in range(FOLLOWERS - 1)]
    numbers: list[list[int]] = [[] for _ in range(FOLLOWERS - 1)]
    total = [0]
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}, max_queue=1):  # never read
        tasks = [
            asyncio.create_task(_follow(url, token, mine, seen, total))
            for mine, seen in zip(delays, numbers, strict=True)
        ]
        await asyncio.sleep(2.0)
        pipe.send("ready")
        deadline = time.monotonic() + SECONDS + 30
        while total[0] < changes * (FOLLOWERS - 1) and time.monotonic() < deadline:  # noqa: ASYNC110 - read below
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    whole = sum(seen == list(range(seen[0], seen[0] + changes)) for seen in numbers if seen)
    return {"delays": [one for mine in delays for one in mine], "whole": whole}


def _followers(url: str, token: str, pipe: Connection, changes: int) -> None:
    pipe.send(asyncio.run(_follow_all(url, token, pipe, changes)))


def _load(base: str, token: str) -> None:
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}) as http:
        began = time.monotonic()
        for number in range(int(SECONDS * TASKS_A_SECOND)):
            time.sleep(max(0.0, began + number / TASKS_A_SECOND - time.monotonic()))
            http.post("/api/v1/tasks", json={"task_type": "opsteward.echo"}).raise_for_status()


async def _come_back(url: str, token: str, base: str) -> tuple[float, bool]:
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(url, additional_headers=headers) as socket:
        last = json.loads(await socket.recv())["last_event_id"]
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as http:
        for _ in range(AWAY):
            await http.post("/api/v1/tasks", json={"task_type": "opsteward.echo", "delay": 86_400})
    began = time.monotonic()
    async with connect(f"{url}?last_event_id={last}", additional_headers=headers) as socket:
        await socket.recv()
        seen = [json.loads(await socket.recv())["id"] for _ in range(AWAY)]
    return time.monotonic() - began, seen == list(range(last + 1, last + AWAY + 1))


def main() -> int:
    changes = int(SECONDS * TASKS_A_SECOND) * 2
    with temporary_folder() as folder, running(folder / "ops") as instance:
        base, token = instance.client.url, (instance.home / "token").read_text()
        url = base.replace("http", "ws") + "/ws"
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        followers = multiprocessing.get_context("spawn").Process(target=_followers, args=(url, token, theirs, changes))
        followers.start()
        assert ours.recv() == "ready"
        _load(base, token)
        found = ours.recv()
        followers.join()
        back, in_order = asyncio.run(_come_back(url, token, base))
    delays = found["delays"]
    table = Table("what", "measured", "aim")
    table.add_row("followers, of them stalled", f"{FOLLOWERS}, 1", "")
    table.add_row(
        "changes a second, told a second", f"{TASKS_A_SECOND * 2}, {TASKS_A_SECOND * 2 * (FOLLOWERS - 1)}", ""
    )
    table.add_row("followers that heard all in order", f"{found['whole']} of {FOLLOWERS - 1}", f"{FOLLOWERS - 1}")
    for share in (0.5, 0.95, 0.99):
        aim = "250 ms" if share == 0.95 else ""
        table.add_row(f"delay p{share * 100:.0f}", f"{quantile(delays, share) * 1000:.0f} ms", aim)
    table.add_row("delay, longest", f"{max(delays) * 1000:.0f} ms", "")
    table.add_row(f"back after {AWAY:,} changes", f"{back * 1000:.0f} ms, in order: {in_order}", "all, in order")
    Console().print(table)
    return 0 if found["whole"] == FOLLOWERS - 1 and in_order else 1


if __name__ == "__main__":
    sys.exit(main())

"""The live feed: 200 followers, one of them stalled; how late the others hear (aim: p95 under 250 ms), and how fast one
that was away for 1,000 changes has them all.

The followers live in a process of their own, so that their work is not the server's. A delay is the time from the
change's own instant, taken before its commit, until the follower has read it. The stalled one asks for everything from
the start and reads nothing: what little may wait for it is full before the others hear their first change. In the end
it reads on, and has to get everything as well.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from bench.instance import quantile, running, temporary_folder

FOLLOWERS = 200
SECONDS = 20.0
TASKS_A_SECOND = 20  # each is two changes: submitted and completed
AWAY = 1000


@dataclass
class Heard:
    """What one follower heard: each change's number, in the order of arrival, and how late it was."""

    before: int = 0  # the last change before it began to follow
    numbers: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    def is_whole(self, changes: int) -> bool:
        """Every change since it began, each once and in order."""
        return len(self.numbers) >= changes and self.numbers == list(
            range(self.before + 1, self.before + 1 + len(self.numbers))
        )


async def _follow(url: str, token: str, heard: Heard) -> None:
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        heard.before = json.loads(await socket.recv())["last_event_id"]
        async for text in socket:
            change = json.loads(text)
            heard.delays.append((datetime.now(UTC) - datetime.fromisoformat(change["at"])).total_seconds())
            heard.numbers.append(change["id"])


async def _stall(url: str, token: str) -> ClientConnection:
    """Connected, from the first change on, with a short buffer of its own, and never read until the end."""
    taking = socket.socket()
    taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    taking.setblocking(False)
    address = urlsplit(url)
    await asyncio.get_running_loop().sock_connect(taking, (address.hostname, address.port))
    headers = {"Authorization": f"Bearer {token}"}
    return await connect(
        f"{url}?last_event_id=0", sock=taking, additional_headers=headers, max_queue=1, compression=None,
        ping_interval=None,
    )  # fmt: skip


async def _read_on(stalled: ClientConnection, until: int) -> list[int]:
    await stalled.recv()  # the greeting
    numbers: list[int] = []
    async with asyncio.timeout(60):
        while not numbers or numbers[-1] < until:
            numbers.append(json.loads(await stalled.recv())["id"])
    return numbers


async def _sent(url: str, token: str) -> int:
    """How many messages the server has got rid of, by its own count."""
    base = url.replace("ws", "http", 1).removesuffix("/ws")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        lines = (await http.get(f"{base}/metrics")).raise_for_status().text.splitlines()
    return int(next(float(line.split()[1]) for line in lines if line.startswith("opsteward_ws_messages_total ")))


async def _follow_all(url: str, token: str, pipe: Connection, changes: int) -> dict[str, Any]:
    stalled = await _stall(url, token)
    all_heard = [Heard() for _ in range(FOLLOWERS - 1)]
    tasks = [asyncio.create_task(_follow(url, token, heard)) for heard in all_heard]
    await asyncio.sleep(2.0)
    pipe.send("ready")
    deadline = time.monotonic() + SECONDS + 120
    while min(len(heard.numbers) for heard in all_heard) < changes and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    last = max(heard.numbers[-1] for heard in all_heard if heard.numbers)
    taken = await _sent(url, token) - AWAY - sum(len(heard.numbers) for heard in all_heard)
    began = time.monotonic()
    late = await _read_on(stalled, last)
    await stalled.close()
    return {
        "delays": [one for heard in all_heard for one in heard.delays],
        "whole": sum(heard.is_whole(changes) for heard in all_heard),
        "least": min(len(heard.numbers) for heard in all_heard),
        "late": late == list(range(1, last + 1)),
        "late_count": last,
        "late_taken": taken,
        "late_seconds": time.monotonic() - began,
    }


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
    with temporary_folder() as folder, running(folder / "ops", ws_stall_timeout=300) as instance:
        base, token = instance.client.url, (instance.home / "token").read_text()
        url = base.replace("http", "ws") + "/ws"
        back, in_order = asyncio.run(_come_back(url, token, base))
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        followers = multiprocessing.get_context("spawn").Process(target=_followers, args=(url, token, theirs, changes))
        followers.start()
        assert ours.recv() == "ready"
        _load(base, token)
        found = ours.recv()
        followers.join()
    delays = found["delays"]
    table = Table("what", "measured", "aim")
    table.add_row("followers, of them stalled", f"{FOLLOWERS}, 1", "")
    table.add_row(
        "changes a second, told a second", f"{TASKS_A_SECOND * 2}, {TASKS_A_SECOND * 2 * (FOLLOWERS - 1)}", ""
    )
    table.add_row(
        "followers that heard all in order",
        f"{found['whole']} of {FOLLOWERS - 1}, each {found['least']:,} or more",
        f"all, {changes:,}",
    )
    table.add_row("changes that the stalled one took before it stalled", f"{found['late_taken']:,}", "")
    table.add_row(
        f"the stalled one, when it reads on: {found['late_count']:,} changes",
        f"{found['late_seconds'] * 1000:.0f} ms, in order: {found['late']}",
        "all, in order",
    )
    for share in (0.5, 0.95, 0.99):
        aim = "250 ms" if share == 0.95 else ""
        table.add_row(f"delay p{share * 100:.0f}", f"{quantile(delays, share) * 1000:.0f} ms", aim)
    table.add_row("delay, longest", f"{max(delays) * 1000:.0f} ms", "")
    table.add_row(f"back after {AWAY:,} changes", f"{back * 1000:.0f} ms, in order: {in_order}", "all, in order")
    Console().print(table)
    return 0 if found["whole"] == FOLLOWERS - 1 and in_order and found["late"] else 1


if __name__ == "__main__":
    sys.exit(main())

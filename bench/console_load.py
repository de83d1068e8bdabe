"""Many open pages of the console, and many page views at once, against one process.

1,000 pages of 20 operators are open as browsers hold them, by one stream each; then an incident is opened. Aims: every
stream is told within 1 s, and they add less than 250 MB, 50 kB each. Then 400 page views come at once from one operator
while another goes on working: no answer is a 5xx, and the other's p95 is under 1 s.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import aiohttp
import httpx
import psutil
from rich.table import Table

from bench.instance import Instance, quantile

PAGES, OPERATORS, VIEWS = 1000, 20, 400
_TOLD_WITHIN = 20.0  # seconds after which a page counts as not told
_VIEWED = ("/", "/incidents", "/users", "/systems", "/tasks", "/enrollments", "/audit", "/approvals")


async def measure(instance: Instance, cookie: str) -> Table:
    """All figures of it."""
    table = Table("what", "measured", "aim")
    process = psutil.Process(instance.process.pid)
    url, token = instance.client.url, (instance.home / "token").read_text()
    cookies = await asyncio.to_thread(_operators, url, token)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as client:
        await _open_pages(client, process, cookies, token, table)
        await _views(client, process, cookies[0], cookie, table)
    return table


def _operators(url: str, token: str) -> list[str]:
    """The cookies of as many operators' sessions."""
    found = []
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as api:
        for number in range(OPERATORS):
            name = f"on call {number}"
            api.post("/api/v1/operators", json={"name": name, "roles": ["operator"]}).raise_for_status()
            made = api.post("/api/v1/tokens", json={"operator": name}).raise_for_status().json()
            answer = httpx.post(f"{url}/sign-in", data={"token": made["token"]}, headers={"Origin": url}, timeout=60)
            found.append(answer.cookies["opsteward_session"])
    return found


async def _open_pages(
    client: aiohttp.ClientSession, process: psutil.Process, cookies: list[str], token: str, table: Table
) -> None:
    before = process.memory_info().rss
    opened = [asyncio.Event() for _ in range(PAGES)]
    told: list[float] = []
    pages = [
        asyncio.create_task(_page(client, cookies[number % OPERATORS], opened[number], told)) for number in range(PAGES)
    ]
    await asyncio.gather(*(one.wait() for one in opened))
    held = process.memory_info().rss - before
    event = {
        "message": "database connection lost",
        "source": "till",
        "error_type": "ConnectionLost",
        "severity": "high",
    }
    headers = {"Authorization": f"Bearer {token}"}
    began = time.perf_counter()
    async with client.post("/api/v1/events", json=event, headers=headers) as answer:
        answer.raise_for_status()
    await asyncio.wait(pages, timeout=_TOLD_WITHIN)
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)
    last = max(told, default=float("inf")) - began
    table.add_row(
        f"{PAGES:,} open pages: memory", f"{held / 1e6:.0f} MB, {held / PAGES / 1000:.0f} kB each", "250 MB, 50 kB"
    )
    table.add_row("told of an incident", f"{len(told):,} of {PAGES:,}, the last after {last:.2f} s", "all, 1 s")


async def _page(client: aiohttp.ClientSession, cookie: str, opened: asyncio.Event, told: list[float]) -> None:
    """Open a stream, and note when it first says that something changed."""
    headers = {"Cookie": f"opsteward_session={cookie}"}
    async with client.get("/console/stream?about=incident", headers=headers) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            opened.set()
            if line.startswith(b"event: change"):
                told.append(time.perf_counter())
                return


async def _views(client: aiohttp.ClientSession, process: psutil.Process, busy: str, other: str, table: Table) -> None:
    statuses: Counter[int] = Counter()
    taken: list[float] = []
    done = asyncio.Event()

    async def view(path: str, cookie: str) -> float:
        began = time.perf_counter()
        async with client.get(path, headers={"Cookie": f"opsteward_session={cookie}"}, allow_redirects=False) as answer:
            await answer.read()
            statuses[answer.status] += 1
        return time.perf_counter() - began

    async def work_on() -> None:
        while not done.is_set():
            for path in _VIEWED:
                taken.append(await view(path, other))

    beside = asyncio.create_task(work_on())
    began, before = time.perf_counter(), process.memory_info().rss
    await asyncio.gather(*(view(_VIEWED[number % len(_VIEWED)], busy) for number in range(VIEWS)))
    whole = time.perf_counter() - began
    done.set()
    await beside
    bad = sum(number for status, number in statuses.items() if status >= 500)
    grown = (process.memory_info().rss - before) / 1e6
    table.add_row(f"{VIEWS} page views at once", f"{bad} x 5xx, all after {whole:.1f} s, {grown:+.0f} MB", "0 x 5xx")
    table.add_row("another operator meanwhile, p95", f"{quantile(taken, 0.95):.2f} s of {len(taken)}", "1 s")

"""The console, page by page, in a large installation with a team's usual week: `python -m bench.console`.

- Start to ready (aim: under 2 s) and memory when idle (aim: under 120 MB).
- Each page at 100,000 users, 10,000 incidents and 700 systems: the server's time (aim: p95 under 60 ms), what is
  transferred at first and afterwards (aims: 120 kB and 30 kB), and the largest contentful paint (aim: 500 ms).
- 1,000 open pages and 400 page views at once (`bench.console_load`).
- What people come for, in clicks and seconds (`bench.console_tasks`).

`--only` takes some of pages, load, tasks, or none; `--usual` leaves the large installation out; `--screenshots FOLDER`
takes every page as pictures. It says what it is doing, and
takes under five minutes. Limit: the browser, the server and its database share the machine, so on one that does other
things the figures are upper bounds; the load average stands beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console
from rich.table import Table

from bench import console_load, console_screenshots, console_tasks
from bench.console_population import Population, populate, populate_large
from bench.instance import Instance, quantile, running, settle, temporary_folder
from opsteward.console.routes import ROUTES

ASKED = 20  # times each page is asked for
OPENED = 3  # times each page is opened in the browser
PARTS = ("pages", "load", "tasks")
#: Aims: seconds of the server (p95), bytes at first and afterwards, seconds to the largest contentful paint.
SERVER_AIM, FIRST_AIM, AFTER_AIM, PAINT_AIM = 0.060, 120_000, 30_000, 0.500
console = Console()
_BEGAN = time.monotonic()
#: The largest contentful paint in milliseconds, and the bytes that came over the wire for a page and its parts.
_SEEN = """() => new Promise((done) => {
  new PerformanceObserver((list) => {
    const paints = list.getEntries();
    const parts = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    done([paints[paints.length - 1].startTime, parts.reduce((sum, one) => sum + one.transferSize, 0)]);
  }).observe({type: 'largest-contentful-paint', buffered: true});
})"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A page as the browser saw it: bytes and seconds."""

    first: int
    after: int
    paint: float


def say(words: str) -> None:
    """What is done now, with the seconds since the beginning."""
    console.print(f"{time.monotonic() - _BEGAN:6.1f} s  {words}", highlight=False)


def paths_of(population: Population) -> dict[str, str]:
    """Every page by a name: those with an address of their own, and one of each kind of thing."""
    plain = {route.path: route.path for route in ROUTES if route.method == "GET" and "{" not in route.path}
    del plain["/console/components"]  # in development only
    return {**plain, **population.paths}


def ask(url: str, cookie: str, paths: dict[str, str]) -> dict[str, list[float]]:
    """The seconds of each answer, asked for one after the other."""
    times: dict[str, list[float]] = {}
    with httpx.Client(base_url=url, cookies={"opsteward_session": cookie}, timeout=60) as client:
        for name, path in paths.items():
            client.get(path).raise_for_status()
            times[name] = []
            for _ in range(ASKED):
                began = time.perf_counter()
                client.get(path).raise_for_status()
                times[name].append(time.perf_counter() - began)
    return times


async def look(browser: Browser, url: str, cookie: str, paths: dict[str, str]) -> dict[str, Seen]:
    """Each page as a browser sees it that was never here, and as one that was."""
    seen = {}
    for name, path in paths.items():
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        await context.add_cookies([{"name": "opsteward_session", "value": cookie, "url": url}])
        page = await context.new_page()
        first = await _open(page, url + path)
        again = [await _open(page, url + path) for _ in range(OPENED)]
        seen[name] = Seen(
            first=round(first[1]),
            after=round(again[-1][1]),
            paint=quantile([first[0], *(one[0] for one in again)], 0.5) / 1000,
        )
        await context.close()
    return seen


async def _open(page: Page, address: str) -> tuple[float, float]:
    await page.goto(address, wait_until="load")
    paint, size = await page.evaluate(_SEEN)
    return float(paint), float(size)


def report(times: dict[str, list[float]], seen: dict[str, Seen]) -> Table:
    """A row for each page; what misses its aim is marked."""
    table = Table("page", "server p50, ms", "p95, ms", "first, kB", "after, kB", "painted, ms")
    for name, taken in times.items():
        one, slow = seen[name], quantile(taken, 0.95)
        table.add_row(
            name,
            f"{1000 * quantile(taken, 0.5):.0f}",
            _told(1000 * slow, 1000 * SERVER_AIM),
            _told(one.first / 1000, FIRST_AIM / 1000),
            _told(one.after / 1000, AFTER_AIM / 1000),
            _told(1000 * one.paint, 1000 * PAINT_AIM),
        )
    table.add_row("aim", "", f"{1000 * SERVER_AIM:.0f}", f"{FIRST_AIM / 1000:.0f}", f"{AFTER_AIM / 1000:.0f}", "500")
    return table


def _told(value: float, aim: float) -> str:
    return f"[red]{value:.0f} ✗[/red]" if value > aim else f"{value:.0f}"


def sign_in(url: str, token: str) -> str:
    """The cookie of a new session."""
    answer = httpx.post(f"{url}/sign-in", data={"token": token}, headers={"Origin": url}, timeout=30)
    return answer.cookies["opsteward_session"]


async def measure(instance: Instance, population: Population, parts: list[str], pictures: Path | None) -> None:
    """What was asked for, of an instance that is filled."""
    url, token = instance.client.url, (instance.home / "token").read_text()
    cookie = sign_in(url, token)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        if "pages" in parts:
            say("each page, asked for by HTTP")
            paths = paths_of(population)
            times = await asyncio.to_thread(ask, url, cookie, paths)
            say("each page, in Chromium")
            console.print(report(times, await look(browser, url, cookie, paths)))
        if pictures is not None:
            say("a picture of each page at three sizes, light and dark")
            wide = await console_screenshots.take(browser, url, cookie, paths_of(population), pictures)
            say(f"wider than the window: {', '.join(wide) or 'none'}")
        if "tasks" in parts:
            say("what people come for, and a search as it is typed")
            console.print(await console_tasks.measure(browser, instance, cookie, population))
        await browser.close()
    if "load" in parts:
        say("1,000 open pages, and 400 page views at once")
        console.print(await console_load.measure(instance, cookie))


def main() -> None:
    """Start an instance, fill it, measure, and print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    arguments.add_argument("--usual", action="store_true", help="without the large installation")
    arguments.add_argument("--screenshots", type=Path, metavar="FOLDER", help="every page as pictures, into here")
    given = arguments.parse_args()
    if given.screenshots is not None:
        given.screenshots.mkdir(parents=True, exist_ok=True)
    with temporary_folder() as folder:
        with running(folder / "home"):
            pass  # the first start makes the database; the second is the usual one
        with running(folder / "home") as instance:
            settle(instance)
            memory = psutil.Process(instance.process.pid).memory_info().rss / 1e6
            say(f"started: ready after {instance.ready:.2f} s (aim 2), idle at {memory:.0f} MB (aim 120)")
            headers = {"Authorization": f"Bearer {(instance.home / 'token').read_text()}"}
            if not given.usual:
                say("filling it: 100,000 users, 10,000 incidents, 700 systems")
                populate_large(instance.home, f"{instance.client.url}/livez")
            with httpx.Client(base_url=instance.client.url, headers=headers, timeout=60) as api:
                population = populate(instance.home, api)
            asyncio.run(measure(instance, population, given.only, given.screenshots))
    say(f"load average of the last five minutes: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

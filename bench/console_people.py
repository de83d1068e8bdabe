"""The console's users page at 100,000 users: from the last key of a search until its rows stand in the page.

Timed inside Chromium, from the input event to the change of the list; the wait of 150 ms for the typing to rest is
part of it, and told apart. Beside it, the server's side of the same searches, without a browser. The users are put
there by SQL, since how they came is not what is measured.

Limit: one browser tab, one machine that does other things too.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from pathlib import Path

import httpx
import psycopg
from playwright.async_api import Page, async_playwright
from rich.console import Console
from rich.table import Table

from bench.instance import Instance, quantile, running, temporary_folder
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres

USERS = 100_000
ASKED = 60
RESTS = 0.200  # seconds: the page's own wait for the typing to rest
BOX = "Part of a name, username or address"

_FILL = """
insert into opsteward.users (id, tenant_id, username, username_key, email, email_key, full_name, status, role,
    department, permissions, system_access, profile_data, tags, source, created_by, holds_names, version,
    created_at, updated_at)
select gen_random_uuid(), t.id, 'user' || n, 'user' || n, 'user' || n || '@example.com', 'user' || n || '@example.com',
    (array['Ada','Grace','Alan','Zoë','Mary','Ben','Håkon','Ines','Jo','Kim'])[1 + n %% 10] || ' ' ||
    (array['Silva','Novak','Weber','Rossi','Costa','Kaya','Chen'])[1 + n %% 7] || ' ' || n,
    case when n %% 10 = 0 then 'inactive' else 'active' end,
    case when n %% 7 = 0 then 'premium_user' else 'standard_user' end, 'dept' || n %% 20, '{read_basic}',
    '{main_app}', '{}', '{}', 'bench', 'system:bench', true, 1, now() - n * interval '1 minute', now()
from opsteward.tenants t, generate_series(1, %s) n where t.name = 'default'
"""
#: Sets the box's text as a key does, and gives the milliseconds until the list of users has changed.
_TYPE = """
(typed) => new Promise((done) => {
  const box = document.querySelector('input[type=search]');
  const began = performance.now();
  const list = document.getElementById('main');
  const seen = new MutationObserver((changes) => {
    if (!changes.some((one) => one.target.closest && !one.target.closest('.filters'))) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  });
  seen.observe(list, {subtree: true, childList: true, characterData: true});
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(box, typed);
  box.dispatchEvent(new Event('input', {bubbles: true}));
})
"""


def searches() -> dict[str, list[str]]:
    """What is typed, by kind: each finds other users than the one before it."""
    numbers = random.sample(range(10_000, USERS), ASKED)
    names = ["Ada Silva", "Grace Novak", "Alan Weber", "Zoë Rossi", "Mary Costa", "Ben Kaya", "Håkon Chen"]
    return {
        "one found": [f"user{number}@ex" for number in numbers],
        "thousands found": [names[number % len(names)] for number in range(ASKED)],
        "none found, then some": [f"nobody {n}" if n % 2 else f"ER{numbers[n]}" for n in range(ASKED)],
    }


async def serve(instance: Instance, table: Table) -> None:
    """The answers of the same searches to the API."""
    headers = {"Authorization": f"Bearer {(instance.home / 'token').read_text()}"}
    async with httpx.AsyncClient(base_url=instance.client.url, headers=headers, timeout=60) as client:
        for what, typed in searches().items():
            times = []
            for words in typed:
                began = time.perf_counter()
                (await client.get("/api/v1/users", params={"search": words})).raise_for_status()
                times.append(time.perf_counter() - began)
            row(table, f"API: {what}", times)


def sign_in(instance: Instance) -> str:
    """The cookie of a session, once the console answers."""
    url = instance.client.url
    token = (instance.home / "token").read_text()
    answer = httpx.post(f"{url}/sign-in", data={"token": token}, headers={"Origin": url}, timeout=30)
    cookie = answer.cookies["opsteward_session"]
    while httpx.get(f"{url}/users", cookies={"opsteward_session": cookie}, timeout=30).status_code == 503:
        time.sleep(0.1)
    return cookie


async def look(instance: Instance, table: Table, cookie: str) -> None:
    """The page: its opening, then each search as it is typed."""
    url = instance.client.url
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        await page.context.add_cookies([{"name": "opsteward_session", "value": cookie, "url": url}])
        opened = []
        for _ in range(10):
            began = time.perf_counter()
            await _open(page, url)
            opened.append(time.perf_counter() - began)
        row(table, "page: opened, rows there", opened)
        for what, typed in searches().items():
            await _open(page, url)
            times = [await page.evaluate(_TYPE, words) / 1000 for words in typed]
            row(table, f"page: {what}", times)
            row(table, f"page: {what}, after the rest", [each - RESTS for each in times])
        await browser.close()


async def _open(page: Page, url: str) -> None:
    await page.goto(f"{url}/users")
    await page.locator("#found tbody tr").nth(49).wait_for()
    await page.get_by_label(BOX).focus()


def row(table: Table, what: str, times: list[float]) -> None:
    """p50, p95 and the longest, in milliseconds."""
    table.add_row(what, *(f"{1000 * quantile(times, share):.0f}" for share in (0.5, 0.95, 1.0)))


async def measure(instance: Instance, cookie: str) -> Table:
    """All figures of one instance."""
    with psycopg.connect(EmbeddedPostgres(instance.home).url(EMBEDDED_DATABASE), autocommit=True) as connection:
        connection.execute(_FILL, (USERS,))
        connection.execute("vacuum analyze opsteward.users")
    table = Table(f"at {USERS:,} users", "p50, ms", "p95, ms", "most, ms")
    await serve(instance, table)
    await look(instance, table, cookie)
    return table


def main(folder: Path) -> None:
    """Measure an instance in this folder, and print the table."""
    with running(folder / "home") as instance:
        Console().print(asyncio.run(measure(instance, sign_in(instance))))


if __name__ == "__main__":
    with temporary_folder() as temporary:
        main(temporary)
    sys.exit(0)

"""A running instance in a home of its own, and browsers that look at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from support.homes import temporary_home

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_START = 40.0  # seconds; a warm start takes two
DESK = (1440, 900)
PHONE = (390, 844)

expect.set_options(timeout=15_000)  # a loaded machine is slow, not wrong


@dataclass
class Served:
    """An `opsteward up` of the tests' own, and what its first start told."""

    url: str
    link: str
    home: Path
    process: subprocess.Popen[str]
    answers_while_loading: list[tuple[int, str]] = field(default_factory=list)

    @property
    def lists(self) -> Path:
        """A folder whose files may be systems."""
        return self.home.parent / f"{self.home.name}.lists"

    @property
    def token(self) -> str:
        return (self.home / "token").read_text()

    def api(self, token: str | None = None) -> httpx.Client:
        """A client with the first operator's token, or another's."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token or self.token}"}, timeout=15)

    def session(self, token: str | None = None) -> str:
        """The cookie of a new browser session."""
        answer = httpx.post(
            f"{self.url}/sign-in", data={"token": token or self.token}, headers={"Origin": self.url}, timeout=15
        )
        return answer.cookies["opsteward_session"]

    def operator(self, name: str, role: str) -> str:
        """A new operator's token."""
        with self.api() as api:
            api.post("/api/v1/operators", json={"name": name, "roles": [role]}).raise_for_status()
            return str(api.post("/api/v1/tokens", json={"operator": name}).raise_for_status().json()["token"])

    def send(self, **event: Any) -> dict[str, Any]:
        """Take in one event; gives what became of it."""
        with self.api() as api:
            answer = api.post("/api/v1/events", json=event).raise_for_status().json()
        return dict(answer["events"][0])


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """Up with its console loaded; at the end it must stop by itself when asked, and have logged no error."""
    if _CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with temporary_home() as home, _running(home) as one:
        yield one


@contextmanager
def _running(home: Path) -> Iterator[Served]:
    lists = home.parent / f"{home.name}.lists"
    lists.mkdir()
    lists.chmod(0o777)  # it is written by the server's own user
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
    with (home.parent / f"{home.name}.log").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", "from opsteward.cli.main import main; main()", "up", "--port", "0"],
            env=environment
            | {
                "OPSTEWARD_HOME": str(home),
                "OPSTEWARD_FILE_FOLDERS": json.dumps([str(lists)]),
                "OPSTEWARD_LOG_FORMAT": "json",
                "OPSTEWARD_NOTIFY_PUSH_HOSTS": '["127.0.0.1"]',  # the push service of the tests
                "OPSTEWARD_DEVELOPMENT": "true",  # with the page of the console's own parts
                "OPSTEWARD_APPROVAL_MAKING_SECONDS": "0",  # the admin makes everybody here
                "OPSTEWARD_STATUS_PAGES": '{"/status": "default"}',
            },
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            started = _started(process, home)
            _wait_for_console(started)
            yield started
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=20)
            errors.seek(0)
            crashes = [line for line in errors if '"level": "error"' in line]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            shutil.rmtree(lists, ignore_errors=True)
            Path(errors.name).unlink()
    assert code in (0, -signal.SIGTERM)
    assert crashes == []


def _started(process: subprocess.Popen[str], home: Path) -> Served:
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(2)]  # an empty line when it died
    if not all(told):
        pytest.fail(f"the instance did not start: {told}")
    return Served(url=told[0].split()[-1], link=told[1].split()[-1], home=home, process=process)


def _wait_for_console(served: Served) -> None:
    cookies = {"opsteward_session": served.session()}
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        answer = httpx.get(f"{served.url}/", cookies=cookies, timeout=15)
        if answer.status_code == 200:
            return
        served.answers_while_loading.append((answer.status_code, answer.text))
        time.sleep(0.05)
    pytest.fail("the console did not load")


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield browser
        await browser.close()


Visit = Callable[..., Awaitable[Page]]


@pytest.fixture
async def visit(served: Served, chromium: Browser) -> AsyncIterator[Visit]:
    """`page = await visit(path, token=, size=)`: a browser of its own, signed in.

    At the end of each test: no request left for another address, no script failed, no dialog came up.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def watch(page: Page) -> None:
        page.on("request", lambda r: None if r.url.startswith((served.url, "data:")) else wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))

    async def open_page(
        path: str = "/",
        *,
        token: str | None = None,
        cookie: str | None = None,
        signed_in: bool = True,
        size: tuple[int, int] = DESK,
    ) -> Page:
        context = await chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, is_mobile=size == PHONE, has_touch=size == PHONE
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.on("page", watch)
        if signed_in:
            secret = cookie or served.session(token)
            await context.add_cookies([{"name": "opsteward_session", "value": secret, "url": served.url}])
        page = await context.new_page()
        await page.goto(path if path.startswith("http") else served.url + path)
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def standing_orders(served: Served) -> None:
    """Paging somebody about `billing` waits for an approval."""
    order = {
        "name": "ask-before-paging",
        "match": {"source": "billing"},
        "action": "escalate",
        "approval": "required",
        "cooldown": "0s",
    }
    with served.api() as api:
        text = json.dumps({"version": 1, "orders": [order]})
        answer = api.put("/api/v1/standing-orders", json={"text": text})
        assert answer.status_code < 300, answer.text

"""The console in German: the proof that it can be in another language than that of its source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from playwright.async_api import Browser, expect

from .conftest import Served
from .test_console_access import browser
from .test_console_pages import PAGES, said, submit


@pytest.fixture
def reader(served: Served) -> Iterator[httpx.Client]:
    """A browser that asks for German."""
    with browser(served) as one:
        one.headers["Accept-Language"] = "de-AT,de;q=0.9,en;q=0.5"
        yield one


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_in_german_and_small(reader: httpx.Client, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 200
    assert '<html lang="de">' in answer.text
    assert "Zum Inhalt" in answer.text
    assert len(answer.content) < 120_000
    assert "%(" not in re.sub(r'data-words="[^"]*"', "", answer.text)


def test_what_a_form_says_and_what_it_refuses(reader: httpx.Client) -> None:
    name = "nächtlich"
    done = submit(reader, "/schedules", name=name, cron="0 3 * * *", task_type="opsteward.echo", parameters="{}")
    assert f"{name} ist eingeplant" in said(reader, done)
    assert "Zur Übersicht" in reader.get("/tasks/x").text


def test_addresses_and_forms_keep_the_english_values(reader: httpx.Client) -> None:
    text = unescape(reader.get("/incidents?severity=high").text)
    assert '<option value="high" selected>hoch</option>' in text
    assert reader.get("/incidents?severity=hoch").status_code == 422


def test_a_reader_chooses_for_this_browser(served: Served, reader: httpx.Client) -> None:
    answer = submit(reader, "/me/language", language="en")
    assert "opsteward_language=en" in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]
    page = reader.get("/me").text
    assert '<html lang="en">' in page
    assert "This browser's pages are in English" in unescape(page)
    assert '<option value="en" lang="en" selected>' in page
    assert submit(reader, "/me/language", language="tlh").status_code == 422
    submit(reader, "/me/language", language="")
    assert '<html lang="de">' in reader.get("/systems").text
    with browser(served) as other:
        assert '<html lang="en">' in other.get("/systems").text


async def test_what_the_script_says_is_german_too(served: Served, chromium: Browser) -> None:
    served.send(message="Platte voll", source="lager", error_type="DiskFull", severity="high")
    context = await chromium.new_context(locale="de-DE")
    await context.add_cookies([{"name": "opsteward_session", "value": served.session(), "url": served.url}])
    page = await context.new_page()
    await page.goto(f"{served.url}/incidents")
    await expect(page.locator("time.ago").first).to_have_text(re.compile("^(gerade eben|vor [0-9]+ (s|min|h|d))$"))
    await page.goto(f"{served.url}/users/import")
    await page.locator("[data-send=dry]").click()
    await expect(page.locator("[data-import] [role=status]")).to_have_text("Wählen Sie zuerst eine Datei.")
    await context.close()

"""Imports in the console: a file tried out, taken, followed and reported on; and who may do none of it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from playwright.async_api import Locator, Page, expect
from tests.support.naughty import NAUGHTY

from opsteward.core.embedded_postgres import EmbeddedPostgres

from .conftest import DESK, PHONE, Served, Visit
from .test_console_people import assert_inert, overflow
from .test_console_tasks import card

PATH = "/users/import"


def job(page: Page) -> Locator:
    return card(page, "This import")


async def figure(page: Page, words: str, number: int) -> None:
    value = job(page).locator(".figure").filter(has=page.get_by_text(words, exact=True)).locator(".value")
    await expect(value).to_have_text(f"{number:,}".replace(",", "\u202f"))


async def send(page: Page, name: str, content: str | bytes, press: str, mode: str = "") -> None:
    body = content.encode() if isinstance(content, str) else content
    await page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": body})
    if mode:
        await page.get_by_label(mode).check()
    await page.get_by_role("button", name=press, exact=True).click()


def by_name(served: Served, username: str) -> list[dict[str, Any]]:
    with served.api() as api:
        found = api.get("/api/v1/users", params={"search": username}).raise_for_status().json()["items"]
    return [dict(one) for one in found]


async def test_a_file_is_tried_out_then_taken_and_its_errors_downloaded(served: Served, visit: Visit) -> None:
    mark = uuid4().hex[:6]
    file = (
        "Kürzel;E-Mail;Name;Abteilung\n"
        f"{mark}.ann;{mark}.ann@example.com;Ann Import;Lab\n"
        f'{mark}.bob;=HYPERLINK("http://127.0.0.1/");Bob Import;Lab\n'
        f"{mark}.ann;{mark}.two@example.com;Ann Again;Lab\n"
    )
    page = await visit(PATH)
    await page.evaluate("window.stayed = true")
    await send(page, "people.csv", file, "Try it out")
    await expect(job(page)).to_contain_text("the column 'Kürzel' is no field")
    await figure(page, "refused", 1)  # without a username column the address is the username

    await page.get_by_text("Format, columns and roles").click()
    await page.locator("textarea[name=mapping]").fill("Kürzel = username")
    await page.get_by_role("button", name="Try it out").click()
    await expect(job(page)).to_contain_text("dry run")
    await expect(job(page)).to_contain_text("Nothing was written")
    await figure(page, "would be added", 1)
    await figure(page, "refused", 2)
    await expect(job(page).locator("details")).to_contain_text(f"{mark}.ann")
    await expect(job(page).locator(".problem")).to_have_count(2)
    assert by_name(served, mark) == []

    await page.get_by_role("button", name="Import", exact=True).click()
    await expect(job(page)).not_to_contain_text("dry run")
    await figure(page, "added", 1)
    assert [one["full_name"] for one in by_name(served, mark)] == ["Ann Import"]
    async with page.expect_download() as coming:
        await page.get_by_role("link", name="All as CSV").click()
    path = await (await coming.value).path()
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [(row["row"], row["field"]) for row in rows] == [("2", "email"), ("3", "username")]
    assert rows[0]["value"].startswith("'=HYPERLINK")
    assert await page.evaluate("window.stayed")
    first = card(page, "Imports so far").locator("li").first
    await expect(first).to_contain_text("1 added, 2 refused")
    await page.reload()  # the address knows which one it was
    await figure(page, "added", 1)


async def test_changes_and_leavers_are_shown_before_they_are_made(served: Served, visit: Visit) -> None:
    with served.api() as api:
        stranger = api.post("/api/v1/tenants", json={"name": f"firm-{uuid4().hex[:6]}", "operator": "fay"}).json()
    with served.api(stranger["token"]) as api:
        people = [{"username": f"p{n}", "email": f"p{n}@example.com", "full_name": f"Person {n}"} for n in range(40)]
        api.post("/api/v1/users/bulk-import", json={"users": people}).raise_for_status()
    page = await visit(PATH, token=stranger["token"])
    kept = [{**one, "department": "Moved"} if one["username"] == "p3" else one for one in people[:39]]
    await send(page, "all.json", json.dumps(kept), "Try it out", "The file is everybody")
    await figure(page, "would be changed", 1)
    await figure(page, "would leave", 1)
    details = job(page).locator("details")
    await expect(details.filter(has_text="Would be changed").locator("ins")).to_have_text("Moved")
    await expect(details.filter(has_text="Would leave").locator("li")).to_have_text(["p39"])

    await send(page, "few.json", json.dumps(people[:5]), "Import")
    await expect(job(page).locator(".proof.tone-bad")).to_contain_text("nobody leaves: 35 of 40 users would")
    await figure(page, "left", 0)
    await page.goto(f"{served.url}/users")
    await expect(page.get_by_role("heading", name="40 active users")).to_be_visible()


async def _shown_while_it_waits(page: Page, database: psycopg.Connection, job_id: str) -> list[int]:
    """The percentages of the steps at which the import was held, each of which the page showed."""
    seen: list[int] = []
    asked = "select stage, progress from opsteward.import_jobs where id = %s for update"  # the next step waits for it
    while True:
        row = await asyncio.to_thread(lambda: database.execute(asked, (job_id,)).fetchone())
        assert row is not None
        stage, percent = row
        if stage != "rows":
            database.rollback()
            return seen
        if percent > 0 and percent not in seen:
            bar = page.locator(".job [role=progressbar]")
            await expect(bar).to_have_attribute("aria-valuenow", str(percent))
            seen.append(percent)
        database.rollback()


async def test_a_large_file_is_followed_to_its_end(served: Served, visit: Visit) -> None:
    mark = uuid4().hex[:6]
    lines = "\n".join(
        json.dumps({"username": f"{mark}-{n}", "email": f"{mark}-{n}@example.com", "full_name": f"Mass {n}"})
        for n in range(30_000)
    )
    page, other = await visit(PATH), await visit(PATH, token=served.operator("ilse", "operator"))
    with psycopg.connect(EmbeddedPostgres(served.home).url("opsteward")) as database:
        database.execute("lock table opsteward.import_rows in exclusive mode")  # its first rows wait
        await send(page, "mass.ndjson", lines, "Import")
        await expect(job(page)).to_be_visible()
        (job_id,) = re.findall(r"job=([-0-9a-f]{36})", page.url)
        database.commit()
        seen = await _shown_while_it_waits(page, database, job_id)
    assert len(seen) >= 2, "several steps were seen on their way"
    assert seen == sorted(seen), "and it never went back"
    await figure(page, "added", 30_000)
    await expect(job(page)).to_contain_text("completed", timeout=60_000)
    await expect(card(other, "Imports so far").locator("li").first).to_contain_text("30000 added")
    with served.api(served.operator("cleo", "operator")) as api:
        assert api.get("/api/v1/users", params={"search": f"{mark}-29999"}).json()["items"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("people.xlsx", b"PK\x03\x04", "choose the format"),
        ("none.json", b"[]", "holds no user"),
        ("broken.json", b'[{"username": ', "send it again"),
    ],
)
async def test_what_is_no_import_is_said(served: Served, visit: Visit, name: str, content: bytes, said: str) -> None:
    page = await visit(PATH)
    await page.get_by_role("button", name="Try it out").click()
    await expect(page.locator(".said")).to_have_text("Choose a file first.")
    await send(page, name, content, "Import")
    await expect(page.locator(".said")).to_contain_text(said)
    await expect(page.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    await expect(job(page)).to_have_count(0)


async def test_who_may_only_read_looks_at_imports(served: Served, visit: Visit) -> None:
    page = await visit(PATH, token=served.operator("vesna", "viewer"))
    await expect(page.get_by_text("To import you need the role operator, admin or owner.")).to_be_visible()
    assert await page.locator(".content button, .content input").count() == 0
    for wrong in ("job=nothing", "job=0192f0c1-2345-7abc-8def-0123456789ab"):
        await page.goto(f"{served.url}{PATH}?{wrong}")
        await expect(page.locator(".apology")).to_be_visible()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_hostile_rows_are_shown_and_do_nothing(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    hostile = [text for text in NAUGHTY if "<" in text or "{{" in text or "javascript" in text]
    hostile = [text for text in hostile if text.isprintable() and text == text.strip()][:40]
    mark = uuid4().hex[:6]
    users = [
        {"username": f"{mark}-{n}", "email": text, "full_name": text, "department": text, "manager": text}
        for n, text in enumerate(hostile)
    ]
    good = {
        "username": f"{mark}<script>window.pwned=1</script>",
        "email": f"{mark}@example.com",
        "full_name": "x" * 200,
    }
    page = await visit(PATH, size=size)
    await send(page, "hostile.json", json.dumps([*users, good]), "Try it out")
    await figure(page, "would be added", 1)
    await expect(job(page).locator("details")).to_contain_text("<script>window.pwned=1</script>")
    shown = await job(page).locator(".problem code").all_inner_texts()
    assert any(one in hostile for one in shown)
    await assert_inert(page)
    assert await overflow(page) == 0
    await expect(job(page).locator(".figures")).to_be_visible()

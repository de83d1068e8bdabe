"""The console's pages of syncs: the plan as a diff, the decision of conflicts, orphans, progress, and the undo."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest

from .conftest import DESK, PHONE, Served, Visit
from .test_console_access import browser
from .test_console_pages import HOSTILE, said, submit

_WITHIN = 30.0


class Company:
    """Two lists, and the mapping that keeps the accounts in step with the people."""

    def __init__(self, served: Served, **definition: Any) -> None:
        self.name = f"Staff {uuid4().hex[:6]}"
        self.folder = served.lists / uuid4().hex[:8]
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self.served = served
        self.write("people", [(f"u{number}", "sales") for number in range(8)])
        self.write("accounts", [("u0", "sales"), ("u1", f"legal {HOSTILE}"), ("ghost", "none")])
        self.systems: dict[str, str] = {}
        with served.api() as api:
            for name in ("people", "accounts"):
                resources = {name: {"file": f"{name}.csv", "key": "login"}}
                system = {"name": f"{name}-{self.folder.name}", "type": "file_system", "endpoint": f"file://{self.folder}",
                          "settings": {"resources": resources}}  # fmt: skip
                self.systems[name] = api.post("/api/v1/systems", json=system).raise_for_status().json()["id"]
            mapping = {
                "name": self.name, "source_id": self.systems["people"], "target_id": self.systems["accounts"],
                "definition": {
                    "source_resource": "people", "target_resource": "accounts", "key": "login", "missing": "delete",
                    "fields": [{"target": name, "source": name, "direction": "both"} for name in ("login", "dept")],
                    "policy": "manual",
                } | definition,
            }  # fmt: skip
            self.id = api.post("/api/v1/sync-mappings", json=mapping).raise_for_status().json()["id"]
        self.page = f"/syncs/{self.id}"

    def write(self, name: str, rows: list[tuple[str, str]]) -> None:
        path = self.folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("login", "dept"), *rows])
        path.chmod(0o666)

    def accounts(self) -> dict[str, str]:
        with (self.folder / "accounts.csv").open(newline="", encoding="utf-8") as stream:
            return {row["login"]: row["dept"] for row in csv.DictReader(stream)}

    def saga(self, api: httpx.Client, *logins: str) -> dict[str, Any]:
        """A change of both lists, asked for: a new person, and a new account for each login."""
        steps = [("people", {"login": f"n{uuid4().hex[:6]}", "dept": "sales"})]
        steps += [("accounts", {"login": login, "dept": HOSTILE}) for login in logins or (f"n{uuid4().hex[:6]}",)]
        body = {"name": f"Join {self.name}", "steps": [
            {"system_id": self.systems[name], "resource": name, "operation": "create", "values": values}
            for name, values in steps
        ]}  # fmt: skip
        found: dict[str, Any] = api.post("/api/v1/sagas", json=body).raise_for_status().json()
        return found

    def until(self, page: str, *statuses: str) -> dict[str, Any]:
        """The sync of this page, once it stands so."""
        deadline = time.monotonic() + _WITHIN
        with self.served.api() as api:
            while time.monotonic() < deadline:
                found: dict[str, Any] = api.get(f"/api/v1/sync-operations/{page.rpartition('/')[2]}").json()
                if found["status"] in statuses:
                    return found
                time.sleep(0.1)
        pytest.fail(f"it is {found['status']}: {found['error']}")

    def approve(self, one: httpx.Client, page: str) -> None:
        """As its second person does: by the link of the sync's page."""
        self.until(page, "awaiting_approval")
        deadline = time.monotonic() + _WITHIN
        while (link := re.search(r"/approvals/[0-9a-f-]{36}", one.get(page).text)) is None:
            assert time.monotonic() < deadline, "the page has no link to the approval"
            time.sleep(0.1)
        plan = re.search(r'name="plan_hash" value="(\w{64})"', one.get(link[0]).text)
        assert plan is not None
        said(one, submit(one, f"{link[0]}/approve", plan_hash=plan[1]))


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    with browser(served) as one:
        yield one


@pytest.fixture
def approver(served: Served) -> Iterator[httpx.Client]:
    with browser(served, served.operator(f"s{uuid4().hex[:8]}", "admin")) as one:
        yield one


def begin(one: httpx.Client, company: Company, what: str) -> str:
    """The page of a sync that was begun with the button."""
    answer = submit(one, f"{company.page}/run", what=what, full="1")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_plan_is_shown_as_a_diff_decided_written_and_undone(
    served: Served, admin: httpx.Client, approver: httpx.Client
) -> None:
    company = Company(served)
    before = company.accounts()
    assert company.name in admin.get("/syncs").text
    assert company.page in admin.get(f"/systems/{company.systems['accounts']}").text

    dry = begin(admin, company, "plan")
    counts = company.until(dry, "planned")["counts"]
    shown = admin.get(dry)
    assert (counts["create"], counts["conflicts"]) == (6, 1)
    assert "Nothing was written" in shown.text and "u7" in shown.text and "By field" in shown.text
    assert company.accounts() == before

    waiting = admin.get(company.page)
    assert "<script>window" not in waiting.text and HOSTILE[:40] in unescape(waiting.text)
    conflict = re.search(r"/syncs/conflicts/[0-9a-f-]{36}/decide", waiting.text)
    assert conflict is not None
    assert submit(admin, conflict[0], choice="same").status_code == 422
    assert "Decided: source" in said(admin, submit(admin, conflict[0], choice="source"))
    assert "Nothing waits for a decision" in admin.get(company.page).text

    sync = begin(admin, company, "sync")
    company.approve(approver, sync)
    assert company.until(sync, "succeeded")["counts"]["outcome:done"] == 7
    assert company.accounts() == {f"u{number}": "sales" for number in range(8)} | {"ghost": "none"}
    page = unescape(admin.get(sync).text)
    assert "<del>legal " in page and "<ins>sales</ins>" in page and "written: 7" in page
    assert "No record" in admin.get(f"{sync}?outcome=failed").text

    undo = submit(admin, f"{sync}/undo")
    assert "It is undone once that is approved" in said(admin, undo)
    company.approve(approver, undo.headers["location"])
    company.until(undo.headers["location"], "succeeded")
    assert company.accounts() == before
    assert "/undo" not in admin.get(undo.headers["location"]).text


def test_orphans_are_removed_once_approved_and_only_those_that_were_ticked(
    served: Served, admin: httpx.Client, approver: httpx.Client
) -> None:
    company = Company(served)
    company.write("accounts", [("u0", "sales"), ("ghost", "none"), ("spare", "none")])
    company.until(begin(admin, company, "plan"), "planned")
    page = admin.get(company.page).text
    assert 'value="ghost"' in page and 'value="spare"' in page and 'value="u0"' not in page
    nothing = submit(admin, f"{company.page}/orphans", how="delete")
    assert nothing.status_code == 422 and "none was chosen" in nothing.text
    assert submit(admin, f"{company.page}/orphans", how="burn", orphan_1="ghost").status_code == 422
    assert submit(admin, f"{company.page}/orphans", how="delete", orphan_1="u0").status_code == 422
    asked = submit(admin, f"{company.page}/orphans", how="delete", orphan_1="ghost")
    assert "1 account will be deleted" in said(admin, asked)
    assert "ghost" in company.accounts()
    company.approve(approver, asked.headers["location"])
    company.until(asked.headers["location"], "succeeded")
    assert company.accounts() == {"u0": "sales", "spare": "none"}
    assert (
        submit(admin, f"{company.page}/adopt", source_native_id="nobody", target_native_id="spare").status_code == 422
    )
    adopted = submit(admin, f"{company.page}/adopt", source_native_id="u5", target_native_id="spare")
    assert "Adopted" in said(admin, adopted)


def test_a_viewer_sees_syncs_and_changes_none(served: Served, admin: httpx.Client) -> None:
    company = Company(served)
    dry = begin(admin, company, "plan")
    company.until(dry, "planned")
    with browser(served, served.operator(f"v{uuid4().hex[:8]}", "viewer")) as viewer:
        for path in ("/syncs", company.page, dry):
            answer = viewer.get(path)
            assert answer.status_code == 200, path
            assert set(re.findall(r'<form[^>]*method="post" action="([^"]+)"', answer.text)) == {"/sign-out"}
        for path in (f"{company.page}/run", f"{company.page}/orphans", f"{company.page}/adopt", f"{dry}/undo"):
            assert submit(viewer, path, what="sync").status_code == 403, path


def test_strange_addresses_and_forms_are_answered_in_words(served: Served, admin: httpx.Client) -> None:
    company = Company(served)
    dry = begin(admin, company, "plan")
    company.until(dry, "planned")
    for path in ("/syncs/x", f"/syncs/{uuid4()}", "/syncs/operations/x", f"/syncs/operations/{uuid4()}"):
        assert admin.get(path).status_code == 404, path
    for path in (f"{dry}?outcome=odd", f"{dry}?after=x", f"{dry}?after=9999999999", "/syncs?before=x"):
        assert admin.get(path).status_code in (404, 422), path
    assert submit(admin, f"{company.page}/run", what="sync", max_deletions="-1").status_code == 422
    assert submit(admin, f"{dry}/undo").status_code == 409
    assert submit(admin, f"/syncs/conflicts/{uuid4()}/decide", choice="source").status_code == 404


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_a_plan_appears_by_itself_and_fits_the_screen(
    served: Served, visit: Visit, size: tuple[int, int]
) -> None:
    company = Company(served)
    page = await visit(company.page, size=size)
    await page.get_by_role("button", name="Show what would change").click()
    await page.get_by_text("By field").wait_for()
    for path in ("/syncs", company.page, page.url):
        await page.goto(path if path.startswith("http") else served.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path

"""A file that comes again: known rows are taken over, and whatever could have changed is looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.directory.imports import batch_writing, unchanged_rows
from opsteward.directory.imports.records import KnownRow
from support.instance import Tenant

URL = "/api/v1/users/bulk-import"
COUNT = 1200


def people(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        {"username": f"u{n}", "email": f"u{n}@example.com", "full_name": f"N {n}", "department": "A"}
        for n in range(COUNT)
    ]
    for row in rows[:100]:
        row["manager"] = "u1100"
    return [row | changed.get(str(row["username"]), {}) for row in rows]


async def done(
    tenant: Tenant, rows: list[dict[str, Any]], *, blank_lines: int = 0, mode: str = "upsert"
) -> dict[str, Any]:
    text = "\n" * blank_lines + "\n".join(json.dumps(row) for row in rows)
    answer = await tenant.http.post(
        URL, content=text.encode(), headers={"Content-Type": "application/x-ndjson"}, params={"mode": mode}
    )
    assert answer.status_code == 202, answer.text
    job_id, services = answer.json()["job_id"], tenant.instance.services
    await services.imports.run(services.app, tenant_id=tenant.id, job_id=job_id, progress=lambda *_: None)
    return dict((await tenant.http.get(f"/api/v1/users/imports/{job_id}")).json())


def counts(report: dict[str, Any]) -> tuple[int, ...]:
    return tuple(
        report[name] for name in ("created", "changed", "unchanged", "failed_imports", "left", "warning_count")
    )


async def user(tenant: Tenant, name: str) -> dict[str, Any]:
    items = (await tenant.http.get("/api/v1/users", params={"search": name, "limit": 200})).json()["items"]
    return next(one for one in items if one["username"] == name)


async def test_known_rows_are_not_looked_at_again(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert counts(await done(tenant, people(), mode="full")) == (COUNT, 0, 0, 0, 0, 0)
    staged: list[str] = []
    copied = batch_writing.copy_text

    async def counted(session: AsyncSession, statement: str, lines: list[str]) -> None:
        staged.extend(lines)
        await copied(session, statement, lines)

    monkeypatch.setattr(batch_writing, "copy_text", counted)
    for blank_lines in (1, 2):  # the third time the second import is the one before
        report = await done(tenant, people(), blank_lines=blank_lines, mode="full")
        assert counts(report) == (0, 0, COUNT, 0, 0, 0)
        assert len(report["user_ids"]) == 1000
    listed = (await tenant.http.get(f"/api/v1/users/imports/{report['job_id']}/users?limit=10000")).json()["items"]
    assert len(listed) == COUNT
    shuffled = people(u7={"department": "B"})[::-1]
    shuffled.insert(3, {"username": "new", "email": "new@example.com", "full_name": "New"})
    assert not staged
    assert counts(await done(tenant, shuffled, mode="full")) == (1, 1, COUNT - 1, 0, 0, 0)
    assert len(staged) == 2, "wherever a known row stands"
    assert (await user(tenant, "u7"))["department"] == "B"


async def test_a_user_changed_since_is_looked_at(tenant: Tenant) -> None:
    await done(tenant, people())
    found = await user(tenant, "u7")
    path = f"/api/v1/users/{found['id']}"
    assert (await tenant.http.put(path, json={"department": "Z", "manager_id": None})).is_success
    assert counts(await done(tenant, people(), blank_lines=1)) == (0, 1, COUNT - 1, 0, 0, 0)
    again = await user(tenant, "u7")
    assert (again["department"], again["manager_id"]) == ("A", (await user(tenant, "u1100"))["id"])
    assert (await tenant.http.delete(path)).is_success
    assert counts(await done(tenant, people(), blank_lines=2)) == (0, 0, COUNT, 0, 0, 1), "a leaver stays one"


async def test_of_two_rows_of_a_known_user_the_first_counts(tenant: Tenant) -> None:
    rows = people()
    await done(tenant, rows)
    other = rows[7] | {"department": "B", "username": "U7"}
    report = await done(tenant, [*rows[:5], other, *rows[5:], rows[9]])
    assert counts(report)[:4] == (0, 1, COUNT - 1, 2)
    told = [(one["row"], one["reason"]) for one in report["errors"]]
    assert told == [(9, "is the same as in row 6"), (COUNT + 2, "is the same as in row 11")]
    assert (await user(tenant, "U7"))["department"] == "B"
    same = await done(tenant, [*rows, rows[3]], blank_lines=1)
    assert counts(same)[:4] == (0, 1, COUNT - 1, 1)
    assert [one["row"] for one in same["errors"]] == [COUNT + 1]


async def test_a_bad_row_spoils_no_other(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = people(u3={"email": "nobody"}, u4={"full_name": " N 4"})
    first = await done(tenant, rows)
    assert counts(first) == (COUNT - 1, 0, 0, 1, 0, 1)
    taken: list[int] = []
    take_over = unchanged_rows.take_over

    async def counted(*args: Any) -> list[KnownRow]:
        known = await take_over(*args)
        taken.append(len(known))
        return known

    monkeypatch.setattr(unchanged_rows, "take_over", counted)
    again = await done(tenant, rows, blank_lines=1)
    assert counts(again) == (0, 0, COUNT - 1, 1, 0, 1)
    assert sum(taken) == COUNT - 2
    assert [one["row"] for one in again["errors"]] == [one["row"] for one in first["errors"]]


async def test_other_rules_and_other_options_are_another_thing(tenant: Tenant) -> None:
    await done(tenant, people())
    rules = {"rules": {"standard_user": {"auto_approve": True, "permissions": ["a", "b"]}}}
    assert (await tenant.http.put("/api/v1/enrollment-rules", json=rules)).is_success
    assert (await tenant.http.put("/api/v1/segregation-of-duties", json={"pairs": [["x", "y"]]})).is_success
    assert counts(await done(tenant, people(), blank_lines=1)) == (0, 0, COUNT, 0, 0, 0)
    assert counts(await done(tenant, people(), blank_lines=1, mode="create"))[3] == COUNT, "who is there is refused"


async def test_what_was_said_of_a_row_is_said_again(tenant: Tenant) -> None:
    rows = people(u5={"full_name": "N 5 "}, u6={"manager": "nobody"})
    first, second = await done(tenant, rows), await done(tenant, rows, blank_lines=1)
    told = [(one["row"], one["field"], one["reason"]) for one in first["warnings"]]
    assert told == [(one["row"], one["field"], one["reason"]) for one in second["warnings"]]
    assert len(told) == 2


async def test_what_is_known_is_forgotten_with_its_import(tenant: Tenant) -> None:
    await done(tenant, people())
    assert tenant.count("import_batches") == 3  # 500, as many again, the rest
    forget = sa.text("select opsteward.forget_imports(now() + interval '1 minute', 50)")
    async with tenant.instance.services.app.unit_of_work(None) as session:
        while await session.scalar(forget):
            pass
    assert (tenant.count("import_jobs"), tenant.count("import_batches"), tenant.count("import_rows")) == (0, 0, 0)
    assert counts(await done(tenant, people(), blank_lines=1)) == (0, 0, COUNT, 0, 0, 0)

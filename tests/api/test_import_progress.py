"""How far a large import is: seen early, never ahead of the rows that are done, never standing still."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from support.instance import Tenant

ROWS = 6000
USERS = [
    {"username": f"u{n}", "email": f"u{n}@example.com", "full_name": f"N {n}", "department": "A" * 200}
    for n in range(ROWS)
]


def _csv() -> str:
    return "\n".join([",".join(USERS[0]), *(",".join(user.values()) for user in USERS)])


def _ldif() -> str:
    return "\n\n".join(
        f"dn: uid={one['username']},dc=x\nobjectClass: inetOrgPerson\nuid: {one['username']}\nmail: {one['email']}\n"
        f"cn: {one['full_name']}\ndepartmentNumber: {one['department']}"
        for one in USERS
    )


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/x-ndjson", lambda: "\n".join(map(json.dumps, USERS))),
        ("application/json", lambda: json.dumps(USERS)),
        ("text/csv", _csv),
        ("text/ldif", _ldif),
    ],
)
async def test_the_percentage_follows_the_rows(tenant: Tenant, kind: str, content: Callable[[], str]) -> None:
    answer = await tenant.http.post(
        "/api/v1/users/bulk-import", content=content().encode(), headers={"Content-Type": kind}
    )
    assert answer.status_code == 202, answer.text
    seen: list[tuple[int, int]] = []

    def progress(percent: int, message: str) -> None:
        if message.endswith(" rows"):
            seen.append((percent, int(message.split(maxsplit=1)[0])))

    services, job_id = tenant.instance.services, answer.json()["job_id"]
    await services.imports.run(services.app, tenant_id=tenant.id, job_id=job_id, progress=progress)
    assert [rows for _, rows in seen] == [500, 1000, 2000, 4000, ROWS]
    assert sorted({percent for percent, _ in seen}) == [percent for percent, _ in seen], "it grows with each step"
    for percent, rows in seen:
        assert percent <= 95 * rows / ROWS + 1, "never ahead of what is done"
        assert percent >= 95 * rows / ROWS / 8, "and never far behind it"
    report = (await tenant.http.get(f"/api/v1/users/imports/{job_id}")).json()
    assert (report["progress"], report["rows"], report["created"]) == (100, ROWS, ROWS)


async def test_a_small_import_is_one_step_however_small_a_batch_is(tenant: Tenant) -> None:
    users = [{name: user[name] for name in ("username", "email", "full_name")} for user in USERS[:900]]
    answer = await tenant.http.post("/api/v1/users/bulk-import", json={"users": users})
    report = answer.json()
    assert (answer.status_code, report["created"], report["failed_imports"]) == (200, 900, 0), answer.text

"""An import whose process is killed in the middle ends as one that nobody disturbed: same users, same report."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.directory.imports import jobs
from opsteward.directory.imports.jobs import ImportOrder, ImportReport
from opsteward.tasks.types import NewTask
from support.forked_workers import ForkedWorkers
from support.homes import temporary_home
from support.instance import run_sql

#: The size that is promised is 200,000: `IMPORT_ROWS=200000 pytest ...` takes some minutes.
ROWS = int(os.environ.get("IMPORT_ROWS", "10000"))
FAST = {"queue_poll_interval": 0.05, "process_lost_after": 2.0, "import_batch": 50}


@pytest_asyncio.fixture(scope="module")
async def place() -> AsyncIterator[tuple[Services, ForkedWorkers]]:
    with temporary_home() as home:
        services = build_services(load_settings(home=home))
        workers = ForkedWorkers(home)
        yield services, workers
        workers.close()
        await services.web.close()
        await services.app.close()


def dirty_file() -> bytes:
    """Users, among them duplicates near and far, bad addresses, spaces, managers and some who are there already."""
    rows: list[dict[str, Any]] = []
    for number in range(ROWS):
        name = f"user-{number - ROWS // 3 if number % 401 == 400 and number > ROWS // 3 else number}"
        user: dict[str, Any] = {"username": name, "email": f"{name}@example.com", "full_name": f"Name {number}"}
        if number % 97 == 0:
            user["email"] = "nobody"
        if number % 53 == 0:
            user["full_name"] += " "
        if number % 11 == 0:
            user["manager"] = f"user-{ROWS - number}"
        user["role"] = ("standard_user", "contractor", "executive")[number % 3]
        rows.append(user)
    return "\n".join(json.dumps(row) for row in rows).encode()


async def begin(services: Services, tenant_id: UUID, content: bytes) -> UUID:
    order = ImportOrder(format="ndjson", mode="full")
    async with services.web.unit_of_work(tenant_id) as session:
        job_id = await jobs.begin(session, order=order, actor="system:test")
        for number, at in enumerate(range(0, len(content), jobs.PART_BYTES)):
            data = content[at : at + jobs.PART_BYTES]
            await jobs.keep_part(session, job_id=job_id, number=number, data=data)
        digest = hashlib.sha256(content)
        await jobs.accept(session, job_id=job_id, size=len(content), encoding="utf-8-sig", note="", content=digest)
        task = NewTask(task_type="users.import", params={"job_id": str(job_id)})
        await services.submission.submit(session, tasks=[task], actor="system:test")
    return job_id


async def report_of(services: Services, tenant_id: UUID, job_id: UUID) -> ImportReport:
    async with services.web.unit_of_work(tenant_id) as session:
        return await jobs.report(session, job_id=job_id)


async def ended(services: Services, tenant_id: UUID, job_id: UUID) -> ImportReport:
    async with asyncio.timeout(600):
        while True:
            report = await report_of(services, tenant_id, job_id)
            if report.ended_at is not None:
                return report
            await asyncio.sleep(0.05)


async def tenant_with_users(services: Services) -> UUID:
    tenant = await create_tenant(services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")
    users = [
        {"username": f"user-{number}", "email": f"user-{number}@example.com", "full_name": "Before"}
        for number in [*range(0, 2000, 2), ROWS + 1, ROWS + 2]
    ]
    content = json.dumps(users).encode()
    async with services.web.unit_of_work(tenant.id) as session:
        job_id = await jobs.begin(session, order=ImportOrder(format="json"), actor="system:test")
        digest = hashlib.sha256(content)
        await jobs.accept(session, job_id=job_id, size=len(content), encoding="utf-8-sig", note="", content=digest)
        await services.imports.do_at_once(session, job_id=job_id, content=content)
    return tenant.id


def state_of(services: Services, tenant_id: UUID) -> list[Any]:
    """Everything that the import leaves, without ids and times."""
    home = services.settings.home
    statements = (
        "select u.username, u.email, u.full_name, u.status, u.role, u.permissions, u.system_access, u.version,"
        " m.username from opsteward.users u left join opsteward.users m on m.id = u.manager_id"
        " where u.tenant_id = %s order by 1",
        "select u.username, e.enrollment_type, e.status, e.stages from opsteward.enrollments e"
        " join opsteward.users u on u.id = e.user_id where e.tenant_id = %s order by 1, 2, 3",
        "select u.username, c.what, c.reason, array(select jsonb_object_keys(c.fields) order by 1)"
        " from opsteward.user_changes c join opsteward.users u on u.id = c.user_id where c.tenant_id = %s"
        " order by 1, 2, 4",
        "select a.verb, a.detail from opsteward.audit_entries a where a.tenant_id = %s and a.verb like 'users.%%'"
        " order by a.verb, a.detail::text",
        "select row, line, kind, field, reason, value from opsteward.import_problems where tenant_id = %s"
        " order by row, id",
    )
    return [run_sql(home, statement, tenant_id) for statement in statements]


def told(report: ImportReport) -> dict[str, Any]:
    names = ("status", "rows", "created", "changed", "unchanged", "left", "failed_imports", "error_count", "notes")
    return {name: getattr(report, name) for name in (*names, "warning_count", "progress")}


async def test_a_killed_import_ends_as_an_undisturbed_one(place: tuple[Services, ForkedWorkers]) -> None:
    services, workers = place
    content = dirty_file()
    calm, disturbed = await tenant_with_users(services), await tenant_with_users(services)
    workers.start("calm", **FAST)
    expected = await ended(services, calm, await begin(services, calm, content))
    workers.kill_all()
    assert expected.failed_imports > ROWS // 100
    assert (expected.status, expected.left) == ("completed", 2)

    job_id = await begin(services, disturbed, content)
    kills = 0
    for share in (0.2, 0.7):
        victim = workers.start(f"victim-{kills}", **FAST)
        async with asyncio.timeout(60):
            while (await report_of(services, disturbed, job_id)).rows < share * ROWS:
                await asyncio.sleep(0.005)
        workers.kill(victim)
        kills += (await report_of(services, disturbed, job_id)).ended_at is None
    assert kills == 2, "it was over before it could be killed"
    workers.start("heir", **FAST)
    report = await ended(services, disturbed, job_id)
    assert told(report) == told(expected)
    for found, same in zip(state_of(services, disturbed), state_of(services, calm), strict=True):
        assert found == same
    assert len(report.user_ids) == len(expected.user_ids)

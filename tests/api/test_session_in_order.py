"""A session ends in order whatever its systems do: a probe that hangs, a health page that lies, a target that dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from opsteward.troubleshooting.diagnose import DOMAINS
from opsteward.troubleshooting.diagnosis import Diagnosis
from opsteward.troubleshooting.service import get_row
from opsteward.troubleshooting.session_context import Case, SessionContext
from support.instance import Tenant

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[str, asyncio.Server]]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", server


def saying(pages: dict[str, Any]) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        body = json.dumps(pages.get(path, {})).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()
        writer.close()

    return answer


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@pytest.fixture
async def begun(tenant: Tenant) -> AsyncIterator[Callable[..., Awaitable[tuple[SessionContext, Case]]]]:
    """Registers systems and begins a session on them, without a worker."""
    services = tenant.instance.services
    context = SessionContext(
        db=services.app,
        inventory=services.inventory,
        registry=services.registry,
        incidents=services.incidents,
        settings=services.settings.troubleshooting,
    )

    async def begin(*systems: dict[str, Any]) -> tuple[SessionContext, Case]:
        for system in systems:
            given = {"type": "service", "criticality": "backup"} | system
            (await tenant.http.post("/api/v1/systems", json=given)).raise_for_status()
        async with services.app.unit_of_work(tenant.id) as session:
            view = await services.sessions.start(session, trigger="test", requested_by="system:test")
        return context, Case(UUID(str(tenant.id)), view.id)

    yield begin


async def diagnosed(context: SessionContext, case: Case) -> Any:
    diagnosis = Diagnosis(context)
    await diagnosis.initialise(case)
    await asyncio.gather(*(diagnosis.diagnose(case, domain) for domain in DOMAINS))
    await diagnosis.conclude(case, 1)
    async with context.unit_of_work(case) as session:
        row = await get_row(session, case.session_id)
        return {"issues": row.issues, "causes": row.causes, "hypotheses": row.hypotheses, "phases": row.phases}


async def test_a_probe_that_hangs_hinders_no_other(begun: Any) -> None:
    async with serving(never) as (hanging, _), serving(saying({})) as (well, _):
        settings = {"timeout_seconds": 0.3}
        found = await diagnosed(
            *await begun(
                {"name": "hangs", "endpoint": hanging, "settings": settings},
                {"name": "well", "endpoint": well},
            )
        )
    assert {issue["system"] for issue in found["issues"]} == {"hangs"}
    refuted = {(each["system"], each["status"]) for each in found["hypotheses"]}
    assert ("well", "refuted") in refuted
    assert [phase["name"] for phase in found["phases"]] == ["initialise", "diagnose"]


async def test_a_health_page_that_lies_is_found_out_by_the_operators_endpoint(begun: Any) -> None:
    pages = {"/health": {"status": "ok"}, "/ops/queue": {"oldest_seconds": 900}}
    async with serving(saying(pages)) as (url, _):
        operator = {"queue": {"url": "/ops/queue", "expect": "json.oldest_seconds < 30"}}
        given = {"name": "jobs", "endpoint": url, "health_check_url": "/health", "settings": {"operator": operator}}
        found = await diagnosed(*await begun(given))
    (cause,) = [each for each in found["causes"] if each["probability"] >= 0.5]
    assert (cause["type"], cause["component"]) == ("operator_check_failed", "queue")


async def test_a_target_that_dies_in_the_middle_is_told_and_ends_nothing(begun: Any) -> None:
    looked = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        looked.set()
        writer.transport.abort()  # it dies with the first question on its way

    async with serving(once) as (url, server):
        context, case = await begun({"name": "dying", "endpoint": url})
        task = asyncio.create_task(diagnosed(context, case))
        await asyncio.wait_for(looked.wait(), 10)
        server.close()
        found = await task
    assert found["issues"] and {issue["system"] for issue in found["issues"]} == {"dying"}
    assert found["causes"][0]["probability"] > 0
    assert all(claim["value"] for each in found["hypotheses"] for claim in each["claims"])


async def test_what_could_not_be_looked_at_is_a_hypothesis_that_nobody_tested(
    begun: Any, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(saying({})) as (url, _):
        context, case = await begun({"name": "well", "endpoint": url}, {"name": "sealed", "endpoint": url})
        whole = tenant.instance.services.inventory.ref_with_secret

        async def unreadable(session: Any, *, system_id: UUID) -> Any:
            found = await whole(session, system_id=system_id)
            if found[0].name == "sealed":
                raise ValueError("what was stored is no longer what was sealed")
            return found

        monkeypatch.setattr(tenant.instance.services.inventory, "ref_with_secret", unreadable)
        found = await diagnosed(context, case)
    (untested,) = [each for each in found["hypotheses"] if each["system"] == "sealed"]
    assert (untested["status"], untested["claims"][0]["value"]) == ("untested", "its credentials can't be read")


async def test_what_is_asked_for_later_is_not_done_after_all_sessions_that_wait(tenant: Tenant) -> None:
    """When many systems fail at once, fixes and word to people must not wait until every session has begun."""
    services = tenant.instance.services
    for name in ("one", "two"):
        given = {"name": name, "type": "service", "endpoint": "http://127.0.0.1:9/"}
        (await tenant.http.post("/api/v1/systems", json=given)).raise_for_status()
        failure = {"source": name, "message": "database crashed", "error_type": "OperationalError", "severity": "high"}
        (await tenant.http.post("/api/v1/events", json=failure)).raise_for_status()
    (attack,) = (await tenant.http.post("/api/v1/events", json={"message": "SQL injection: ' or 1=1 --"})).json()[
        "events"
    ]
    assert attack["action"] == "escalate"
    sessions = (await tenant.http.get("/api/v1/troubleshooting/sessions")).json()["items"]
    async with services.app.unit_of_work(tenant.id) as session:
        await services.sessions.resume(session, session_id=UUID(sessions[0]["id"]), run_id=UUID(int=1))
    queued = tenant.instance.sql(
        "select name, workflow_uuid from dbos.workflow_status where split_part(workflow_uuid, ':', 2) in ("
        " select id::text from opsteward.troubleshooting_sessions where tenant_id = %s"
        " union select id::text from opsteward.action_runs where tenant_id = %s) order by priority, created_at",
        tenant.id,
        tenant.id,
    )
    names = [name for name, _ in queued]
    assert names[-3:] == ["troubleshooting.resume", "troubleshooting.session", "troubleshooting.session"]
    assert names[:-3] and set(names[:-3]) == {"actions.plan"}

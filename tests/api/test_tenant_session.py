"""The transaction around a route: what it keeps, what it takes back, and when its connection is free again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import httpx
import pytest
import sqlalchemy as sa

from opsteward.accounts.types import Identity
from opsteward.api.app import build_app
from opsteward.api.deps import TenantSession, needs
from opsteward.app.request_services import api_services_of
from opsteward.core.db import DatabaseSession, at_the_end
from opsteward.core.errors import Conflict
from opsteward.tasks import controls
from support.instance import ORIGIN, Instance, Tenant
from support.problems import problem_of

_WRITTEN = ("pauses", "changes", "audit_entries")
Owner = Annotated[Identity, needs("users.write")]


async def pause_something(session: DatabaseSession, identity: Identity, target: str) -> None:
    await controls.pause(session, scope="task_type", target=target, reason="", actor=identity.actor)


@pytest.fixture
async def http(instance: Instance, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """The application with routes that go wrong after they have written."""
    app = build_app(api_services_of(instance.services, lambda: {"database": True}))

    @app.post("/api/v1/written")
    async def written(session: TenantSession, identity: Owner) -> dict[str, str]:
        await pause_something(session, identity, "written")
        return {}

    @app.post("/api/v1/refused")
    async def refused(session: TenantSession, identity: Owner) -> None:
        await pause_something(session, identity, "refused")
        raise Conflict("thought better of it")

    @app.post("/api/v1/crashed")
    async def crashed(session: TenantSession, identity: Owner) -> None:
        await pause_something(session, identity, "crashed")
        raise RuntimeError("a secret detail")

    @app.post("/api/v1/unfinished")
    async def unfinished(session: TenantSession, identity: Owner) -> dict[str, str]:
        await pause_something(session, identity, "unfinished")

        async def refuse(_: DatabaseSession) -> None:
            raise Conflict("somebody else was faster")

        at_the_end(session, "test", refuse)
        return {}

    @app.post("/api/v1/not-answerable", response_model=dict[str, int])
    async def not_answerable(session: TenantSession, identity: Owner) -> Any:
        await pause_something(session, identity, "not-answerable")
        return {"number": "none"}

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {tenant.owner.token}"}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers) as client:
        yield client


async def test_what_a_route_writes_is_kept(http: httpx.AsyncClient, tenant: Tenant) -> None:
    assert (await http.post("/api/v1/written")).status_code == 200
    assert tenant.count("pauses") == 1


@pytest.mark.parametrize("route", ["refused", "unfinished"])
async def test_a_refusal_in_the_route_or_at_the_commit_is_a_problem_and_keeps_nothing(
    http: httpx.AsyncClient, tenant: Tenant, route: str
) -> None:
    before = [tenant.count(table) for table in _WRITTEN]
    problem_of(await http.post(f"/api/v1/{route}"), 409)
    assert [tenant.count(table) for table in _WRITTEN] == before


@pytest.mark.parametrize("route", ["crashed", "not-answerable"])
async def test_a_crash_keeps_nothing_and_tells_nothing(http: httpx.AsyncClient, tenant: Tenant, route: str) -> None:
    before = [tenant.count(table) for table in _WRITTEN]
    answer = await http.post(f"/api/v1/{route}")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert [tenant.count(table) for table in _WRITTEN] == before


@contextmanager
def connections_taken(instance: Instance) -> Iterator[list[object]]:
    """The pool's connections that are taken for units of work meanwhile."""
    taken: list[object] = []

    def note(*parts: object) -> None:
        taken.append(parts[0])

    pool = instance.services.web._engine.pool
    sa.event.listen(pool, "checkout", note)
    try:
        yield taken
    finally:
        sa.event.remove(pool, "checkout", note)


async def test_a_refused_body_or_caller_takes_no_connection(instance: Instance, tenant: Tenant) -> None:
    await tenant.http.get("/api/v1/users")  # its token's use is noted
    viewer = await tenant.operator("viewer")
    await viewer.http.get("/api/v1/users")
    with connections_taken(instance) as taken:
        problem_of(await tenant.http.post("/api/v1/users", json={"username": 1}), 422)
        assert taken == []
    with connections_taken(instance) as taken:
        assert (await tenant.http.get("/api/v1/users")).status_code == 200
        assert len(taken) == 1
    problem_of(await viewer.http.post("/api/v1/users", json={"username": "a", "email": "a@b.example"}), 403)


async def test_it_is_committed_and_its_connection_free_before_the_reply_is_sent(
    instance: Instance, tenant: Tenant
) -> None:
    seen: list[tuple[int, int]] = []
    body = json.dumps({"username": "ada", "email": "ada@example.org", "full_name": "Ada"}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 201
            seen.append((instance.services.web._engine.pool.checkedout(), tenant.count("users")))  # type: ignore[attr-defined]

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/api/v1/users", "raw_path": b"/api/v1/users", "query_string": b"", "root_path": "",
        "headers": [
            (b"host", b"test"), (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"authorization", f"Bearer {tenant.owner.token}".encode()),
        ],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await instance.app(scope, receive, send)
    assert seen == [(0, 1)]

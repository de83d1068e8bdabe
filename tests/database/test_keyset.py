"""Lists in the orders that their pages offer: page by page they give the same as at once, both ways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import dsns
from opsteward.accounts import queries as accounts
from opsteward.accounts.audit_reading import AuditFilter, read_audit
from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.crew.execution import runs
from opsteward.directory.types import NewUser
from opsteward.directory.users import queries as users
from opsteward.events import event_list
from opsteward.events.muting.service import SILENCE_ORDERS
from opsteward.help.documents import ORDERS as DOCUMENT_ORDERS
from opsteward.systems import heartbeats
from opsteward.systems.heartbeats import NewHeartbeat
from opsteward.systems.rows import ORDERS as SYSTEM_ORDERS
from opsteward.systems.service import NewSystem
from opsteward.tasks import queries as tasks
from opsteward.tasks.schedules import ORDERS as SCHEDULE_ORDERS
from support.instance import Instance, Tenant
from support.populated_crew import crew_run

Read = Callable[[AsyncSession, bool, UUID | None, int], Awaitable[list[Any]]]
_PAGE = 2
#: Who reads every document.
_OWNER = Identity(
    tenant_id=UUID(int=0), tenant_name="", operator_id=UUID(int=0), operator_name="", roles=("owner",),
    token_id=UUID(int=0), kind="api",
)  # fmt: skip


@pytest.fixture
async def filled(instance: Instance, tenant: Tenant) -> Tenant:
    """Several of each, some of them equal in what they are ordered by."""
    services, actor = instance.services, tenant.owner.actor
    async with services.web.unit_of_work(tenant.id) as session:
        for number, kind in enumerate(("api", "webhook", "api", "service", "api")):
            critical = "critical" if number % 2 else "standard"
            new = NewSystem(name=f"s{9 - number}", type=kind, endpoint="http://127.0.0.1:9/", criticality=critical)
            await services.inventory.register(session, new=new, actor=actor)
            beat = NewHeartbeat(name=f"h{number * 3 % 5}", period=3600)
            await heartbeats.register(session, services.inventory, new=beat, actor=actor)
            person = NewUser(username=f"u{number * 2 % 5}", email=f"u{number}@example.com", full_name="U")
            await services.users.register(session, new=person, actor=actor)
            made = await services.schedules.create(
                session, name=f"n{number * 2 % 5}", cron="0 3 * * *", timezone="UTC",
                task={"task_type": "opsteward.echo", "params": {}}, actor=actor,
            )  # fmt: skip
            if number == 2:
                await services.schedules.set_paused(session, schedule_id=made.id, paused=True, actor=actor)
    later = (now() + timedelta(hours=1)).isoformat()
    for number in range(5):
        event = {"message": f"m{number}", "source": f"S{number * 2 % 3}", "severity": ("low", "high")[number % 2]}
        for path, body in (
            ("events", event),
            ("tokens", {"name": f"t{number * 2 % 3}", **({"expires_in": 3600} if number % 2 else {})}),
            ("sentry-projects", {"name": f"p{number * 3 % 5}"}),
            ("silences", {"matchers": [f"source=q{number}"], "reason": "planned", "ends_at": later}),
        ):
            answer = await tenant.http.post(f"/api/v1/{path}", json=body)
            assert answer.is_success, answer.text
        document = f"# T{number * 2 % 3}\n\nWords of {number}."
        added = await tenant.http.post(f"/api/v1/help/documents?name=d{number}.md", content=document.encode())
        assert added.is_success, added.text
        crew_run(tenant, f"w{number}")
    return tenant


def _of_events(_: Instance, by: str) -> Read:
    return lambda session, down, after, limit: event_list.list_events(
        session, by=by, descending=down, before=after, limit=limit
    )


def _of_tokens(_: Instance, by: str) -> Read:
    return lambda session, down, after, limit: accounts.list_tokens(
        session, by=by, descending=down, before=after, limit=limit
    )


def _of_projects(_: Instance, by: str) -> Read:
    return lambda session, down, after, limit: dsns.list_projects(
        session, by=by, descending=down, after=after, limit=limit
    )


def _of_silences(instance: Instance, by: str) -> Read:
    return lambda session, down, after, limit: instance.services.muting.silences(
        session, by=by, descending=down, after=after, limit=limit
    )


def _of_documents(instance: Instance, by: str) -> Read:
    return lambda session, down, after, limit: instance.services.help.documents.page(
        session, by=_OWNER, order=by, descending=down, after=after, limit=limit
    )


def _of_work(_: Instance, by: str) -> Read:
    async def read(session: AsyncSession, down: bool, after: UUID | None, limit: int) -> list[Any]:
        found = await runs.page(session, domain=None, task_type=None, before=after, limit=limit, by=by, descending=down)
        return [SimpleNamespace(id=one.task_id) for one in found]

    return read


def _of_schedules(instance: Instance, by: str) -> Read:
    return lambda session, down, after, limit: instance.services.schedules.page(
        session, by=by, descending=down, after_id=after, limit=limit
    )


def _of_systems(instance: Instance, by: str) -> Read:
    return lambda session, down, after, limit: instance.services.inventory.page(
        session, by=by, descending=down, after_id=after, limit=limit
    )


def _of_heartbeats(_: Instance, by: str) -> Read:
    return lambda session, down, after, limit: heartbeats.list_heartbeats(
        session, by=by, descending=down, after=after, limit=limit
    )


def _of_users(_: Instance, by: str) -> Read:
    return lambda session, down, after, limit: users.page(session, by=by, descending=down, after_id=after, limit=limit)


def _of_audit(_: Instance, __: str) -> Read:
    return lambda session, down, after, limit: read_audit(
        session, wanted=AuditFilter(), oldest_first=not down, before=after, limit=limit
    )


def _of_tasks(_: Instance, __: str) -> Read:
    return lambda session, down, after, limit: tasks.page(session, oldest_first=not down, before=after, limit=limit)


@pytest.mark.parametrize(
    ("read", "orders"),
    [
        (_of_systems, list(SYSTEM_ORDERS)),
        (_of_heartbeats, list(heartbeats.ORDERS)),
        (_of_users, list(users.ORDERS)),
        (_of_schedules, list(SCHEDULE_ORDERS)),
        (_of_events, list(event_list.ORDERS)),
        (_of_tokens, list(accounts.TOKEN_ORDERS)),
        (_of_projects, list(dsns.ORDERS)),
        (_of_silences, list(SILENCE_ORDERS)),
        (_of_documents, list(DOCUMENT_ORDERS)),
        (_of_work, list(runs.ORDERS)),
        (_of_audit, ["at"]),
        (_of_tasks, ["id"]),
    ],
)
async def test_pages_in_an_order_are_the_whole_list_in_it(
    instance: Instance, filled: Tenant, read: Callable[[Instance, str], Read], orders: list[str]
) -> None:
    async with instance.services.web.unit_of_work(filled.id) as session:
        for by in orders:
            page, found = read(instance, by), {}
            for down in (False, True):
                whole = [one.id for one in await page(session, down, None, 1000)]
                parts: list[UUID] = []
                while more := [one.id for one in await page(session, down, parts[-1] if parts else None, _PAGE)]:
                    parts += more
                assert parts == whole, by
                assert len(set(whole)) == len(whole)
                found[down] = whole
            assert found[True] == found[False][::-1], by


async def test_what_is_paused_comes_last_and_what_is_unwell_first(instance: Instance, filled: Tenant) -> None:
    services = instance.services
    instance.sql("update opsteward.systems set health = 'down' where name = 's7' and tenant_id = %s", filled.id)
    async with services.web.unit_of_work(filled.id) as session:
        assert (await services.schedules.page(session, by="next"))[-1].paused
        assert (await services.inventory.page(session, by="health"))[0].name == "s7"
        by_name = await users.page(session, by="username", descending=True)
        assert [one.username for one in by_name] == sorted((one.username for one in by_name), reverse=True)

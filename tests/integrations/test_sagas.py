"""A change over several real systems (PostgreSQL, OpenLDAP): all of it, or none; what is left is an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from real_parts import Postgres
from record_servers import Slapd

from opsteward.actions.types import ActionChanged, RunStatus
from opsteward.app.request_services import console_services_of
from opsteward.console.mount import Console
from opsteward.contracts.task import TaskContext
from opsteward.provisioning.sagas.running import OfSaga, SagaTask
from opsteward.provisioning.sagas.service import SagaRelease
from opsteward.systems.record_connections import RecordConnections
from support.instance import ORIGIN, Tenant

PEOPLE = "ou=people,dc=example,dc=org"
TABLES = """
drop table if exists members, seats cascade;
create table members (login text primary key, name text not null, team text);
create table seats (login text primary key, number int check (number between 1 and 10));
insert into members values ('bob', 'Bob', 'sales'), ('dee', 'Dee', null);
grant all on members, seats to shop
"""


class Sagas:
    """A table of members, one of seats with a limit, and a directory; sagas step by step."""

    def __init__(self, tenant: Tenant, postgres: Postgres, slapd: Slapd) -> None:
        self.tenant, self.postgres, self.slapd = tenant, postgres, slapd
        self.services = tenant.instance.services
        systems = RecordConnections(self.services.app, self.services.inventory, self.services.registry)
        self.task = SagaTask(self.services.app, systems, self.services.bus)
        self.ids: dict[str, str] = {}

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as admin:
            done = admin.execute(statement.encode())
            return done.fetchall() if done.description else []

    async def register(self) -> None:
        tables = {name: {"table": name, "key": "login"} for name in ("members", "seats")}
        people = {"base": PEOPLE, "parent": PEOPLE, "filter": "(objectClass=inetOrgPerson)"}
        login = {"username": "cn=admin,dc=example,dc=org", "password": "admin-secret"}
        for name, kind, endpoint, credentials, resources in (
            ("shop", "database", self.postgres.endpoint(), {"username": "shop"}, tables),
            ("directory", "ldap", self.slapd.endpoint, login, {"people": people}),
        ):
            body = {"name": name, "type": kind, "endpoint": endpoint, "credentials": credentials,
                    "settings": {"resources": resources}}  # fmt: skip
            answer = await self.tenant.http.post("/api/v1/systems", json=body)
            assert answer.status_code == 201, answer.text
            self.ids[name] = answer.json()["id"]

    def step(self, system: str, resource: str, operation: str, **more: Any) -> dict[str, Any]:
        return {"system_id": self.ids[system], "resource": resource, "operation": operation, **more}

    async def asked(self, *steps: dict[str, Any]) -> dict[str, Any]:
        answer = await self.tenant.http.post("/api/v1/sagas", json={"name": "Join ada", "steps": list(steps)})
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def decided(self, saga: Mapping[str, Any], status: RunStatus = RunStatus.SUCCEEDED) -> None:
        async with self.services.app.unit_of_work(self.tenant.id) as session:
            run = await self.services.action_service.get(session, run_id=UUID(saga["action_id"]))
            changed = ActionChanged(run=replace(run, status=status.value), key="t", reply_to=None, actor="system:test")
            await SagaRelease(self.services.submission).action_changed(session, changed)

    async def carried_out(self, saga: Mapping[str, Any]) -> dict[str, Any]:
        """By its task, as often as it is started; what it says afterwards."""

        async def step(name: str, function: Any) -> Any:
            return await function()

        context = TaskContext(
            task_id=uuid4(), tenant_id=self.tenant.id, attempt=9, progress=lambda done, words: None, step=step
        )
        await self.task.run(context, OfSaga(saga_id=UUID(saga["id"])))
        found: dict[str, Any] = (await self.tenant.http.get(f"/api/v1/sagas/{saga['id']}")).json()
        return found

    async def done(self, *steps: dict[str, Any]) -> dict[str, Any]:
        saga = await self.asked(*steps)
        await self.decided(saga)
        return await self.carried_out(saga)

    def state(self) -> list[object]:
        return [*self.sql("select * from members order by 1"), *self.sql("select * from seats"), *self.slapd.content()]

    async def incidents(self) -> list[str]:
        return [one["title"] for one in (await self.tenant.http.get("/api/v1/incidents")).json()["items"]]

    async def page(self, path: str) -> str:
        """A page of the console, as the owner sees it."""
        console = Console(
            console_services_of(self.services, lambda: {"database": True}), otherwise=self.tenant.instance.app
        )
        cookies = {"opsteward_session": (await self.tenant.credential("session")).secret}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(console), base_url=ORIGIN, cookies=cookies, headers={"Accept": "text/html"}
        ) as browser:
            answer = await browser.get(path)
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)


@pytest.fixture
async def sagas(tenant: Tenant, postgres: Postgres, slapd: Slapd) -> Sagas:
    made = Sagas(tenant, postgres, slapd)
    for statement in TABLES.split(";"):
        made.sql(statement)
    await made.register()
    return made


def person(uid: str) -> dict[str, Any]:
    return {"objectClass": ["inetOrgPerson"], "uid": uid, "cn": f"Zoë, {uid}", "sn": "Ad, a"}


def joining(sagas: Sagas, uid: str, seat: int) -> list[dict[str, Any]]:
    return [
        sagas.step("shop", "members", "create", values={"login": uid, "name": "Ada"}),
        sagas.step("directory", "people", "create", values=person(uid)),
        sagas.step("shop", "members", "update", native_id="bob", values={"team": "lead", "name": "Robert"}),
        sagas.step("shop", "members", "delete", native_id="dee"),
        sagas.step("shop", "seats", "create", values={"login": uid, "number": seat}),
    ]


async def test_all_steps_are_made_on_all_systems_once_they_are_approved(sagas: Sagas) -> None:
    uid = f"ada{uuid4().hex[:6]}"
    saga = await sagas.asked(*joining(sagas, uid, 7))
    before = sagas.state()
    assert saga["status"] == "awaiting_approval"
    run = (await sagas.tenant.http.get(f"/api/v1/actions/{saga['action_id']}")).json()
    assert f"login {uid}, name Ada in members of shop" in run["params"]["steps"][0]
    assert sagas.state() == before
    await sagas.decided(saga)
    done = await sagas.carried_out(saga)
    assert (done["status"], {step["status"] for step in done["steps"]}) == ("succeeded", {"done"}), done
    assert sagas.sql("select login, name, team from members order by login") == [
        (uid, "Ada", None), ("bob", "Robert", "lead"),
    ]  # fmt: skip
    assert any(entry.startswith(f"dn: uid={uid},") for entry in sagas.slapd.content())
    assert (await sagas.carried_out(saga))["status"] == "succeeded"


async def test_a_step_that_is_refused_takes_all_before_it_back_and_leaves_no_trace(sagas: Sagas) -> None:
    before = sagas.state()
    ended = await sagas.done(*joining(sagas, f"eve{uuid4().hex[:6]}", 99))
    assert ended["status"] == "compensated", ended
    assert [step["status"] for step in ended["steps"]] == ["compensated"] * 4 + ["failed"]
    assert "step 5 was not made" in ended["error"]
    assert sagas.state() == before
    assert await sagas.incidents() == []


async def test_what_others_changed_meanwhile_is_left_to_them_and_an_incident(sagas: Sagas) -> None:
    sagas.sql(
        "create or replace function take_over() returns trigger language plpgsql security definer as "
        "$$ begin update members set name = 'Taken over' where login = 'bob'; return new; end $$"
    )
    sagas.sql("create trigger take_over after insert on seats for each row execute function take_over()")
    before = sagas.slapd.content()
    ended = await sagas.done(
        sagas.step("directory", "people", "create", values=person(f"fay{uuid4().hex[:6]}")),
        sagas.step("shop", "members", "update", native_id="bob", values={"name": "Robert"}),
        sagas.step("shop", "seats", "create", values={"login": "one", "number": 1}),
        sagas.step("shop", "seats", "create", values={"login": "two", "number": 11}),
    )
    assert ended["status"] == "stuck", ended
    assert [step["status"] for step in ended["steps"]] == ["compensated", "stuck", "compensated", "failed"]
    assert "changed by others" in ended["steps"][1]["problem"]
    assert sagas.sql("select name from members where login = 'bob'") == [("Taken over",)]
    assert (sagas.sql("select * from seats"), sagas.slapd.content()) == ([], before)
    (incident,) = await sagas.incidents()
    assert "Join ada" in incident
    page = await sagas.page(f"/sagas/{ended['id']}")
    (found,) = (await sagas.tenant.http.get("/api/v1/incidents")).json()["items"]
    assert f'href="/incidents/{found["id"]}"' in page and "could not be taken back" in page
    assert "<del>Bob</del> → <ins>Robert</ins>" in page and "changed by others" in page
    listed = await sagas.page("/sagas?status=stuck")
    assert "2 of 3 taken back, 1 could not be" in listed and "directory, shop" in listed
    assert "Join ada" not in await sagas.page("/sagas?status=succeeded")


async def test_a_step_that_was_sent_before_a_crash_is_not_made_twice(sagas: Sagas, postgres: Postgres) -> None:
    uid = f"gil{uuid4().hex[:6]}"
    saga = await sagas.asked(*joining(sagas, uid, 3))
    await sagas.decided(saga)
    await sagas.carried_out(saga)
    # as it stood when the process died: all was done, and nothing of the answers noted
    async with sagas.services.app.unit_of_work(sagas.tenant.id) as session:
        from sqlalchemy import text

        await session.execute(text("update opsteward.saga_steps set status = 'sent', made_id = null"))
        await session.execute(text("update opsteward.sagas set status = 'running', ended_at = null"))
    after = sagas.state()
    assert (await sagas.carried_out(saga))["status"] == "succeeded"
    assert sagas.state() == after


async def test_a_saga_is_forgotten_with_its_steps_once_it_has_ended_long_ago(sagas: Sagas) -> None:
    ended = await sagas.done(
        sagas.step("shop", "seats", "create", values={"login": f"k{uuid4().hex[:6]}", "number": 9})
    )
    waiting = await sagas.asked(sagas.step("shop", "members", "delete", native_id="dee"))
    for ago, left in (("1 hour", {ended["id"], waiting["id"]}), ("-1 minute", {waiting["id"]})):
        while sagas.tenant.instance.sql(f"select opsteward.forget_sagas(now() - interval '{ago}', 1)")[0][0]:
            pass
        there = (await sagas.tenant.http.get("/api/v1/sagas")).json()["items"]
        assert {one["id"] for one in there} == left
    kept = sagas.tenant.instance.sql(
        "select distinct saga_id::text from opsteward.saga_steps where tenant_id = %s", sagas.tenant.id
    )
    assert kept == [(waiting["id"],)]


async def test_a_saga_that_is_not_approved_changes_nothing(sagas: Sagas) -> None:
    before = sagas.state()
    saga = await sagas.asked(*joining(sagas, "hal", 2))
    await sagas.decided(saga, RunStatus.REFUSED)
    assert (await sagas.carried_out(saga))["status"] == "cancelled"
    assert sagas.state() == before


async def test_steps_that_cannot_work_are_refused_by_their_number(sagas: Sagas) -> None:
    for step, named in (
        (sagas.step("shop", "members", "update", values={"name": "x"}), "steps.0"),
        (sagas.step("shop", "members", "delete", native_id="bob", values={"name": "x"}), "steps.0"),
        ({**sagas.step("shop", "members", "delete", native_id="bob"), "system_id": str(uuid4())}, "steps.0.system_id"),
    ):
        answer = await sagas.tenant.http.post("/api/v1/sagas", json={"name": "x", "steps": [step]})
        assert answer.status_code == 422, answer.text
        assert named in answer.text


async def test_no_value_turns_round_what_is_to_be_approved(sagas: Sagas) -> None:
    saga = await sagas.asked(
        sagas.step("shop", "members", "create", values={"login": "kim\u202e", "name": "a\nb\u2066"})
    )
    assert saga["steps"][0]["words"] == "create login kim\ufffd, name a\ufffdb\ufffd in members of shop"
    assert saga["steps"][0]["values"]["login"] == "kim\u202e"


async def test_a_password_is_written_and_never_shown(sagas: Sagas) -> None:
    uid = f"ivy{uuid4().hex[:6]}"
    step = sagas.step("directory", "people", "create", values={**person(uid), "userPassword": "h1dden-one"})
    saga = await sagas.asked(step)
    run = (await sagas.tenant.http.get(f"/api/v1/actions/{saga['action_id']}")).text
    await sagas.decided(saga)
    done = await sagas.carried_out(saga)
    assert done["status"] == "succeeded"
    kept = str(sagas.tenant.instance.sql("select * from opsteward.saga_steps where tenant_id = %s", sagas.tenant.id))
    assert uid in kept
    assert not [said for said in (str(saga), run, str(done), kept) if "h1dden-one" in said]

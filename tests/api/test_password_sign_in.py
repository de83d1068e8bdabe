"""Passwords: setting them by a link or with the old one, signing in, and what guessing comes to."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from opsteward.accounts.password_hashing import PasswordHashing
from opsteward.accounts.passwords import PasswordSignIn
from opsteward.accounts.sessions import SESSION_COOKIE
from support.instance import ORIGIN, Instance, Operator, Tenant
from support.problems import named_fields, problem_of

GOOD = "correct horse battery"
_addresses = (f"198.51.100.{n}" for n in itertools.count(1))


@pytest.fixture(autouse=True)
def nobody_failed_yet(instance: Instance) -> None:
    instance.sql("delete from opsteward.sign_in_attempts")


@pytest.fixture(autouse=True)
def light_hashes(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the usual parameters take a tenth of a second, hundreds of times."""
    hashing = instance.services.password_sign_in._hashing
    monkeypatch.setattr(hashing, "_hasher", PasswordHasher(time_cost=1, memory_cost=512, parallelism=1))
    monkeypatch.setattr(hashing, "_nobodys", None)


def browser(instance: Instance, *, address: str | None = None, **headers: str) -> httpx.AsyncClient:
    """A browser at an address of its own."""
    transport = httpx.ASGITransport(
        instance.app, raise_app_exceptions=False, client=(address or next(_addresses), 4711)
    )
    client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN, **headers}, timeout=30)
    instance.clients.append(client)
    return client


async def code_for(tenant: Tenant, operator: Operator, *, by: Operator | None = None) -> str:
    answer = await (by or tenant.owner).http.post(f"/api/v1/operators/{operator.id}/password-link")
    assert answer.status_code == 201, answer.text
    url = httpx.URL(answer.json()["url"])
    assert str(url).startswith(f"{ORIGIN}/sign-in/password?code=ops_")
    return str(url.params["code"])


async def set_by_link(client: httpx.AsyncClient, code: str, password: str, again: str | None = None) -> httpx.Response:
    fields = {"code": code, "password": password, "again": password if again is None else again}
    return await client.post("/sign-in/password", data=fields)


async def with_password(tenant: Tenant, *roles: str, password: str = GOOD) -> Operator:
    operator = await tenant.operator(*(roles or ("viewer",)))
    answer = await set_by_link(browser(tenant.instance), await code_for(tenant, operator), password)
    assert answer.status_code == 303, answer.text
    return operator


async def sign_in(
    tenant: Tenant, name: str, password: str, *, client: httpx.AsyncClient | None = None
) -> httpx.Response:
    body = {"tenant": tenant.name, "name": name, "password": password}
    return await (client or browser(tenant.instance)).post("/api/v1/sign-in", json=body)


async def entries(tenant: Tenant, verb: str) -> list[dict[str, Any]]:
    items = (await tenant.http.get("/api/v1/audit", params={"limit": 1000})).json()["items"]
    return [e for e in items if e["verb"] == verb]


async def test_a_link_sets_a_password_once(instance: Instance, tenant: Tenant) -> None:
    operator = await tenant.operator("viewer")
    code, client = await code_for(tenant, operator), browser(instance)
    for _ in range(2):  # looking uses nothing up
        page = await client.get("/sign-in/password", params={"code": code})
        assert page.status_code == 200
        assert operator.name in page.text
    for password, again in (("short", None), (operator.name, None), ("x" * 257, None), (GOOD, "correct horse")):
        assert (await set_by_link(client, code, password, again)).status_code == 422
    assert SESSION_COOKIE not in client.cookies
    assert (await set_by_link(client, code, GOOD)).status_code == 303
    assert (await client.get("/api/v1/me")).json()["operator"] == operator.name
    assert (await set_by_link(client, code, "another good password")).status_code == 401
    assert (await client.get("/sign-in/password", params={"code": code})).status_code == 401
    assert (await sign_in(tenant, operator.name, GOOD)).status_code == 200
    assert [e["detail"] for e in await entries(tenant, "password.changed")] == [{"by": "link"}]


async def test_a_password_link_is_for_nothing_else(instance: Instance, tenant: Tenant) -> None:
    operator = await tenant.operator("viewer")
    code = await code_for(tenant, operator)
    client = browser(instance)
    problem_of(await instance.client(code).get("/api/v1/me"), 401)
    assert (await client.get("/sign-in", params={"code": code})).status_code == 401
    assert (await client.post("/sign-in", data={"token": code})).status_code == 401
    for wrong in (tenant.owner.token, (await tenant.credential("link")).secret, "ops_unknown", ""):
        assert (await set_by_link(client, wrong, GOOD)).status_code == 401
    assert tenant.count("operator_passwords") == 0
    foreign = browser(instance, Origin="http://evil.test")
    problem_of(await set_by_link(foreign, code, GOOD), 403)


async def test_signing_in_by_the_page_and_by_the_api(instance: Instance, tenant: Tenant) -> None:
    operator = await with_password(tenant)
    client = browser(instance)
    fields = {"tenant": tenant.name, "name": operator.name.upper(), "password": GOOD}
    answer = await client.post("/sign-in", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await client.get("/api/v1/me")).json()["operator"] == operator.name
    answer = await sign_in(tenant, operator.name, GOOD)
    assert answer.json()["operator_id"] == str(operator.id)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    problem_of(await sign_in(tenant, operator.name, GOOD, client=browser(instance, Origin="http://evil.test")), 403)
    problem_of(await browser(instance, Origin="http://evil.test").post("/sign-in", data=fields), 403)
    assert {e["detail"]["by"] for e in await entries(tenant, "sign_in.succeeded")} >= {"password"}


async def test_a_wrong_password_and_an_unknown_operator_get_one_answer(instance: Instance, tenant: Tenant) -> None:
    operator, without = await with_password(tenant), await tenant.operator("viewer")
    answers = [
        await sign_in(tenant, operator.name, "wrong horse battery"),
        await sign_in(tenant, without.name, GOOD),
        await sign_in(tenant, "nobody", GOOD),
        await browser(instance).post("/api/v1/sign-in", json={"tenant": "none", "name": "x", "password": GOOD}),
    ]
    told = [problem_of(answer, 401) for answer in answers]
    for one in told:
        del one["correlation_id"]
    assert all(one == told[0] for one in told)
    failed = await entries(tenant, "sign_in.failed")
    assert {e["object_id"] for e in failed} == {str(operator.id), str(without.id), str(tenant.id)}


async def test_as_much_is_computed_for_nobody(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = await with_password(tenant)
    compared: list[bool] = []
    verify = PasswordHashing._verify

    def counted(self: PasswordHashing, stored: str | None, password: str) -> bool:
        compared.append(stored is not None)
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHashing, "_verify", counted)
    await sign_in(tenant, operator.name, "wrong horse battery")
    await sign_in(tenant, "nobody", "wrong horse battery")
    assert compared == [True, False]


async def test_guessing_has_to_wait(instance: Instance, tenant: Tenant) -> None:
    operator = await with_password(tenant)
    for _ in range(5):
        problem_of(await sign_in(tenant, operator.name, "wrong horse battery"), 401)
    waits = []
    for _ in range(9):
        answer = await sign_in(tenant, operator.name.upper(), GOOD)  # even the right one, from wherever
        problem_of(answer, 429)
        waits.append(int(answer.headers["retry-after"]))
        past = "now() - interval '1 second'"
        instance.sql(f"update opsteward.sign_in_attempts set blocked_until = {past} where free_tries = 5")
        problem_of(await sign_in(tenant, operator.name, "wrong horse battery"), 401)
    assert waits == sorted(waits)
    assert waits[0] <= 5 < 100 < waits[-1] <= 900
    page = await browser(instance).post(
        "/sign-in", data={"tenant": tenant.name, "name": operator.name, "password": GOOD}
    )
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) > 5
    instance.sql("update opsteward.sign_in_attempts set blocked_until = now() - interval '1 second'")
    assert (await sign_in(tenant, operator.name, GOOD)).status_code == 200
    assert (await sign_in(tenant, operator.name, "wrong horse battery")).status_code == 401  # it counts anew
    assert (await sign_in(tenant, operator.name, GOOD)).status_code == 200


async def test_an_address_that_tries_many_names_has_to_wait(instance: Instance, tenant: Tenant) -> None:
    operator = await with_password(tenant)
    guesser = browser(instance, address="203.0.113.9")
    for n in range(20):
        assert (await sign_in(tenant, f"nobody-{n}", GOOD, client=guesser)).status_code == 401
    problem_of(await sign_in(tenant, operator.name, GOOD, client=guesser), 429)
    assert (await sign_in(tenant, operator.name, GOOD)).status_code == 200
    one_subscriber = [browser(instance, address=f"2001:db8::{n:x}") for n in range(21)]
    codes = [
        (await sign_in(tenant, f"nobody-v6-{n}", GOOD, client=c)).status_code for n, c in enumerate(one_subscriber)
    ]
    assert codes == [401] * 20 + [429]


async def test_many_tries_at_once_are_no_more_guesses(tenant: Tenant) -> None:
    operator = await with_password(tenant)
    answers = await asyncio.gather(*(sign_in(tenant, operator.name, f"wrong horse {n:09}") for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_changing_ones_own_needs_the_old_one(tenant: Tenant) -> None:
    operator = await with_password(tenant)
    mine, other = browser(tenant.instance), browser(tenant.instance)
    for client in (mine, other):
        await sign_in(tenant, operator.name, GOOD, client=client)

    async def change(old: str, new: str) -> httpx.Response:
        return await mine.put("/api/v1/me/password", json={"old_password": old, "new_password": new})

    assert named_fields(await change("wrong horse battery", "another good password")) == {"old_password"}
    for bad in ("eleven char", operator.name.upper() + "", "x" * 257):
        assert named_fields(await change(GOOD, bad)) == {"new_password"}
    assert (await change(GOOD, "another good password")).status_code == 204
    assert (await mine.get("/api/v1/me")).status_code == 200
    problem_of(await other.get("/api/v1/me"), 401)  # its session is over
    problem_of(await sign_in(tenant, operator.name, GOOD), 401)
    assert (await sign_in(tenant, operator.name, "another good password")).status_code == 200
    without = await tenant.operator("viewer")
    body = {"old_password": GOOD, "new_password": "another good password"}
    problem_of(await without.http.put("/api/v1/me/password", json=body), 409)


async def test_a_password_is_the_same_however_it_is_composed(tenant: Tenant) -> None:
    operator = await with_password(tenant, password="pässwörter sind länger")
    assert (await sign_in(tenant, operator.name, "pa\u0308sswo\u0308rter sind la\u0308nger")).status_code == 200


async def test_hashes_are_made_anew_when_parameters_change(instance: Instance, tenant: Tenant) -> None:
    operator = await with_password(tenant)

    def stored() -> str:
        query = "select hash from opsteward.operator_passwords where operator_id = %s"
        return str(instance.sql(query, operator.id)[0][0])

    before = stored()
    weaker = PasswordSignIn(
        instance.services.web, PasswordHashing(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
    )
    await weaker.sign_in(tenant=tenant.name, name=operator.name, password=GOOD, address="198.51.100.250")
    assert "m=1024,t=1,p=1" in stored() != before
    assert (await sign_in(tenant, operator.name, GOOD)).status_code == 200
    assert before.split("$")[3] == stored().split("$")[3] and GOOD not in stored()
    kept = stored()
    assert (await sign_in(tenant, operator.name, GOOD)).status_code == 200
    assert stored() == kept


async def test_hostile_names_are_just_unknown(instance: Instance, tenant: Tenant) -> None:
    for name in ("' or 1=1 --", "\x00", "\u202eadmin", "a" * 5000, "%00", "🙂", " "):
        answer = await browser(instance).post(
            "/sign-in", data={"tenant": name, "name": name, "password": f"{name}\x00{GOOD}"}
        )
        assert answer.status_code == 401, answer.text
        assert "<script" not in answer.text
    page = await browser(instance).post(
        "/sign-in", data={"tenant": tenant.name, "name": '"><script>alert(1)</script>', "password": GOOD}
    )
    assert "<script" not in page.text


async def test_who_gave_the_password_is_known_by_the_session(instance: Instance, tenant: Tenant) -> None:
    from opsteward.accounts import tokens
    from opsteward.accounts.account_creators import ancestry_of

    boss = await tenant.operator("owner")
    operator = await tenant.operator("approver")
    client = browser(instance)
    await set_by_link(client, await code_for(tenant, operator, by=boss), GOOD)
    await client.put("/api/v1/me/password", json={"old_password": GOOD, "new_password": "another good password"})
    fresh = browser(instance)
    await sign_in(tenant, operator.name, "another good password", client=fresh)
    for each in (client, fresh):
        identity = await tokens.authenticate(instance.services.web, secret=each.cookies[SESSION_COOKIE])
        async with instance.services.web.unit_of_work(tenant.id) as session:
            [step] = (await ancestry_of(session, identity)).own_steps
        assert step.maker == boss.actor

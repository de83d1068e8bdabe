"""Ways in and out: sessions and their cookie, one-time links, tokens, and who may make them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from opsteward.accounts import tokens
from opsteward.accounts.account_creators import ancestry_of
from opsteward.accounts.sessions import SESSION_COOKIE
from support.instance import ORIGIN, Instance, Tenant
from support.problems import problem_of


def session_client(instance: Instance, secret: str, **headers: str) -> httpx.AsyncClient:
    return instance.client(Cookie=f"{SESSION_COOKIE}={secret}", **headers)


async def test_a_session_changes_things_from_our_own_pages_only(instance: Instance, tenant: Tenant) -> None:
    secret = (await tenant.credential("session")).secret
    event = {"message": "Out of memory"}
    assert (await session_client(instance, secret).get("/api/v1/incidents")).status_code == 200
    foreign = [
        {}, {"Origin": "http://evil.test"}, {"Origin": "null"}, {"Origin": ""}, {"Origin": f"{ORIGIN}.evil.test"},
        {"Origin": f"http://evil.test/{ORIGIN}"}, {"Referer": f"{ORIGIN}/"}, {"Origin": f"{ORIGIN}:81"},
        {"Origin": "instance.test"}, {"Origin": "http://instance.test@evil.test"},
    ]  # fmt: skip
    for headers in foreign:
        answer = await session_client(instance, secret, **headers).post("/api/v1/events", json=event)
        problem_of(answer, 403)
    assert tenant.count("events") == 0
    own = await session_client(instance, secret, Origin=ORIGIN).post("/api/v1/events", json=event)
    assert own.status_code == 202
    assert tenant.count("events") == 1


async def test_sign_in_by_token_and_sign_out(instance: Instance, tenant: Tenant) -> None:
    client = instance.client(Origin=ORIGIN)
    answer = await client.post("/sign-in", data={"token": tenant.owner.token})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert tenant.owner.token not in cookie
    assert (await client.get("/api/v1/me")).json()["tenant"] == tenant.name
    secret = client.cookies[SESSION_COOKIE]
    assert (await client.post("/sign-out")).status_code == 303
    again = session_client(instance, secret, Origin=ORIGIN)
    problem_of(await again.get("/api/v1/me"), 401)
    assert (await tenant.http.get("/api/v1/me")).status_code == 200  # the token itself lives on


async def test_signing_in_from_another_page_is_refused(instance: Instance, tenant: Tenant) -> None:
    for headers in ({}, {"Origin": "http://evil.test"}):
        answer = await instance.client(**headers).post("/sign-in", data={"token": tenant.owner.token})
        problem_of(answer, 403)
        assert "set-cookie" not in answer.headers


async def test_a_token_is_not_signed_out(tenant: Tenant) -> None:
    problem_of(await tenant.http.post("/sign-out"), 403)
    assert (await tenant.http.get("/api/v1/me")).status_code == 200


async def test_a_link_signs_in_once(instance: Instance, tenant: Tenant) -> None:
    link = await tenant.credential("link", ttl=timedelta(minutes=1))
    first = instance.client()
    assert (await first.get("/sign-in", params={"code": link.secret})).status_code == 303
    assert (await first.get("/api/v1/me")).json()["operator"] == "ada"
    second = instance.client()
    assert (await second.get("/sign-in", params={"code": link.secret})).status_code == 401
    assert not second.cookies


@pytest.mark.parametrize("kind", ["api", "session"])
async def test_only_a_link_is_a_link(instance: Instance, tenant: Tenant, kind: str) -> None:
    """Another credential in an address (where logs and histories keep it) opens nothing, and lives on."""
    credential = await tenant.credential(kind)
    client = instance.client()
    assert (await client.get("/sign-in", params={"code": credential.secret})).status_code == 401
    assert not client.cookies
    header = {"Authorization": f"Bearer {credential.secret}"}
    bearer = instance.client(**header) if kind == "api" else session_client(instance, credential.secret)
    assert (await bearer.get("/api/v1/me")).status_code == 200


async def test_an_expired_link_or_token_signs_nobody_in(instance: Instance, tenant: Tenant) -> None:
    link = await tenant.credential("link", ttl=timedelta(seconds=-1))
    assert (await instance.client().get("/sign-in", params={"code": link.secret})).status_code == 401
    for kind in ("api", "session"):
        token = await tenant.credential(kind, ttl=timedelta(seconds=-1))
        answer = await instance.client(Origin=ORIGIN).post("/sign-in", data={"token": token.secret})
        assert answer.status_code == 401


@pytest.mark.parametrize("kind", ["session", "link"])
async def test_only_a_token_signs_in_by_the_form(instance: Instance, tenant: Tenant, kind: str) -> None:
    """A session makes no further one, and a link would outlive its one use."""
    credential = await tenant.credential(kind)
    answer = await instance.client(Origin=ORIGIN).post("/sign-in", data={"token": credential.secret})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def tokens_of(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await client.get("/api/v1/tokens")).json()["items"])


async def test_tokens_are_ones_own_but_for_administrators(tenant: Tenant) -> None:
    viewer, second = await tenant.operator("viewer"), await tenant.operator("operator")
    own = (await viewer.http.post("/api/v1/tokens", json={"name": "mine", "days": 1})).json()
    assert {t["operator_id"] for t in await tokens_of(viewer.http)} == {str(viewer.id)}
    assert own["token"] not in (await viewer.http.get("/api/v1/tokens")).text
    assert len({t["operator_id"] for t in await tokens_of(tenant.http)}) == 3
    problem_of(await viewer.http.post("/api/v1/tokens", json={"operator": second.name}), 403)
    problem_of(await viewer.http.post("/api/v1/tokens", json={"operator": "ada"}), 403)
    others = next(t for t in await tokens_of(tenant.http) if t["operator_id"] == str(second.id))
    problem_of(await viewer.http.delete(f"/api/v1/tokens/{others['id']}"), 403)
    assert (await viewer.http.delete(f"/api/v1/tokens/{own['id']}")).status_code == 204
    problem_of(await viewer.http.delete(f"/api/v1/tokens/{own['id']}"), 404)
    assert (await tenant.http.delete(f"/api/v1/tokens/{others['id']}")).status_code == 204
    problem_of(await second.http.get("/api/v1/me"), 401)


async def test_nobody_gives_more_than_they_have(tenant: Tenant) -> None:
    boss = await tenant.operator("owner", "platform", name="boss")
    admin = await tenant.operator("admin")
    problem_of(await admin.http.post("/api/v1/tokens", json={"operator": "BOSS"}), 403)
    problem_of(await admin.http.post("/api/v1/operators", json={"name": "x", "roles": ["platform"]}), 403)
    given = await boss.http.post("/api/v1/operators", json={"name": "x", "roles": ["platform"]})
    assert given.status_code == 201
    problem_of(await admin.http.post("/api/v1/operators", json={"name": "X", "roles": ["viewer"]}), 409)
    problem_of(await admin.http.post("/api/v1/operators", json={"name": "y", "roles": ["king"]}), 422)


async def made_by(instance: Instance, secret: str) -> set[str]:
    """The others who made this credential or its operator."""
    identity = await tokens.authenticate(instance.services.web, secret=secret)
    async with instance.services.web.unit_of_work(identity.tenant_id) as session:
        return {step.maker for step in (await ancestry_of(session, identity)).own_steps}


async def test_who_made_a_credential_is_known_by_it(instance: Instance, tenant: Tenant) -> None:
    """Also of what is made out of it: a further token, and a session."""
    boss = await tenant.operator("owner", name="boss")
    other = await tenant.operator("approver", name="other")
    assert await made_by(instance, tenant.owner.token) == await made_by(instance, other.token) == set()
    await tenant.http.post("/api/v1/operators", json={"name": "sock", "roles": ["approver"]})
    sock = (await boss.http.post("/api/v1/tokens", json={"operator": "sock"})).json()["token"]
    assert await made_by(instance, sock) == {tenant.owner.actor, boss.actor}
    borrowed = (await tenant.http.post("/api/v1/tokens", json={"operator": "other"})).json()["token"]
    own = (await other.http.post("/api/v1/tokens", json={})).json()["token"]
    assert await made_by(instance, own) == set()
    further = (await instance.client(borrowed).post("/api/v1/tokens", json={"operator": "OTHER"})).json()["token"]
    client = instance.client(Origin=ORIGIN)
    assert (await client.post("/sign-in", data={"token": further})).status_code == 303
    for secret in (borrowed, further, client.cookies[SESSION_COOKIE]):
        assert await made_by(instance, secret) == {tenant.owner.actor}
    async with instance.services.web.unit_of_work(tenant.id) as session:
        link = await tokens.issue_token(
            session, operator_id=other.id, kind="link", name="l", actor=boss.actor, ttl=timedelta(minutes=1)
        )
    client = instance.client()
    assert (await client.get("/sign-in", params={"code": link.secret})).status_code == 303
    assert await made_by(instance, client.cookies[SESSION_COOKIE]) == {boss.actor}


async def test_a_new_tenants_first_operator_is_made_by_the_platforms(instance: Instance) -> None:
    platform = await instance.tenant(roles=("platform",))
    made = (await platform.http.post("/api/v1/tenants", json={"name": f"{platform.name}-made"})).json()
    assert await made_by(instance, made["token"]) == {platform.owner.actor}


async def refused(tenant: Tenant, verb: str) -> list[dict[str, Any]]:
    """What the audit log says of refusals; at most one of a kind a minute."""
    items = (await tenant.http.get("/api/v1/audit")).json()["items"]
    found: list[dict[str, Any]] = []
    for entry in (e for e in items if e["verb"] == verb):
        if (entry["actor"], entry["detail"]) not in [(f["actor"], f["detail"]) for f in found]:
            found.append(entry)
    return found


async def test_what_was_denied_is_in_the_audit_log(tenant: Tenant) -> None:
    viewer = await tenant.operator("viewer")
    for _ in range(3):
        problem_of(await viewer.http.post("/api/v1/operators", json={"name": "x", "roles": ["viewer"]}), 403)
    [entry] = await refused(tenant, "access.denied")
    assert (entry["actor"], entry["detail"]) == (viewer.actor, {"permission": "operators.write"})


async def test_a_refused_sign_in_is_in_the_audit_log(instance: Instance, tenant: Tenant) -> None:
    for kind in ("link", "session"):
        credential = await tenant.credential(kind)
        await instance.client(Origin=ORIGIN).post("/sign-in", data={"token": credential.secret})
    await instance.client().get("/sign-in", params={"code": tenant.owner.token})
    await instance.client((await tenant.credential("session")).secret).get("/api/v1/me")
    details = [e["detail"] for e in await refused(tenant, "sign_in.refused")]
    assert sorted((d["credential"], d["used_as"]) for d in details) == [
        ("api", "link"), ("link", "api"), ("session", "api")
    ]  # fmt: skip
    await instance.client().get("/sign-in", params={"code": "ops_unknown"})
    assert len(await refused(tenant, "sign_in.refused")) == 3


async def test_the_use_of_a_token_is_remembered(tenant: Tenant) -> None:
    fresh = (await tenant.http.post("/api/v1/tokens", json={"name": "fresh"})).json()
    listed = {t["name"]: t["last_used_at"] for t in await tokens_of(tenant.http)}
    assert listed["first"] is not None
    assert listed["fresh"] is None
    await tenant.instance.client(fresh["token"]).get("/api/v1/me")
    listed = {t["name"]: t["last_used_at"] for t in await tokens_of(tenant.http)}
    assert listed["fresh"] is not None


async def test_a_new_tenant_is_named_properly(instance: Instance) -> None:
    platform = await instance.tenant(roles=("platform",))
    name = f"{platform.name}-new"
    for body, field in (({"name": "Not A Slug"}, "name"), ({"name": name, "operator": "\x1b"}, "operator")):
        answer = await platform.http.post("/api/v1/tenants", json=body)
        assert problem_of(answer, 422)["errors"][0]["field"] == field
    made = await platform.http.post("/api/v1/tenants", json={"name": name})
    assert made.status_code == 201
    me = (await instance.client(made.json()["token"]).get("/api/v1/me")).json()
    assert (me["tenant"], me["roles"]) == (name, ["owner"])
    problem_of(await platform.http.post("/api/v1/tenants", json={"name": name}), 409)

"""Operators change and leave; tokens reach as far as their scopes, and end when they should."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from opsteward.accounts.permissions import ALL, ROLES, permissions_of, within_scopes
from opsteward.accounts.sessions import SESSION_COOKIE
from support.instance import ORIGIN, Instance, Tenant
from support.problems import named_fields, problem_of


async def token(http: httpx.AsyncClient, instance: Instance, **body: Any) -> httpx.AsyncClient:
    """A client with a further token."""
    answer = await http.post("/api/v1/tokens", json=body)
    assert answer.status_code == 201, answer.text
    return instance.client(answer.json()["token"])


async def me(http: httpx.AsyncClient) -> dict[str, Any]:
    answer = await http.get("/api/v1/me")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def change(http: httpx.AsyncClient, operator_id: object, **what: Any) -> httpx.Response:
    return await http.put(f"/api/v1/operators/{operator_id}", json=what)


# ---------------------------------------------------------------- scopes


async def test_a_token_may_no_more_than_its_scopes(instance: Instance, tenant: Tenant) -> None:
    limited = await token(tenant.http, instance, scopes=["incidents", "systems.read"])
    assert (await me(limited))["permissions"] == ["incidents.read", "incidents.write", "systems.read"]
    assert (await limited.get("/api/v1/systems")).status_code == 200
    problem_of(await limited.get("/api/v1/audit"), 403)
    problem_of(await limited.post("/api/v1/operators", json={"name": "x", "roles": ["viewer"]}), 403)
    listed = {t["name"]: t["scopes"] for t in (await tenant.http.get("/api/v1/tokens")).json()["items"]}
    assert listed == {"first": None, "api": ["incidents", "systems.read"]}


async def test_scopes_give_nothing_that_the_roles_do_not(instance: Instance, tenant: Tenant) -> None:
    viewer = await tenant.operator("viewer")
    wide = await token(viewer.http, instance, scopes=["operators", "incidents"])
    assert (await me(wide))["permissions"] == ["incidents.read"]
    problem_of(await wide.get("/api/v1/operators"), 403)


async def test_what_a_limited_token_makes_is_limited(instance: Instance, tenant: Tenant) -> None:
    limited = await token(tenant.http, instance, scopes=["incidents", "operators", "tokens"])
    further = await token(limited, instance, name="further")
    assert (await me(further))["scopes"] == ["incidents", "operators", "tokens"]
    narrow = await token(limited, instance, scopes=["incidents.read"])
    assert (await me(narrow))["permissions"] == ["incidents.read"]
    problem_of(await limited.post("/api/v1/tokens", json={"scopes": ["audit"]}), 403)
    problem_of(await narrow.post("/api/v1/tokens", json={"scopes": ["incidents"]}), 403)
    secret = limited.headers["authorization"].removeprefix("Bearer ")
    page = instance.client(Origin=ORIGIN)
    assert (await page.post("/sign-in", data={"token": secret})).status_code == 303
    assert (await me(page))["scopes"] == ["incidents", "operators", "tokens"]
    # Nor does it come to more by another operator: one that it makes, or one that is there.
    other = await tenant.operator("viewer")
    problem_of(await limited.post("/api/v1/operators", json={"name": "sock", "roles": ["admin"]}), 403)
    problem_of(await limited.post("/api/v1/tokens", json={"operator": other.name}), 403)
    problem_of(await limited.post(f"/api/v1/operators/{other.id}/password-link"), 403)
    problem_of(await limited.post(f"/api/v1/operators/{tenant.owner.id}/password-link"), 403)
    problem_of(await change(limited, tenant.owner.id, roles=["owner", "admin"]), 403)


async def test_a_limited_token_ends_itself_only(instance: Instance, tenant: Tenant) -> None:
    operator = await tenant.operator("operator")
    made = (await operator.http.post("/api/v1/tokens", json={"scopes": ["incidents"]})).json()
    others = (await operator.http.post("/api/v1/tokens", json={})).json()
    limited = instance.client(made["token"])
    problem_of(await limited.delete(f"/api/v1/tokens/{others['id']}"), 403)
    assert (await limited.delete(f"/api/v1/tokens/{made['id']}")).status_code == 204
    problem_of(await limited.get("/api/v1/me"), 401)


@pytest.mark.parametrize("scopes", [["nothing"], ["incidents."], ["incident"], [""], [], ["*"], ["signed_in"], "audit"])
async def test_a_scope_that_reaches_nothing_is_refused(tenant: Tenant, scopes: Any) -> None:
    answer = await tenant.http.post("/api/v1/tokens", json={"scopes": scopes})
    problem_of(answer, 422)
    assert any(field.startswith("scopes") for field in named_fields(answer))


def test_scopes_only_take_away() -> None:
    for role in ROLES:
        own = permissions_of([role])
        assert within_scopes(own, None) == own
        for scope in ALL | {permission.partition(".")[0] for permission in ALL}:
            assert within_scopes(own, [scope]) <= own


# ---------------------------------------------------------------- expiry


async def test_a_token_ends_when_it_was_told_to(instance: Instance, tenant: Tenant) -> None:
    answer = (await tenant.http.post("/api/v1/tokens", json={"expires_in": 3600})).json()
    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    short = instance.client(answer["token"])
    for body in ({}, {"days": 30}, {"expires_in": 7200}):  # nothing that it makes outlives it
        made = (await short.post("/api/v1/tokens", json=body)).json()
        assert made["expires_at"] == answer["expires_at"]
    page = instance.client(Origin=ORIGIN)
    await page.post("/sign-in", data={"token": answer["token"]})
    assert (await me(page))["expires_at"] == answer["expires_at"]
    instance.sql("update opsteward.tokens set expires_at = now() where id = %s", answer["id"])
    problem_of(await short.get("/api/v1/me"), 401)
    for bad in ({"expires_in": 0}, {"expires_in": 1.5}, {"expires_in": 10**9}, {"expires_in": 60, "days": 1}):
        problem_of(await tenant.http.post("/api/v1/tokens", json=bad), 422)


# ---------------------------------------------------------------- operators


async def test_other_roles_and_the_end_of_sessions(instance: Instance, tenant: Tenant) -> None:
    operator = await tenant.operator("viewer")
    page = instance.client(Origin=ORIGIN)
    await page.post("/sign-in", data={"token": operator.token})
    assert (await change(tenant.http, operator.id, roles=["viewer"])).json()["roles"] == ["viewer"]
    assert (await page.get("/api/v1/me")).status_code == 200  # nothing was changed
    changed = (await change(tenant.http, operator.id, roles=["operator", "approver"])).json()
    assert (changed["roles"], changed["status"]) == (["approver", "operator"], "active")
    problem_of(await page.get("/api/v1/me"), 401)
    assert (await me(operator.http))["roles"] == ["approver", "operator"]
    assert SESSION_COOKIE in page.cookies
    entry = next(e for e in (await tenant.http.get("/api/v1/audit")).json()["items"] if e["verb"] == "operator.changed")
    assert (entry["actor"], entry["object_id"]) == (tenant.owner.actor, str(operator.id))
    assert (entry["detail"]["roles_before"], entry["detail"]["roles"]) == (["viewer"], ["approver", "operator"])


async def test_out_and_in_again(instance: Instance, tenant: Tenant) -> None:
    operator = await tenant.operator("viewer")
    link = (await tenant.http.post(f"/api/v1/operators/{operator.id}/password-link")).json()["url"]
    for _ in range(2):
        assert (await tenant.http.delete(f"/api/v1/operators/{operator.id}")).status_code == 204
    problem_of(await operator.http.get("/api/v1/me"), 401)
    problem_of(await tenant.http.post(f"/api/v1/operators/{operator.id}/password-link"), 409)
    assert (await change(tenant.http, operator.id, status="active")).json()["status"] == "active"
    assert (await operator.http.get("/api/v1/me")).status_code == 200
    assert (await instance.client().get(link)).status_code == 401  # the link went with the sessions


async def test_nobody_gives_or_takes_beyond_their_own(tenant: Tenant) -> None:
    admin, other = await tenant.operator("admin"), await tenant.operator("viewer")
    for roles in (["owner"], ["platform"], ["metrics"], ["viewer", "owner"]):
        problem_of(await change(admin.http, other.id, roles=roles), 403)
        problem_of(await admin.http.post("/api/v1/operators", json={"name": "x", "roles": roles}), 403)
    problem_of(await change(admin.http, tenant.owner.id, roles=["viewer"]), 403)
    problem_of(await admin.http.delete(f"/api/v1/operators/{tenant.owner.id}"), 403)
    problem_of(await admin.http.post(f"/api/v1/operators/{tenant.owner.id}/password-link"), 403)
    assert (await change(admin.http, other.id, roles=["admin"])).status_code == 200
    for bad in ({"roles": ["king"]}, {"roles": []}, {"status": "gone"}, {}, {"name": "x"}):
        problem_of(await change(admin.http, other.id, **bad), 422)
    problem_of(await change(admin.http, uuid4(), status="inactive"), 404)


async def test_the_last_owner_stays(tenant: Tenant) -> None:
    own = tenant.owner.id
    problem_of(await change(tenant.http, own, roles=["admin"]), 409)
    problem_of(await change(tenant.http, own, status="inactive"), 409)
    problem_of(await tenant.http.delete(f"/api/v1/operators/{own}"), 409)
    second = await tenant.operator("owner")
    await change(tenant.http, second.id, status="inactive")
    problem_of(await tenant.http.delete(f"/api/v1/operators/{own}"), 409)  # one who is out is none
    await change(tenant.http, second.id, status="active")
    assert (await change(tenant.http, own, roles=["viewer"])).status_code == 200
    problem_of(await change(second.http, second.id, roles=["viewer"]), 409)


async def test_two_owners_who_remove_each_other_leave_one(instance: Instance) -> None:
    for _ in range(10):
        tenant = await instance.tenant()
        second = await tenant.operator("owner")
        answers = await asyncio.gather(
            tenant.http.delete(f"/api/v1/operators/{second.id}"),
            second.http.delete(f"/api/v1/operators/{tenant.owner.id}"),
        )
        left = instance.sql(
            "select count(*) from opsteward.operators"
            " where tenant_id = %s and status = 'active' and 'owner' = any(roles)",
            tenant.id,
        )
        assert left == [(1,)], [answer.text for answer in answers]

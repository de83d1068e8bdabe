"""Signed requests from outside: taken once, from who has the secret, and from nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import pytest

from opsteward.accounts.webhooks import WINDOW
from support.instance import Tenant
from support.problems import problem_of

_BODY = {"username": "joiner", "email": "joiner@example.com", "full_name": "New Joiner", "plan": "pro"}


async def _secret(tenant: Tenant) -> dict[str, str]:
    made = await tenant.http.post("/api/v1/webhooks", json={"kind": "user-signup", "name": "the form"})
    assert made.status_code == 201, made.text
    return dict(made.json())


def _signature(secret: str, body: bytes, *, at: float | None = None) -> str:
    moment = str(int(time.time() if at is None else at))
    return f"t={moment},v1={hmac.new(secret.encode(), moment.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


async def _send(tenant: Tenant, body: dict[str, Any] | bytes, signature: str) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Opsteward-Signature": signature}
    return await tenant.instance.client().post("/webhook/user-signup", content=raw, headers=headers)


async def test_a_signed_sign_up_is_a_user_once(tenant: Tenant) -> None:
    raw = json.dumps({**_BODY, "profile": {"lang": "de"}}).encode()
    signature = _signature((await _secret(tenant))["secret"], raw)
    answers = await asyncio.gather(*(_send(tenant, raw, signature) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    (told,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert told["status"] == "success"
    user = (await tenant.http.get(f"/api/v1/users/{told['user_id']}")).json()
    assert (user["source"], user["profile_data"]) == ("webhook", {"lang": "de", "plan": "pro"})
    assert (user["role"], user["status"]) == ("standard_user", "active")


async def test_another_role_is_no_way_around_its_review(tenant: Tenant) -> None:
    raw = json.dumps({**_BODY, "role": "admin"}).encode()
    told = (await _send(tenant, raw, _signature((await _secret(tenant))["secret"], raw))).json()
    user = (await tenant.http.get(f"/api/v1/users/{told['user_id']}")).json()
    assert (user["status"], user["permissions"]) == ("pending", [])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good, secret, raw: "",
        lambda good, secret, raw: good.replace("v1=", "v0="),
        lambda good, secret, raw: good[:-1] + ("0" if good[-1] != "0" else "1"),
        lambda good, secret, raw: _signature("whsec_other", raw),
        lambda good, secret, raw: _signature(secret, raw + b" "),
        lambda good, secret, raw: _signature(secret, raw, at=time.time() - WINDOW - 5),
        lambda good, secret, raw: _signature(secret, raw, at=time.time() + WINDOW + 5),
        lambda good, secret, raw: "t=99999999999999999999,v1=" + "0" * 64,
    ],
)
async def test_what_is_not_signed_as_it_should_is_refused(tenant: Tenant, spoil: Any) -> None:
    secret, raw = (await _secret(tenant))["secret"], json.dumps(_BODY).encode()
    problem_of(await _send(tenant, raw, spoil(_signature(secret, raw), secret, raw)), 401)
    assert tenant.count("users") == tenant.count("used_signatures") == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"username": 1}', b'{"username": "\\u0000"}'])
async def test_a_signed_body_may_still_be_wrong(tenant: Tenant, raw: bytes) -> None:
    answer = await _send(tenant, raw, _signature((await _secret(tenant))["secret"], raw))
    assert answer.status_code in (400, 422), answer.text
    assert tenant.count("users") == 0


async def test_a_revoked_sender_is_nobody(tenant: Tenant) -> None:
    made, raw = await _secret(tenant), json.dumps(_BODY).encode()
    assert (await tenant.http.delete(f"/api/v1/webhooks/{made['id']}")).status_code == 204
    problem_of(await _send(tenant, raw, _signature(made["secret"], raw)), 401)
    (listed,) = (await tenant.http.get("/api/v1/webhooks")).json()["items"]
    assert listed["revoked_at"]
    assert "secret" not in listed
    problem_of(await tenant.http.delete(f"/api/v1/webhooks/{made['id']}"), 404)
    assert tenant.instance.sql(
        "select count(*) from opsteward.webhooks where position(%s::bytea in secret_sealed) > 0",
        made["secret"].encode(),
    ) == [(0,)]


async def test_the_secret_tells_the_tenant(tenant: Tenant) -> None:
    other, raw = await tenant.instance.tenant(), json.dumps(_BODY).encode()
    secret = (await _secret(other))["secret"]
    await _secret(tenant)
    assert (await _send(tenant, raw, _signature(secret, raw))).status_code == 200
    assert (tenant.count("users"), other.count("users")) == (0, 1)

"""Who approves is a second person: the chain of making is followed from their credential back to the requester."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from opsteward.accounts import queries, tokens
from opsteward.accounts.four_eyes import SecondPerson
from opsteward.accounts.operators import change_operator
from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.core.errors import Denied
from support.instance import ORIGIN, Instance, Operator, Tenant

HOUR, MONTH = timedelta(hours=1), timedelta(days=30)
GOOD = "correct horse battery staple"


async def made(by: Operator, name: str, *roles: str) -> None:
    answer = await by.http.post("/api/v1/operators", json={"name": name, "roles": list(roles)})
    assert answer.status_code == 201, answer.text


async def token_for(by: Operator, name: str) -> str:
    answer = await by.http.post("/api/v1/tokens", json={"operator": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def puppet(tenant: Tenant, by: Operator, name: str, *roles: str) -> Operator:
    """An operator with a token, both made by another."""
    await made(by, name, *roles)
    secret = await token_for(by, name)
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        found = await queries.find_operator(session, name=name)
    return Operator(id=found.id, name=name, token=secret, http=tenant.instance.client(secret))


def earlier(tenant: Tenant, by: timedelta, *names: str) -> None:
    """All that was done to these operators, or to everybody, was done so much earlier."""
    hours = by.total_seconds() / 3600
    who = "(%s = '{}' or o.name = any(%s))"
    args = (tenant.id, list(names), list(names))
    back = f"- interval '1 hour' * {hours}"
    tenant.instance.sql(
        f"update opsteward.operators o set created_at = created_at {back} where tenant_id = %s and {who}", *args
    )
    tenant.instance.sql(
        f"update opsteward.tokens t set made_at = made_at {back} from opsteward.operators o"
        f" where o.id = t.operator_id and t.tenant_id = %s and {who}",
        *args,
    )
    tenant.instance.sql(
        f"update opsteward.audit_entries e set at = at {back} from opsteward.operators o"
        f" where e.object_id = o.id::text and e.tenant_id = %s and {who}",
        *args,
    )


async def judged(
    tenant: Tenant, secret: str, requesters: Sequence[Operator], *, strict: bool = False
) -> dict[str, Any] | None:
    """What the rule says of who bears this secret."""
    web = tenant.instance.services.web
    by = await tokens.authenticate(web, secret=secret)
    async with web.unit_of_work(tenant.id) as session:
        return await SecondPerson(strict=strict).check(session, by=by, requesters=[one.actor for one in requesters])


async def refused(tenant: Tenant, secret: str, *requesters: Operator, strict: bool = False) -> str:
    with pytest.raises(Denied) as denied:
        await judged(tenant, secret, requesters, strict=strict)
    return denied.value.detail


async def test_somebody_else_is_a_second_person(tenant: Tenant) -> None:
    """Also when the same owner made both."""
    one, two = await puppet(tenant, tenant.owner, "one", "admin"), await puppet(tenant, tenant.owner, "two", "approver")
    assert await judged(tenant, two.token, [one]) is None
    assert await judged(tenant, tenant.owner.token, [one]) is None


@pytest.mark.parametrize("hops", [1, 2, 5])
async def test_however_many_hands_it_goes_through(tenant: Tenant, hops: int) -> None:
    requester = maker = await tenant.operator("admin", name="requester")
    approver = await tenant.operator("approver", name="approver")
    for number in range(1, hops):
        maker = await puppet(tenant, maker, f"hop-{number}", "admin")
    secret = await token_for(maker, "approver")
    told = await refused(tenant, secret, requester)
    assert told.count(" was ") == hops
    for number in range(1, hops):
        assert f"hop-{number}" in told
    assert await judged(tenant, approver.token, [requester]) is None
    borrowed = (await tenant.instance.client(secret).post("/api/v1/tokens", json={})).json()["token"]
    assert (await refused(tenant, borrowed, requester)).count(" was ") == hops


async def test_an_older_one_is_marked_and_strictly_refused(tenant: Tenant) -> None:
    sock = await puppet(tenant, tenant.owner, "sock", "approver")
    earlier(tenant, timedelta(hours=23))
    await refused(tenant, sock.token, tenant.owner)
    earlier(tenant, timedelta(hours=2))
    kept = await judged(tenant, sock.token, [tenant.owner])
    assert kept is not None
    assert (kept["refused"], kept["told"].count("sock was ")) == (False, 1)
    assert "sock was " in await refused(tenant, sock.token, tenant.owner, strict=True)
    fresh = await token_for(tenant.owner, "sock")
    await refused(tenant, fresh, tenant.owner)
    assert await judged(tenant, sock.token, [tenant.owner]) is not None  # the older token is as it was


async def test_a_sleeping_helper_makes_nothing_old(tenant: Tenant) -> None:
    """Made a month ago, it hands out a token today."""
    helper = await puppet(tenant, tenant.owner, "helper", "admin")
    approver = await tenant.operator("approver", name="approver")
    earlier(tenant, MONTH)
    assert "approver was issued a token by helper" in await refused(
        tenant, await token_for(helper, "approver"), tenant.owner
    )
    assert await judged(tenant, approver.token, [tenant.owner]) is None


async def test_who_got_hold_of_the_maker_later_had_no_hand_in_it(tenant: Tenant) -> None:
    chief, approver = await tenant.operator("admin", name="chief"), await tenant.operator("approver", name="approver")
    secret = await token_for(chief, "approver")
    earlier(tenant, MONTH)
    await token_for(tenant.owner, "chief")
    assert await judged(tenant, secret, [tenant.owner], strict=True) is None
    assert await judged(tenant, approver.token, [tenant.owner], strict=True) is None


async def test_a_link_and_its_session(instance: Instance, tenant: Tenant) -> None:
    approver = await tenant.operator("approver", name="approver")
    async with instance.services.web.unit_of_work(tenant.id) as session:
        link = await tokens.issue_token(
            session, operator_id=approver.id, kind="link", name="l", actor=tenant.owner.actor, ttl=HOUR
        )
    client = instance.client()
    assert (await client.get("/sign-in", params={"code": link.secret})).status_code == 303
    told = await refused(tenant, client.cookies[SESSION_COOKIE], tenant.owner)
    assert "approver was signed in by ada" in told


async def test_a_password_link_counts_from_when_it_was_given(instance: Instance, tenant: Tenant) -> None:
    """Signing in anew with the password makes nothing newer."""
    approver = await tenant.operator("approver", name="approver")
    made = await tenant.http.post(f"/api/v1/operators/{approver.id}/password-link")
    assert made.status_code == 201, made.text
    code = made.json()["code"] if "code" in made.json() else made.json()["url"].rpartition("code=")[2]
    sign_in = instance.services.password_sign_in
    first = await sign_in.redeem_link(secret=code, password=GOOD)
    await refused(tenant, first.secret, tenant.owner)
    tenant.instance.sql(
        "update opsteward.operator_passwords set made_at = made_at - interval '25 hours' where tenant_id = %s",
        tenant.id,
    )
    again = {"tenant": tenant.name, "name": "approver", "password": GOOD, "address": "127.0.0.1"}
    _, session = await sign_in.sign_in(**again)
    kept = await judged(tenant, session.secret, [tenant.owner])
    assert kept is not None
    assert kept["refused"] is False


async def test_roles_are_of_somebodys_giving(instance: Instance, tenant: Tenant) -> None:
    """What is taken away is not."""
    other = await tenant.operator("viewer", name="other")
    admin = await tenant.operator("admin", name="admin")
    async with instance.services.web.unit_of_work(tenant.id) as session:
        await change_operator(session, operator_id=other.id, actor=tenant.owner.actor, roles=["approver", "viewer"])
        await change_operator(session, operator_id=other.id, actor=admin.actor, roles=["approver"])
    assert "other was given roles by ada" in await refused(tenant, other.token, tenant.owner)
    assert await judged(tenant, other.token, [admin]) is None


async def test_a_helper_that_was_renamed_and_shut_out_is_named_still(tenant: Tenant) -> None:
    helper = await puppet(tenant, tenant.owner, "helper", "admin")
    await tenant.operator("approver", name="approver")
    secret = await token_for(helper, "approver")
    await tenant.http.put(f"/api/v1/operators/{helper.id}", json={"status": "inactive"})
    for token in (await tenant.http.get("/api/v1/tokens")).json()["items"]:
        if token["operator_id"] == str(helper.id):
            await tenant.http.delete(f"/api/v1/tokens/{token['id']}")
    tenant.instance.sql("update opsteward.operators set name = 'gone', name_key = 'gone' where id = %s", helper.id)
    assert "by gone at" in await refused(tenant, secret, tenant.owner)


async def test_circles_come_to_an_end(tenant: Tenant) -> None:
    """Everybody has given everybody a token; one more operator stands outside."""
    admins = [await tenant.operator("admin", name=f"a{number}") for number in range(8)]
    outside = await tenant.operator("approver", name="outside")
    for maker in admins:
        for whom in admins:
            if maker is not whom:
                await token_for(maker, whom.name)
    secret = await token_for(admins[0], "a1")
    await refused(tenant, secret, admins[7])
    assert await judged(tenant, secret, [outside]) is None
    assert await judged(tenant, outside.token, admins) is None


async def test_of_several_requesters_each_counts(tenant: Tenant) -> None:
    sock = await puppet(tenant, tenant.owner, "sock", "approver")
    stranger = await tenant.operator("admin", name="stranger")
    await refused(tenant, sock.token, stranger, tenant.owner)


async def test_a_request_of_the_house_has_no_making(tenant: Tenant) -> None:
    """Agents, tasks and standing orders are nobody's puppeteers."""
    sock = await puppet(tenant, tenant.owner, "sock", "approver")
    web = tenant.instance.services.web
    by = await tokens.authenticate(web, secret=sock.token)
    async with web.unit_of_work(tenant.id) as session:
        for requester in ("standing-order:restart", "system:executor", "operator:nobody", "system:test"):
            assert await SecondPerson().check(session, by=by, requesters=[requester]) is None


async def test_the_session_of_a_token_is_as_old_as_the_token(instance: Instance, tenant: Tenant) -> None:
    sock = await puppet(tenant, tenant.owner, "sock", "approver")
    earlier(tenant, MONTH)
    client = instance.client(Origin=ORIGIN)
    assert (await client.post("/sign-in", data={"token": sock.token})).status_code == 303
    kept = await judged(tenant, client.cookies[SESSION_COOKIE], [tenant.owner])
    assert kept is not None
    assert kept["refused"] is False

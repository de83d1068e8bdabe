"""Fifty approvals that wait: each with its card, found by what a person knows of it, and decided as a set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from opsteward.core.clock import now
from support.instance import Instance, Operator, Tenant
from support.problems import problem_of
from support.waiting import register_shop_database, wait_for_approval

APPROVALS = "/api/v1/approvals"
WAITING = 50


@pytest.fixture
async def second(tenant: Tenant) -> Operator:
    return await tenant.operator("approver", name="grace")


async def fifty(tenant: Tenant) -> list[dict[str, Any]]:
    system_id = await register_shop_database(tenant)
    return [await wait_for_approval(tenant, system_id=system_id, pid=1000 + n) for n in range(WAITING)]


def named(*approvals: dict[str, Any]) -> list[dict[str, str]]:
    return [{"id": one["id"], "plan_hash": one["plan_hash"]} for one in approvals]


async def decide(by: Operator, verdict: str, items: list[dict[str, str]], reason: str | None = None) -> dict[str, Any]:
    answer = await by.http.post(f"{APPROVALS}/decide", json={"verdict": verdict, "items": items, "reason": reason})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def pages_of(by: Operator, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = (await by.http.get(APPROVALS, params=wanted)).raise_for_status().json()
        found += page["items"]
        if page["next"] is None:
            return found
        wanted["after"] = page["next"]


async def test_the_card_says_all_that_a_decision_needs(tenant: Tenant, second: Operator) -> None:
    taken = await tenant.http.post(
        "/api/v1/events", json={"message": "Pool exhausted", "error_type": "PoolError", "severity": "high"}
    )
    incident_id = taken.json()["events"][0]["incident_id"]
    system_id = await register_shop_database(tenant)
    made = await wait_for_approval(tenant, system_id=system_id, objects=7, incident_id=incident_id)
    found = (await second.http.get(f"{APPROVALS}/{made['id']}")).json()
    card = found["card"]
    assert card["what"].startswith("end session 4711")
    assert card["system"] == {"id": str(system_id), "name": "shop-db"}
    assert (card["why"], card["incident"]["number"]) == ("the pool is full", 1)
    assert card["requester"] == found["requester"]
    assert found["requester"] == {"id": str(tenant.owner.id), "name": "ada", "kind": "token", "automatic": False,
                                  "token": "first"}  # fmt: skip
    assert (card["risk"], card["risk_meaning"]) == ("medium", "interrupts one thing")
    assert (card["object_count"], len(card["objects"])) == (7, 5)
    assert card["undoable"] is False
    assert "session 4711 and 6 more can't be undone" in card["irreversible"]
    assert (card["plan_hash"], card["expires_at"]) == (found["plan_hash"], found["expires_at"])
    assert found["decision"] is None


async def test_a_decision_is_told_with_name_time_and_reason(tenant: Tenant, second: Operator) -> None:
    one = await wait_for_approval(tenant, system_id=await register_shop_database(tenant))
    body = {"plan_hash": one["plan_hash"], "reason": "it is safe now"}
    decided = (await second.http.post(f"{APPROVALS}/{one['id']}/approve", json=body)).json()
    assert decided["decision"]["status"] == "approved"
    assert (decided["decision"]["by"]["name"], decided["decision"]["reason"]) == ("grace", "it is safe now")
    assert decided["decision"]["at"] == decided["decided_at"]
    run = (await tenant.http.get(f"/api/v1/actions/{one['action_id']}")).json()
    assert run["decision"] == decided["decision"]
    assert (run["requester"]["name"], run["system"]["name"]) == ("ada", "shop-db")
    audited = (await tenant.http.get("/api/v1/audit", params={"verb": "action.approval.approved"})).json()["items"]
    assert [(entry["who"]["name"], entry["reason"]) for entry in audited] == [("grace", "it is safe now")]


async def test_who_has_left_is_still_named(tenant: Tenant, second: Operator) -> None:
    one = await wait_for_approval(tenant, system_id=await register_shop_database(tenant))
    await decide(second, "refuse", named(one), "not now")
    assert (await tenant.http.delete(f"/api/v1/operators/{second.id}")).status_code == 204
    found = (await tenant.http.get(f"{APPROVALS}/{one['id']}")).json()
    assert (found["decision"]["by"]["name"], found["decision"]["reason"]) == ("grace", "not now")
    assert (await tenant.http.get(f"/api/v1/actions/{one['action_id']}")).json()["decision"]["by"]["name"] == "grace"


async def test_an_automatic_action_is_told_apart(tenant: Tenant) -> None:
    event = {"message": "Attack", "error_type": "BruteForce", "severity": "high"}
    await tenant.http.post("/api/v1/events", json=event)
    (run,) = (await tenant.http.get("/api/v1/actions")).json()["items"]
    assert (run["requester"]["kind"], run["requester"]["automatic"]) == ("standing_order", True)
    assert run["decision"]["status"] == "automatic"
    assert run["requester"]["name"] in run["decision"]["reason"]


async def test_a_set_of_fifty_is_decided_in_one_request(tenant: Tenant, second: Operator) -> None:
    waiting = await fifty(tenant)
    assert (await second.http.get(f"{APPROVALS}/counts")).json()["pending"] == WAITING
    assert [one["id"] for one in await pages_of(second, limit=20)] == [one["id"] for one in waiting]
    answer = await decide(second, "approve", named(*waiting))
    assert (answer["decided"], answer["not_decided"]) == (WAITING, 0)
    assert [item["id"] for item in answer["items"]] == [one["id"] for one in waiting]
    assert {item["outcome"] for item in answer["items"]} == {"approved"}
    counts = (await second.http.get(f"{APPROVALS}/counts")).json()
    assert (counts["pending"], counts["by_status"]) == (0, {"approved": WAITING})
    assert tenant.instance.sql(
        "select count(*) from opsteward.action_runs where tenant_id = %s and status = 'approved'", tenant.id
    ) == [(WAITING,)]


async def test_each_of_a_set_has_its_own_answer(tenant: Tenant, second: Operator) -> None:
    system_id = await register_shop_database(tenant)
    sound, changed, decided = [await wait_for_approval(tenant, system_id=system_id, pid=n) for n in (11, 12, 13)]
    late = await wait_for_approval(tenant, system_id=system_id, pid=14, expires_in=timedelta(seconds=-1))
    own = await wait_for_approval(tenant, system_id=system_id, pid=15, requested_by=second.actor)
    await decide(tenant.owner, "refuse", named(decided))
    other_tenant = await tenant.instance.tenant()
    foreign = await wait_for_approval(other_tenant, system_id=await register_shop_database(other_tenant))
    items = named(sound, changed, decided, late, own, foreign)
    items[1]["plan_hash"] = "0" * 64
    answer = await decide(second, "approve", items)
    told = {item["id"]: item["outcome"] for item in answer["items"]}
    assert told == {
        sound["id"]: "approved", changed["id"]: "changed", decided["id"]: "already_decided",
        late["id"]: "expired", own["id"]: "denied", foreign["id"]: "not_found",
    }  # fmt: skip
    assert (answer["decided"], answer["not_decided"]) == (1, 5)
    assert all(item["detail"] for item in answer["items"] if item["outcome"] != "approved")
    still = {one["id"] for one in await pages_of(second)}
    assert still == {changed["id"], late["id"], own["id"]}
    assert (await other_tenant.http.get(f"{APPROVALS}/{foreign['id']}")).json()["status"] == "pending"


async def test_a_set_is_bounded_and_names_each_once(tenant: Tenant, second: Operator) -> None:
    one = await wait_for_approval(tenant, system_id=await register_shop_database(tenant))
    for items, field in (
        ([], "items"),
        (named(one) * 101, "items"),
        (named(one, one), "items.1.id"),
        ([{"id": one["id"]}], "items.0.plan_hash"),
    ):
        body = {"verdict": "approve", "items": items}
        problem = problem_of(await second.http.post(f"{APPROVALS}/decide", json=body), 422)
        assert field in [error["field"] for error in problem["errors"]], problem
    problem_of(await second.http.post(f"{APPROVALS}/decide", json={"verdict": "approve", "search": "x"}), 422)
    viewer = await tenant.operator("viewer")
    problem_of(await viewer.http.post(f"{APPROVALS}/decide", json={"verdict": "approve", "items": named(one)}), 403)
    assert (await second.http.get(f"{APPROVALS}/{one['id']}")).json()["status"] == "pending"


async def test_a_list_is_found_by_what_a_person_knows(tenant: Tenant, second: Operator) -> None:
    shop, books = await register_shop_database(tenant), await register_shop_database(tenant, "Books-DB")
    old = now() - timedelta(hours=3)
    first = await wait_for_approval(tenant, system_id=shop, pid=21, reason="too 100% slow", requested_at=old)
    other = await wait_for_approval(tenant, system_id=books, pid=22, requested_by="standing-order:cure the pool")
    await decide(second, "refuse", named(other))
    later = (old + timedelta(hours=1)).isoformat()
    wanted = {
        ("search", "books"): [], ("search", "100%"): [first], ("search", "session 21"): [first],
        ("search", "minate_s"): [first], ("search", "no such"): [], ("search", "SHOP-DB"): [first],
        ("risk", "medium"): [first], ("risk", "low"): [],
        ("action", "postgresql"): [first], ("action", "postgres"): [], ("system_id", str(books)): [],
        ("requester", "ADA"): [first], ("requester", "grace"): [], ("requester", str(tenant.owner.id)): [first],
        ("since", later): [], ("until", later): [first],
    }  # fmt: skip
    for (name, value), expected in wanted.items():
        found = await pages_of(second, **{name: value})
        assert [one["id"] for one in found] == [one["id"] for one in expected], (name, value)
    every = await pages_of(second, status=["pending", "refused"], order="newest", limit=1)
    assert [one["id"] for one in every] == [other["id"], first["id"]]
    assert [one["id"] for one in await pages_of(second, status="all", search="books")] == [other["id"]]
    assert [one["id"] for one in await pages_of(second, status="all", requester="cure the pool")] == [other["id"]]


async def test_names_of_a_page_take_no_query_per_row(tenant: Tenant, second: Operator, instance: Instance) -> None:
    system_id = await register_shop_database(tenant)
    await wait_for_approval(tenant, system_id=system_id, pid=1)
    await statements_of(instance, second)  # that the token is used is written down the first time
    few = await statements_of(instance, second)
    for n in range(20):
        await wait_for_approval(tenant, system_id=system_id, pid=100 + n)
    assert await statements_of(instance, second) == few


async def statements_of(instance: Instance, by: Operator) -> int:
    """How many statements a page of the list takes."""
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    engine = instance.services.web._engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        (await by.http.get(APPROVALS)).raise_for_status()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return len(seen)


@pytest.mark.parametrize("verdict", ["approve", "refuse"])
async def test_the_statements_of_a_set_do_not_grow_with_it(tenant: Tenant, second: Operator, verdict: str) -> None:
    taken = await tenant.http.post(
        "/api/v1/events", json={"message": "Pool exhausted", "error_type": "PoolError", "severity": "high"}
    )
    incident_id = taken.json()["events"][0]["incident_id"]
    system_id = await register_shop_database(tenant)
    waiting = [
        await wait_for_approval(tenant, system_id=system_id, pid=2000 + n, incident_id=incident_id) for n in range(24)
    ]
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, text: str, *_: Any) -> None:
        statements.append(text)

    counts = []
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for some in (waiting[:4], waiting[4:]):
            statements.clear()
            assert (await decide(second, verdict, named(*some), "as agreed"))["decided"] == len(some)
            counts.append(len(statements))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert counts[1] <= counts[0], statements
    status = "approved" if verdict == "approve" else "refused"
    audited = (await tenant.http.get("/api/v1/audit", params={"verb": f"action.approval.{status}"})).json()["items"]
    assert len(audited) == 24
    told = "select count(*) from opsteward.timeline_entries where incident_id = %s and actor = %s"
    assert tenant.instance.sql(told, incident_id, second.actor) == [(24,)]
    queued = "select count(*) from dbos.workflow_status where workflow_uuid like %s"
    ids = [one["action_id"] for one in waiting]
    assert [tenant.instance.sql(queued, f"action:{id_}:decided%")[0][0] for id_ in ids] == [1] * 24

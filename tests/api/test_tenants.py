"""Two tenants: nothing of the one can be reached with a credential of the other, tried on every route."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Set
from typing import Any

import httpx
import pytest
import pytest_asyncio

from support.instance import Instance
from support.malformed import is_in_share
from support.openapi import Operation, example
from support.populated import Populated, populate
from support.problems import named_fields, problem_of


@pytest_asyncio.fixture(scope="module")
async def alpha(instance: Instance) -> Populated:
    return await populate(instance)


@pytest_asyncio.fixture(scope="module")
async def bravo(instance: Instance) -> Populated:
    return await populate(instance)


def shows(answer: httpx.Response, of: Populated, *, but: Set[str] = frozenset()) -> list[str]:
    """The ids and texts of a tenant that an answer holds."""
    text = answer.text + json.dumps(dict(answer.headers))
    return [own for own in {of.mark, *of.all_ids} - but if own in text]


def body_for(operation: Operation, of: Populated) -> Any:
    """A body that would do something, were the ids one's own."""
    special = {
        "/api/v1/approvals/{approval_id}/approve": {"plan_hash": of.plan_hash},
        "/api/v1/operators/{operator_id}": {"status": "inactive"},
        "/api/v1/actions/{action_id}/params": {"params": {"title": "changed", "severity": "low"}},
    }
    return special.get(operation.path) or example(operation.schema)


async def ask(client: httpx.AsyncClient, operation: Operation, of: Populated) -> httpx.Response:
    body = body_for(operation, of) if operation.schema else None
    return await client.request(operation.method, operation.url(**of.ids), json=body)


async def test_no_route_reaches_anothers_things_by_id(
    alpha: Populated, bravo: Populated, everything: list[Operation]
) -> None:
    tried = 0
    before = [steady(await ask(bravo.tenant.http, o, bravo)) for o in everything if is_plain_look(o)]
    for operation in everything:
        if not any(name.endswith("_id") for name in operation.path_parameters):
            continue  # nothing of a tenant's is named, as in the name of a product whose alerts come in
        missing = set(operation.path_parameters) - set(bravo.ids)
        assert not missing, f"{operation}: give the populated tenant a {missing}"
        for client in (alpha.tenant.http, alpha.approver.http):
            answer = await ask(client, operation, bravo)
            assert answer.status_code in (403, 404), f"{operation}: {answer.status_code} {answer.text}"
            asked_for = {bravo.ids[name] for name in operation.path_parameters}
            assert not shows(answer, bravo, but=asked_for), f"{operation}: {answer.text}"
            tried += 1
    after = [steady(await ask(bravo.tenant.http, o, bravo)) for o in everything if is_plain_look(o)]
    assert after == before
    assert tried > 20


def steady(answer: httpx.Response) -> str:
    """Its text without what goes by the clock or by the process: how long an incident has lasted, memory now."""
    text = re.sub(r'\{[^{}]*"metric_type":"memory_mb"[^{}]*\},?', "", answer.text)
    return re.sub(r'"(?:\w+_seconds|memory_mb)":[\d.]+|"(since|until|at|starts_at|ends_at)":"[^"]+"', "", text)


def is_plain_look(operation: Operation) -> bool:
    """A GET that gives the same answer as long as nothing is changed."""
    return operation.method == "GET" and operation.path not in ("/api/v1/tenants", "/api/v1/tokens", *PINGS)


#: Calls that change something, by whoever has the key: of no operator.
PINGS = ("/ping/{key}", "/ping/{key}/{signal}")


async def test_ones_own_ids_are_reached(bravo: Populated, everything: list[Operation]) -> None:
    """The same questions by who owns the things: so the refusals above are about the tenant."""
    for operation in everything:
        if operation.method == "GET" and operation.path not in ("/api/v1/tenants", *PINGS):
            answer = await ask(bravo.tenant.http, operation, bravo)
            assert answer.status_code == 200, f"{operation}: {answer.text}"
            if operation.path_parameters and not operation.path.endswith(("/health", "/related")):
                assert shows(answer, bravo), f"{operation} shows nothing of its own tenant"


@pytest.mark.slow(reason="asks every list with ids of another tenant")
async def test_no_list_shows_anything_of_another(
    alpha: Populated, bravo: Populated, everything: list[Operation]
) -> None:
    numbers = itertools.count()
    for operation in everything:
        if operation.method != "GET" or operation.path_parameters or operation.path == "/api/v1/tenants":
            continue
        queries: list[dict[str, Any]] = [{}, {"status": "all"}, {"limit": 200}]
        for parameter in operation.parameters:
            # another's ids as filters and as places to go on from: those that fit, and a share of the others
            number, about = next(numbers), f"{parameter['name']} {operation.path}"
            queries += [
                {parameter["name"]: own}
                for turn, (name, own) in enumerate(bravo.ids.items())
                if name.removesuffix("_id") in about or is_in_share(number, turn, of=5)
            ]
            queries += [{parameter["name"]: own} for own in (bravo.mark, 2_000_000_000)]
        for query in queries:
            answer = await alpha.tenant.http.get(operation.path, params=query)
            one_version = operation.path in ("/api/v1/standing-orders/version", "/api/v1/standing-orders/diff")
            assert answer.status_code in ((200, 404, 422) if one_version else (200, 422)), answer.text
            asked_for = {str(value) for value in query.values()}
            assert not shows(answer, bravo, but=asked_for), f"{operation}?{query}: {answer.text}"
            if not asked_for & set(bravo.ids.values()) or {"before", "after", "q"} & set(query):
                continue  # a place in the order is no filter
            if answer.headers["content-type"].startswith("application/x-ndjson"):
                assert not answer.text, f"{operation}?{query}"
            else:
                assert not answer.json().get("items"), f"{operation}?{query}"


async def test_no_body_can_name_anothers_things(alpha: Populated, bravo: Populated) -> None:
    http, system = alpha.tenant.http, f"{bravo.mark}-shop"
    new_system = {"name": "mine", "type": "api", "endpoint": "http://127.0.0.1:9/", "depends_on": [system]}
    terminate = {"action": "postgresql.terminate_session", "reason": "x", "system_id": bravo.ids["system_id"]}
    execute = {
        "action": "postgresql.terminate_session", "priority": 1, "event_type": "system_error", "severity": "high",
        "message": "x", "context": {"system": system, "params": {}},
    }  # fmt: skip
    refusals = [
        (await http.post("/api/v1/systems", json=new_system), 422, "depends_on.0"),
        (await http.post("/api/v1/actions", json=terminate), 422, "system_id"),
        (await http.post("/agent/execute-action/", json=execute), 422, "context.system"),
        (await http.post("/api/v1/troubleshooting/sessions", json={"system": system}), 422, "system"),
        (await http.post("/api/v1/tokens", json={"operator": f"{bravo.mark}-approver"}), 404, None),
    ]
    for answer, status, field in refusals:
        problem_of(answer, status)
        assert field is None or field in named_fields(answer)
        assert not set(shows(answer, bravo)) - {bravo.mark}


async def test_a_source_of_the_same_name_is_another_system(alpha: Populated, bravo: Populated) -> None:
    """An event that names another tenant's system stays an event of one's own."""
    event = {"message": "Out of memory", "source": f"{bravo.mark}-shop", "severity": "high"}
    taken = (await alpha.tenant.http.post("/api/v1/events", json=event)).json()["events"][0]
    incident = (await alpha.tenant.http.get(f"/api/v1/incidents/{taken['incident_id']}")).json()
    assert incident["system_id"] is None
    assert taken["incident_id"] not in bravo.all_ids
    assert taken["action"] == "log_and_monitor"  # bravo's standing order for this source says log_only


async def test_the_same_fingerprint_is_another_incident(alpha: Populated, bravo: Populated) -> None:
    event = {"message": "disk /dev/sda is full", "error_type": "DiskFull", "severity": "high"}
    ours = (await alpha.tenant.http.post("/api/v1/events", json=event)).json()["events"][0]
    theirs = (await bravo.tenant.http.post("/api/v1/events", json=event)).json()["events"][0]
    assert ours["fingerprint"] == theirs["fingerprint"]
    assert ours["incident_id"] != theirs["incident_id"]
    both = [await one.tenant.http.get(f"/api/v1/incidents/{ours['incident_id']}") for one in (alpha, bravo)]
    assert [answer.status_code for answer in both] == [200, 404]


async def test_the_same_idempotency_key_is_another_run(alpha: Populated, bravo: Populated) -> None:
    body = {"action": "log_only", "params": {"title": "x", "severity": "low"}, "reason": "x"}
    key = {"Idempotency-Key": "the same"}
    runs = [
        (await one.tenant.http.post("/api/v1/actions", json=body, headers=key)).json()["id"]
        for one in (alpha, bravo, alpha)
    ]
    assert runs[0] == runs[2] != runs[1]


async def test_tenants_are_listed_for_platform_operators_only(instance: Instance, alpha: Populated) -> None:
    problem_of(await alpha.tenant.http.get("/api/v1/tenants"), 403)
    platform = await instance.tenant(roles=("platform",))
    names = [each["name"] for each in (await platform.http.get("/api/v1/tenants")).json()["items"]]
    assert {alpha.mark, platform.name} <= set(names)
    for path in ("/api/v1/systems", "/api/v1/incidents", "/api/v1/audit"):
        problem_of(await platform.http.get(path), 403)  # whose tenants they are is all that it sees


async def test_a_suspended_tenant_or_operator_is_shut_out(instance: Instance) -> None:
    one = await instance.tenant()
    second = await one.operator("viewer")
    instance.sql("update opsteward.operators set status = 'inactive' where id = %s", second.id)
    problem_of(await second.http.get("/api/v1/me"), 401)
    assert (await one.http.get("/api/v1/me")).status_code == 200
    instance.sql("update opsteward.tenants set status = 'suspended' where id = %s", one.id)
    problem_of(await one.http.get("/api/v1/me"), 401)

"""Tasks over the API: submitted once, and hostile input that comes to a clear 4xx, with nothing half-submitted."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from support.instance import Tenant
from support.problems import named_fields, problem_of

ECHO = "opsteward.echo"
JSON = {"Content-Type": "application/json"}


def chain(length: int, **first: Any) -> list[dict[str, Any]]:
    """Each depends on the one before it."""
    return [
        {"task_type": ECHO, "ref": str(n)} | ({"dependencies": [str(n - 1)]} if n else first) for n in range(length)
    ]


async def test_a_task_is_submitted_once_for_one_key(tenant: Tenant) -> None:
    body = {"task_type": ECHO, "parameters": {"message": "hello"}, "priority": "high", "metadata": {"a": [1]}}
    answers = [await tenant.http.post("/api/v1/tasks", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    first, again = (one.json() for one in answers)
    assert (first["status"], first["priority"], first["metadata"]) == ("pending", "high", {"a": [1]})
    assert (first["id"], first["deduplicated"], again["deduplicated"]) == (again["id"], False, True)
    assert tenant.count("tasks") == 1
    detail = (await tenant.http.get(f"/api/v1/tasks/{first['id']}")).json()
    assert detail["tenant_id"] == str(tenant.id)


async def test_a_graph_of_ten_thousand_is_taken_whole(tenant: Tenant) -> None:
    answer = await tenant.http.post("/api/v1/tasks/bulk", json={"tasks": chain(10_000)})
    assert answer.status_code == 202, answer.text[:500]
    assert answer.json()["submitted"] == 10_000
    ready = tenant.instance.sql("select count(*) from opsteward.tasks where ready and tenant_id = %s", tenant.id)
    assert ready == [(1,)], "only the first may run"
    cancelled = await tenant.http.put(f"/api/v1/tasks/{answer.json()['ids'][0]}/cancel")
    assert cancelled.status_code == 200
    assert (await tenant.http.get("/api/v1/tasks/counts")).json()["cancelled"] == 10_000


async def test_many_edges_on_one_task_are_taken(tenant: Tenant) -> None:
    tasks = [{"task_type": ECHO, "ref": str(n)} for n in range(1000)]
    tasks.append({"task_type": ECHO, "dependencies": [str(n) for n in range(1000)]})
    assert (await tenant.http.post("/api/v1/tasks/bulk", json={"tasks": tasks})).status_code == 202
    tasks[-1]["dependencies"] = [str(n) for n in range(1001)]
    problem_of(await tenant.http.post("/api/v1/tasks/bulk", json={"tasks": tasks}), 422)


@pytest.mark.parametrize("length", [1, 2, 10_000])
async def test_a_circle_is_refused(tenant: Tenant, length: int) -> None:
    tasks = chain(length, dependencies=[str(length - 1)])
    problem = problem_of(await tenant.http.post("/api/v1/tasks/bulk", json={"tasks": tasks}), 422)
    assert "circle" in json.dumps(problem)
    assert len(json.dumps(problem)) < 5000
    assert tenant.count("tasks") == 0


async def test_more_than_the_most_are_refused(tenant: Tenant) -> None:
    tasks = [{"task_type": ECHO}] * 10_001
    problem_of(await tenant.http.post("/api/v1/tasks/bulk", json={"tasks": tasks}), 422)
    problem_of(await tenant.http.post("/api/v1/tasks/bulk", json={"tasks": []}), 422)
    assert tenant.count("tasks") == 0


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"task_type": "no.such"}, "task_type"),
    "a type that is no word": ({"task_type": "é\u202e" * 40}, "task_type"),
    "a NUL in the type": ({"task_type": "a\x00b"}, "task_type"),
    "a NUL in the name": ({"name": "a\x00b"}, "name"),
    "a NUL in the parameters": ({"parameters": {"message": "a\x00b"}}, "parameters"),
    "a NUL in a key of the metadata": ({"metadata": {"a\x00b": 1}}, "metadata"),
    "a lone surrogate": ({"metadata": {"a": "\ud800"}}, "metadata"),
    "parameters that the type does not know": ({"parameters": {"nonsense": 1}}, "parameters.nonsense"),
    "parameters of a wrong type": ({"parameters": {"seconds": "soon"}}, "parameters.seconds"),
    "parameters out of bounds": ({"parameters": {"seconds": -1}}, "parameters.seconds"),
    "parameters that are a list": ({"parameters": []}, "parameters"),
    "metadata that is null": ({"metadata": None}, "metadata"),
    "a priority by number": ({"priority": 1}, "priority"),
    "an unknown priority": ({"priority": "urgent"}, "priority"),
    "a negative delay": ({"delay": -1}, "delay"),
    "a delay for ever": ({"delay": 1e300}, "delay"),
    "both a delay and a time": ({"delay": 1, "run_at": "2026-01-01T00:00:00Z"}, "delay"),
    "a time in the far future": ({"run_at": "9999-12-31T23:59:59Z"}, "run_at"),
    "a time without a zone": ({"run_at": "2026-01-01T00:00:00"}, "run_at"),
    "negative retries": ({"max_retries": -1}, "max_retries"),
    "a huge number of retries": ({"max_retries": 10**30}, "max_retries"),
    "a true for a number": ({"max_retries": True}, "max_retries"),
    "a backoff that shrinks": ({"backoff_factor": 0.5}, "backoff_factor"),
    "no backoff": ({"max_backoff": 0}, "max_backoff"),
    "no time at all": ({"timeout": 0}, "timeout"),
    "an endless timeout": ({"timeout": 10**30}, "timeout"),
    "a dependency that is no id": ({"dependencies": ["x"]}, "dependencies"),
    "a dependency that is not there": ({"dependencies": [str(uuid4())]}, "dependencies"),
    "an empty dependency": ({"dependencies": [""]}, "dependencies"),
    "itself": ({"ref": "me", "dependencies": ["me"]}, "dependencies"),
    "an empty dedup key": ({"dedup_key": ""}, "dedup_key"),
    "a field that we don't know": ({"colour": "red"}, "colour"),
}


@pytest.mark.parametrize(("change", "field"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_tasks_are_refused(tenant: Tenant, change: dict[str, Any], field: str) -> None:
    body = {"task_type": ECHO} | change
    single = await tenant.http.post("/api/v1/tasks", content=json.dumps(body), headers=JSON)
    bulk = await tenant.http.post(
        "/api/v1/tasks/bulk", content=json.dumps({"tasks": [{"task_type": ECHO}, body]}), headers=JSON
    )
    for answer, where in ((single, ""), (bulk, "tasks.1.")):
        assert 400 <= answer.status_code < 500, answer.text[:500]
        problem_of(answer, answer.status_code)
        if answer.status_code == 422:
            named = named_fields(answer)
            assert any(name.startswith((f"{where}{field}", field)) for name in named), named
        assert len(answer.content) < 5000
    assert tenant.count("tasks") == 0
    assert tenant.instance.sql(
        "select count(*) from opsteward.audit_entries where tenant_id = %s and verb like 'tasks.%%'", tenant.id
    ) == [(0,)]


async def test_large_parameters_are_refused(tenant: Tenant) -> None:
    for size in (70_000, 1_000_000, 3_000_000):
        for body in ({"message": "x" * size}, {"message": "é" * (size // 2)}):
            answer = await tenant.http.post("/api/v1/tasks", json={"task_type": ECHO, "parameters": body})
            assert answer.status_code in (413, 422), answer.status_code
            problem_of(answer, answer.status_code)
    answer = await tenant.http.post("/api/v1/tasks", json={"task_type": ECHO, "metadata": {"x": "x" * 1_000_000}})
    assert answer.status_code in (413, 422), "what rides along is no way around it"
    assert tenant.count("tasks") == 0


async def test_huge_numbers_in_free_fields_come_to_no_crash(tenant: Tenant) -> None:
    for value in ("1" + "0" * 400, "1e400", "-1e400", "NaN", "1" * 5000):
        content = f'{{"task_type": "{ECHO}", "metadata": {{"n": {value}}}}}'
        answer = await tenant.http.post("/api/v1/tasks", content=content, headers=JSON)
        assert answer.status_code == 202 or 400 <= answer.status_code < 500, (value[:20], answer.text[:300])


async def test_what_has_ended_or_is_not_there_can_not_be_cancelled(tenant: Tenant, other_tenant: Tenant) -> None:
    task = (await tenant.http.post("/api/v1/tasks", json={"task_type": ECHO})).json()["id"]
    problem_of(await other_tenant.http.put(f"/api/v1/tasks/{task}/cancel"), 404)
    problem_of(await tenant.http.post(f"/api/v1/tasks/{task}/redrive"), 409)
    assert (await tenant.http.put(f"/api/v1/tasks/{task}/cancel")).json()["status"] == "cancelled"
    problem_of(await tenant.http.put(f"/api/v1/tasks/{task}/cancel"), 409)
    tenant.instance.sql("update opsteward.tasks set status = 'completed' where id = %s", task)
    problem_of(await tenant.http.put(f"/api/v1/tasks/{task}/cancel"), 409)
    problem_of(await tenant.http.put(f"/api/v1/tasks/{uuid4()}/cancel"), 404)
    problem_of(await tenant.http.put("/api/v1/tasks/nonsense/cancel"), 422)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cron": "* * * *"}, "cron"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "* * * * * *"}, "cron"),
        ({"cron": "@reboot"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"cron": "\x00 * * * *"}, "cron"),
        ({"cron": "*/0 * * * *"}, "cron"),
        ({"cron": "0-59/1,0-59/2,0-59/3 * * * nonsense"}, "cron"),
        ({"cron": "R 3 * * *"}, "cron"),
        ({"cron": "*" * 10_000}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"name": ""}, "name"),
        ({"task": {"task_type": "no.such"}}, "task_type"),
        ({"task": {"task_type": ECHO, "parameters": {"seconds": -1}}}, "parameters.seconds"),
        ({"task": {"task_type": ECHO, "delay": 5}}, "task.delay"),
    ],
)
async def test_bad_schedules_are_refused(tenant: Tenant, change: dict[str, Any], field: str) -> None:
    body = {"name": "nightly", "cron": "0 3 * * *", "task": {"task_type": ECHO}} | change
    answer = await tenant.http.post("/api/v1/schedules", content=json.dumps(body), headers=JSON)
    assert 400 <= answer.status_code < 500, answer.text[:500]
    problem_of(answer, answer.status_code)
    if answer.status_code == 422:
        assert any(name.endswith(field) for name in named_fields(answer)), answer.text[:500]
    assert tenant.count("task_schedules") == 0


async def test_bad_controls_and_limits_are_refused(tenant: Tenant) -> None:
    for body in (
        {"scope": "everything"},
        {"scope": "task_type", "target": "no.such"},
        {"scope": "task_type"},
        {"scope": "tenant", "target": ECHO},
        {"scope": "action", "target": "no.such"},
    ):
        problem_of(await tenant.http.post("/api/v1/controls/pause", json=body), 422)
    for limit in ({"max_running": -1}, {"max_running": 1.5}, {"max_running": 1, "task_type": "no.such"}, {}):
        problem_of(await tenant.http.put("/api/v1/tasks/limits", json=limit), 422)
    problem_of(await tenant.http.post("/api/v1/controls/everything/pause"), 403)
    assert tenant.count("pauses") == 0
    assert tenant.count("task_limits") == 0

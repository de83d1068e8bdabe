"""Background agents over the API and the command line: registered, ordered about, seen; refused where it can't be."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from opsteward.agents import metric_history
from opsteward.core.clock import now
from support.instance import Tenant
from support.live import Live, LiveOperator
from support.problems import problem_of

HEARTBEAT = "opsteward.heartbeat"


async def _register(tenant: Tenant, name: str, **more: Any) -> dict[str, Any]:
    answer = await tenant.http.post("/api/v1/agents", json={"kind": HEARTBEAT, "name": name, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_agent_is_registered_and_seen(tenant: Tenant) -> None:
    made = await _register(tenant, "watch", interval=5)
    assert (made["status"], made["desired"], made["interval"], made["runs"]) == ("registered", "running", 5, 0)
    assert made["purpose"]
    one = (await tenant.http.get(f"/api/v1/agents/{made['id']}")).json()
    assert one == {**made, "messages": []}
    status = (await tenant.http.get("/api/agents/status")).json()
    assert status["summary"]["total"] == status["summary"]["registered"] == 1
    assert [agent["name"] for agent in status["agents"]] == ["watch"]
    assert set(status) == {"summary", "agents", "processes", "leader", "queue"}
    assert tenant.count("agents") == 1


async def test_the_list_has_pages(tenant: Tenant) -> None:
    for name in ("c", "a", "b"):
        await _register(tenant, name)
    first = (await tenant.http.get("/api/v1/agents?limit=2")).json()
    assert [one["name"] for one in first["items"]] == ["a", "b"]
    rest = (await tenant.http.get(f"/api/v1/agents?limit=2&after={first['next']}")).json()
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["c"], None)


async def test_kinds_say_what_can_be_registered(tenant: Tenant) -> None:
    kinds = {one["kind"]: one for one in (await tenant.http.get("/api/v1/agents/kinds")).json()["items"]}
    assert {HEARTBEAT, "opsteward.performance"} <= set(kinds)
    assert kinds[HEARTBEAT]["params"]["type"] == "object"


@pytest.mark.parametrize(("body", "field", "says"), [
    ({"kind": "nobody.knows", "name": "x"}, "kind", HEARTBEAT),
    ({"kind": HEARTBEAT, "name": "Not A Name"}, "name", "use 1 to 100 of"),
    ({"kind": HEARTBEAT, "name": "-x"}, "name", "use 1 to 100 of"),
    ({"kind": HEARTBEAT, "name": "x", "params": {"surprise": 1}}, "params.surprise", "leave it out"),
    ({"kind": HEARTBEAT, "name": "x", "interval": 0.01}, "interval", ""),
    ({"kind": HEARTBEAT, "name": "x", "interval": 1e300}, "interval", ""),
])  # fmt: skip
async def test_what_can_not_be_registered_is_refused(
    tenant: Tenant, body: dict[str, Any], field: str, says: str
) -> None:
    problem = problem_of(await tenant.http.post("/api/v1/agents", json=body), 422)
    (error,) = [one for one in problem["errors"] if one["field"] == field]
    assert says in error["remedy"]
    assert tenant.count("agents") == 0


async def test_a_name_is_taken_once_in_a_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    await _register(tenant, "watch")
    problem_of(await tenant.http.post("/api/v1/agents", json={"kind": HEARTBEAT, "name": "watch"}), 409)
    await _register(other_tenant, "watch")


async def test_orders(tenant: Tenant) -> None:
    made = await _register(tenant, "watch")
    where = f"/api/v1/agents/{made['id']}"
    for order, desired, status in [
        ("pause", "paused", "registered"),
        ("resume", "running", "registered"),
        ("stop", "stopped", "stopped"),
        ("stop", "stopped", "stopped"),
        ("start", "running", "starting"),
        ("restart", "running", "starting"),
    ]:
        answer = await tenant.http.put(f"{where}/{order}")
        assert answer.status_code == 200, answer.text
        assert (answer.json()["desired"], answer.json()["status"]) == (desired, status), order
    await tenant.http.put(f"{where}/stop")
    for order in ("pause", "resume"):
        problem_of(await tenant.http.put(f"{where}/{order}"), 409)
    assert (await tenant.http.delete(where)).status_code == 204
    problem_of(await tenant.http.get(where), 404)
    assert tenant.count("agents") == 0


async def test_agents_of_others_are_not_there(tenant: Tenant, other_tenant: Tenant) -> None:
    made = await _register(other_tenant, "watch")
    where = f"/api/v1/agents/{made['id']}"
    problem_of(await tenant.http.get(where), 404)
    for order in ("start", "stop", "restart", "pause", "resume"):
        problem_of(await tenant.http.put(f"{where}/{order}"), 404)
    problem_of(await tenant.http.delete(where), 404)
    assert (await tenant.http.get("/api/agents/status")).json()["agents"] == []


async def test_figures_have_percentiles_and_a_course(tenant: Tenant, other_tenant: Tenant) -> None:
    services = tenant.instance.services
    for value in range(100):
        await metric_history.record(
            services.app, tenant.id, process_id=uuid4(), at=now(), figures=[("a.b", float(value))]
        )
    (found,) = (await tenant.http.get("/api/v1/agents/metrics?name=a.b&window=600")).json()["items"]
    assert (found["count"], found["lowest"], found["highest"], found["latest"]) == (100, 0, 99, 99)
    assert (found["p50"], found["p95"], found["p99"]) == pytest.approx((49.5, 94.05, 98.01))
    assert found["points"][-1]["highest"] == 99
    assert (await tenant.http.get("/api/v1/agents/metrics?name=none")).json()["items"] == []
    assert (await other_tenant.http.get("/api/v1/agents/metrics")).json()["items"] == []
    month = "window=2592000"
    assert (await tenant.http.get(f"/api/v1/agents/metrics?name=a.b&{month}")).json()["items"][0]["count"] == 100
    refused = problem_of(await tenant.http.get(f"/api/v1/agents/metrics?{month}"), 422)
    assert refused["errors"][0]["field"] == "window"


# ---------------------------------------------------------------- a living instance


def _cli(operator: LiveOperator, *arguments: str) -> str:
    done = operator.cli("agents", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _until(operator: LiveOperator, name: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        found = {one["name"]: one for one in operator.http.get("/api/agents/status").json()["agents"]}
        if found[name]["status"] == status:
            return dict(found[name])
        assert time.monotonic() < deadline, found[name]
        time.sleep(0.05)


def test_the_shipped_agents_run_from_the_first_start(live: Live) -> None:
    for name in ("heartbeat", "performance"):
        _until(live.admin, name, "running")
    status = live.admin.http.get("/api/agents/status").json()
    (process,) = status["processes"]
    assert (process["kind"], process["leader"], process["alive"]) == ("up", True, True)
    assert status["leader"] == process["id"]
    assert {agent["process_id"] for agent in status["agents"]} == {process["id"]}


def test_agents_by_the_command_line(live: Live) -> None:
    owner = live.tenant(f"t{uuid4().hex[:12]}").owner
    assert "No agent is registered" in _cli(owner, "list")
    assert "is registered" in _cli(owner, "register", HEARTBEAT, "watch", "--interval", "5")
    _until(owner, "watch", "running")
    assert "watch" in _cli(owner, "list")
    assert json.loads(_cli(owner, "show", "watch", "--json"))["interval"] == 5
    assert json.loads(_cli(owner, "pause", "watch", "--json"))["desired"] == "paused"
    _until(owner, "watch", "paused")
    _cli(owner, "resume", "watch")
    _until(owner, "watch", "running")
    _cli(owner, "restart", "watch")
    assert _until(owner, "watch", "running")["desired"] == "running"
    _cli(owner, "stop", "watch")
    assert _until(owner, "watch", "stopped")["process_id"] is None
    _cli(owner, "start", "watch")
    _until(owner, "watch", "running")
    assert HEARTBEAT in _cli(owner, "kinds")
    _cli(owner, "remove", "watch")
    refused = owner.cli("agents", "show", "watch")
    assert refused.returncode != 0
    assert "there is none called 'watch'" in refused.stderr

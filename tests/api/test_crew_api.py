"""The crew's routes as documented, sent to a live instance; a change of the matrix, approved and taken back."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import httpx
import pytest

from opsteward.crew.delegation.estimates import OutcomeHistory
from opsteward.crew.types import Strategy
from support.live import Live, LiveOperator, LiveTenant
from support.populated_crew import WORK
from support.problems import problem_of
from support.target import approve, settled

LEAD = {
    "email": "ada@example.com", "company": "Example", "role": "CTO", "engagement_score": 75, "website_visits": 12
}  # fmt: skip
CUSTOMERS = [
    {"customer_id": f"c{n}", "ltv": 100 * (n % 5 + 1), "engagement_score": n * 7 % 100, "churn_risk": n % 3 / 3}
    for n in range(30)
]
PIPELINE = {
    "stages": ["lead", "qualified", "proposal"], "conversion_rates": [0.4, 0.5, 0.3],
    "average_deal_size": 12_000, "sales_cycle_length": 45,
}  # fmt: skip
#: What the documented routes take.
CRM: dict[str, dict[str, Any]] = {
    "lead-scoring": {
        "lead_data": LEAD,
        "scoring_criteria": {"engagement_weight": 0.3, "demographic_weight": 0.4, "behavior_weight": 0.3},
    },
    "customer-segmentation": {
        "customer_data": CUSTOMERS, "segmentation_type": "behavioral", "segment_count": 3
    },
    "nurturing-campaign": {
        "lead_segments": ["hot", "warm"], "campaign_objective": "convert", "duration_days": 30,
        "touchpoint_frequency": "weekly",
    },
    "pipeline-optimization": {"pipeline_data": PIPELINE},
}  # fmt: skip
LOOKS = (
    "status", "statistics", "performance/summary", "performance/metrics?metric_type=execution_time&hours=24", "types",
    "tree", "matrix", "matrix/versions", "tasks", "health",
)  # fmt: skip


def ended(http: httpx.Client, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        found = dict(http.get(f"/api/crew/task/{task_id}").raise_for_status().json())
        if found["ended_at"] is not None:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.fixture
def http(company: LiveTenant) -> httpx.Client:
    return company.owner.http


@pytest.mark.parametrize("before", ["/api/crew", "/api/brain/crew"])
def test_every_documented_route_answers(http: httpx.Client, before: str) -> None:
    for name, body in CRM.items():
        answer = http.post(f"{before}/crm/{name}", json=body)
        assert answer.status_code == 200, f"{name}: {answer.text}"
        assert answer.json()["engine"] == "rules" and answer.json()["summary"], name
        assert {"data_used", "missing"} <= set(answer.json()), name
    for name in LOOKS:
        assert http.get(f"{before}/{name}").status_code == 200, name
    assert http.post(f"{before}/optimize").json()["proposed"] == []
    assert (
        http.post(f"{before}/plan", json={"type": "lead_scoring", "parameters": CRM["lead-scoring"]}).status_code == 200
    )


def test_work_is_taken_done_and_told(http: httpx.Client, company: LiveTenant) -> None:
    body = {
        "type": "lead_scoring", "description": "Score a lead", "tenant_id": str(company.id), "user_id": "u-1",
        "session_id": "s-1", "domain": "crm", "parameters": CRM["lead-scoring"], "requires_ai": True, "priority": 8,
        "data_volume": 500, "multi_domain": False, "complexity": "moderate",
    }  # fmt: skip
    taken = http.post("/api/crew/execute", json=body)
    assert taken.status_code == 202, taken.text
    assert taken.json()["strategy"] == "single_agent"
    assert taken.json()["reasons"] and taken.json()["estimate"].keys() >= {"seconds", "cost"}
    found = ended(http, taken.json()["task_id"])
    assert (found["status"], found["engine"], found["agents"]) == ("completed", "rules", ["crm.lead_analyst"])
    assert (found["user_id"], found["session_id"], found["data_volume"]) == ("u-1", "s-1", 500)
    assert found["result"]["leads"][0]["factors"]
    task = http.get(f"/api/v1/tasks/{found['task_id']}").json()
    assert (task["priority"], task["metadata"]) == ("high", {"user_id": "u-1", "session_id": "s-1"})
    refused = problem_of(http.delete(f"/api/crew/task/{found['task_id']}"), 409)
    assert "completed already" in refused["detail"]


def test_both_tests_of_the_whole_path_come_to_an_end(http: httpx.Client) -> None:
    simple = http.post("/api/crew/test/simple-task").json()
    workflow = http.post("/api/crew/test/complex-workflow").json()
    assert (simple["strategy"], workflow["strategy"]) == ("direct", "crew")
    assert ended(http, simple["task_id"])["status"] == "completed"
    found = ended(http, workflow["task_id"])
    assert (found["status"], found["strategy_used"]) == ("completed", "crew")
    leads = {step["agent"] for step in found["plan"] if step["name"].startswith("crew/plan/")}
    assert len(leads) >= 3
    assert set(found["result"]["parts"]) >= {"crm.lead_scoring"}
    tree = {one["agent"]["name"]: one for one in http.get("/api/crew/tree").json()["agents"]}
    assert tree["master"]["figures"]["runs"] >= 1 and tree["master"]["busy"] == 0
    figures = http.get("/api/crew/statistics").json()
    assert {one["name"] for one in figures["by_strategy"]} == {"direct", "crew"}


def test_another_tenant_is_refused_and_sees_nothing(http: httpx.Client, live: Live) -> None:
    other = live.tenant(f"other-{uuid4().hex[:8]}")
    taken = http.post("/api/crew/test/simple-task").json()
    problem_of(other.owner.http.get(f"/api/crew/task/{taken['task_id']}"), 404)
    problem_of(other.owner.http.delete(f"/api/crew/task/{taken['task_id']}"), 404)
    refused = http.post("/api/crew/execute", json={"type": "lead_scoring", "tenant_id": str(other.id)})
    assert problem_of(refused, 403)["errors"][0]["field"] == "tenant_id"


def test_health_needs_no_token_and_all_else_does(live: Live) -> None:
    with httpx.Client(base_url=live.url) as nobody:
        assert nobody.get("/api/crew/health").json() == {"status": "healthy", "model_configured": False}
        for name in LOOKS[:-1]:
            assert nobody.get(f"/api/crew/{name}").status_code == 401, name


def test_wrong_parameters_are_named_as_they_were_sent(http: httpx.Client) -> None:
    for name, body, field in (
        ("lead-scoring", {"lead_data": {"engagement_score": 900}}, "lead_data"),
        ("customer-segmentation", {"customer_data": []}, "customer_data"),
        ("pipeline-optimization", {"pipeline_data": {**PIPELINE, "conversion_rates": [2]}}, "pipeline_data"),
    ):
        problem = problem_of(http.post(f"/api/crew/crm/{name}", json=body), 422)
        assert problem["errors"][0]["field"].startswith(field), problem
        assert "parameters" not in problem["detail"]


def outcomes(live: Live, company: LiveTenant) -> None:
    """A recorded past in which the engine alone did better than one agent."""
    estimate = asdict(OutcomeHistory().estimate(WORK, Strategy.DIRECT))
    decision = json.dumps({"reasons": [], "not_taken": [], "estimate": estimate})
    for strategy, seconds in (("single_agent", 200), ("direct", 1)):
        live.sql(
            "insert into opsteward.crew_runs (id, tenant_id, task_type, domain, description, parameters, input_hash,"
            " requested_by, complexity, volume, requires_ai, multi_domain, strategy, matrix_version, matrix_row,"
            " propensity, decision, created_at, ended_at, success, strategy_used, path, agents, seconds,"
            " cost_micros, tokens, calls, cached)"
            " select gen_random_uuid(), %s, 'crm.lead_scoring', 'crm', '', '{}', '', 'system:test', 'moderate', 1,"
            " true, false, %s, 0, 'moderate_with_ai', 0.5, %s, now() - interval '2 hours', now() - interval '1 hour',"
            " true, %s, '[]', '{}', %s + n / 100.0, 0, 0, 0, false from generate_series(1, 40) n",
            company.id, strategy, decision, strategy, seconds,
        )  # fmt: skip


def decided(http: httpx.Client) -> tuple[str, int]:
    body = {"type": "lead_scoring", "parameters": CRM["lead-scoring"], "requires_ai": True}
    found = http.post("/api/crew/plan", json=body).json()
    return found["strategy"], found["matrix_version"]


def released(company: LiveTenant, second: LiveOperator, proposed: dict[str, Any]) -> None:
    """The second person approves it, and it is done."""
    settled(company.owner, proposed["action_id"], "awaiting_approval")
    waiting = second.http.get("/api/v1/approvals").json()["items"]
    (asked,) = [one for one in waiting if one["action_id"] == proposed["action_id"]]
    problem_of(approve(company.owner, asked), 403)
    assert approve(second, asked).status_code == 200
    settled(company.owner, proposed["action_id"], "succeeded")


def in_force(http: httpx.Client, version: int) -> None:
    """Other decisions see it within five seconds."""
    deadline = time.monotonic() + 10
    while decided(http)[1] != version:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow(reason="a decision's memory of the matrix is up to five seconds old")
def test_a_change_of_the_matrix_waits_for_a_person_and_can_be_taken_back(
    live: Live, company: LiveTenant, second: LiveOperator
) -> None:
    http = company.owner.http
    outcomes(live, company)
    found = http.post("/api/crew/optimize").json()
    (proposed,) = found["proposed"]
    assert found["recommendations"][0]["figures"]["proposed"]["strategy"] == "direct"
    assert http.post("/api/crew/optimize").json()["proposed"] == [proposed]  # asked for once
    assert (decided(http), http.get("/api/crew/matrix").json()["version"]) == (("single_agent", 0), 0)
    released(company, second, proposed)
    assert http.get("/api/crew/matrix").json()["version"] == 1
    in_force(http, 1)
    assert decided(http)[0] == "direct"
    back = http.post("/api/crew/matrix/restore", json={"version": 0})
    assert back.status_code == 202, back.text
    released(company, second, back.json())
    in_force(http, 2)
    assert decided(http)[0] == "single_agent"
    reasons = [one["reason"] for one in http.get("/api/crew/matrix/versions").json()["items"]]
    assert reasons[0] == "Back to version 0 of the delegation matrix" and reasons[-1] == "as shipped"
    problem_of(http.post("/api/crew/matrix/restore", json={"version": 99}), 404)

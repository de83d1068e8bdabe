"""The documented examples of the crew's routes, as curl sends them to a running instance."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from support.live import Live, LiveOperator, LiveTenant, running_instance

Curl = Callable[..., tuple[int, Any]]
#: As documented: lead scoring, segments (one customer and five segments among them), a campaign, a pipeline.
CRM = {
    "lead-scoring": """{"lead_data": {"email": "ada@example.com", "company": "Example", "role": "CTO",
        "engagement_score": 75, "website_visits": 12}, "scoring_criteria": {"engagement_weight": 0.3,
        "demographic_weight": 0.4, "behavior_weight": 0.3}}""",
    "customer-segmentation": """{"customer_data": [{"customer_id": "c1", "ltv": 1200, "engagement_score": 80,
        "churn_risk": 0.1}], "segmentation_type": "behavioral", "segment_count": 5}""",
    "nurturing-campaign": """{"lead_segments": ["hot", "warm", "cold"], "campaign_objective": "convert",
        "duration_days": 30, "touchpoint_frequency": "weekly"}""",
    "pipeline-optimization": """{"pipeline_data": {"stages": ["lead", "qualified", "proposal", "closed"],
        "conversion_rates": [0.4, 0.5, 0.3], "average_deal_size": 12000, "sales_cycle_length": 45}}""",
}
FIGURES = (
    "status", "statistics", "performance/summary", "performance/metrics",
    "performance/metrics?metric_type=execution_time&hours=24", "performance/metrics?metric_type=success_rate&hours=1",
)  # fmt: skip


@pytest.fixture
def curl(company: LiveTenant) -> Curl:
    """Sends it, with the owner's token or without; gives the status and what is answered."""
    return curl_of(company.owner)


def curl_of(operator: LiveOperator) -> Curl:
    def send(path: str, body: str | None = None, *, method: str = "", token: bool = True) -> tuple[int, Any]:
        command = ["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", f"{operator.url}{path}"]
        command += ["-X", method] if method else []
        command += ["-H", f"Authorization: Bearer {operator.token}"] if token else []
        command += ["-H", "Content-Type: application/json", "-d", body] if body is not None else []
        told, _, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("\n")
        return int(status), json.loads(told) if told else None

    return send


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (it := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return it


def ended(curl: Curl, task_id: str) -> Any:
    def found() -> Any:
        answer = curl(f"/api/crew/task/{task_id}")[1]
        return answer if answer["ended_at"] else None

    return until(found)


@pytest.mark.parametrize("crew", ["/api/crew", "/api/brain/crew"])
def test_each_documented_request_is_answered(curl: Curl, crew: str) -> None:
    status, health = curl(f"{crew}/health", token=False)
    assert (status, health["status"]) == (200, "healthy")
    for name, body in CRM.items():
        status, answer = curl(f"{crew}/crm/{name}", body)
        assert (status, answer["engine"]) == (200, "rules"), answer
    for name in FIGURES:
        assert curl(f"{crew}/{name}")[0] == 200, name
        assert curl(f"{crew}/{name}", token=False)[0] == 401, name
    status, optimized = curl(f"{crew}/optimize", method="POST")
    assert (status, optimized["proposed"]) == (200, [])
    status, gateway = curl(f"{crew}/brain/validate-integration")
    assert (status, gateway["valid"], gateway["configured"]) == (200, False, False)
    status, refused = curl(f"{crew}/brain/register-routes", method="POST")
    assert (status, refused["remedy"]) == (409, "set OPSTEWARD_CREW_GATEWAY")
    for name, strategy in (("simple-task", "direct"), ("complex-workflow", "crew")):
        status, taken = curl(f"{crew}/test/{name}", method="POST")
        assert (status, taken["strategy"]) == (202, strategy), taken


def test_five_segments_of_one_customer_are_answered_and_said(curl: Curl) -> None:
    status, answer = curl("/api/crew/crm/customer-segmentation", CRM["customer-segmentation"])
    assert (status, len(answer["segments"])) == (200, 1)
    assert any("5" in note for note in answer["notes"]), answer["notes"]


def test_work_is_taken_told_and_stopped(curl: Curl, company: LiveTenant, live: Live) -> None:
    work = {
        "type": "lead_scoring", "description": "Score a lead", "tenant_id": str(company.id), "user_id": "u-1",
        "session_id": "s-1", "domain": "crm", "parameters": json.loads(CRM["lead-scoring"]), "requires_ai": False,
        "priority": 5, "data_volume": 1, "multi_domain": False,
    }  # fmt: skip
    status, taken = curl("/api/crew/execute", json.dumps(work))
    assert (status, taken["strategy"]) == (202, "direct"), taken
    assert taken["reasons"] and taken["estimate"].keys() >= {"seconds", "cost"}
    found = ended(curl, taken["task_id"])
    assert (found["status"], found["user_id"], found["session_id"]) == ("completed", "u-1", "s-1")
    later = {**work, "complexity": "expert", "multi_domain": True}
    status, taken = curl("/api/crew/execute", json.dumps(later))
    assert (status, taken["strategy"]) == (202, "crew")
    status, stopped = curl(f"/api/crew/task/{taken['task_id']}", method="DELETE")
    assert status in (200, 409), stopped  # it may have come to its end first
    foreign = {**work, "tenant_id": str(live.tenant(f"other-{taken['task_id'][-12:]}").id)}
    status, refused = curl("/api/crew/execute", json.dumps(foreign))
    assert (status, refused["errors"][0]["field"]) == (403, "tenant_id")


@pytest.mark.slow(reason="starts an instance of its own, with a model that never answers")
def test_what_is_cancelled_keeps_no_agent_busy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = {
            "OPSTEWARD_MODEL": "compatible:mute",
            "OPSTEWARD_MODEL_URL": f"http://127.0.0.1:{mute.getsockname()[1]}/v1",
            "OPSTEWARD_MODEL_PRICES": '{"compatible:mute": {"input": 0, "output": 0}}',
        }
        with running_instance(settings) as live:
            curl = curl_of(live.admin)
            for method, path, why in (
                ("DELETE", "/api/crew/task/{id}", "the work was cancelled"),
                ("PUT", "/api/v1/tasks/{id}/cancel", "the work was stopped before this was done"),
            ):
                task_id = begun(curl)
                status, answer = curl(path.format(id=task_id), method=method)
                assert status == 200, answer
                if method == "DELETE":
                    assert stops(answer) == {why}
                    assert busy(curl) == []
                found = ended(curl, task_id)
                assert (found["status"], stops(found)) == ("cancelled", {why})
                assert {step["status"] for step in found["plan"]} <= {"done", "stopped"}
                assert busy(curl) == []


def begun(curl: Curl) -> str:
    """A crew's work under way, whose agents wait for the model."""
    work = {"type": "crm.lead_scoring", "parameters": json.loads(CRM["lead-scoring"]), "requires_ai": True}
    status, taken = curl("/api/crew/execute", json.dumps({**work, "complexity": "expert"}))
    assert (status, taken["strategy"]) == (202, "crew"), taken
    until(lambda: busy(curl))
    return str(taken["task_id"])


def busy(curl: Curl) -> list[str]:
    return [one["agent"]["name"] for one in curl("/api/crew/tree")[1]["agents"] if one["busy"]]


def stops(run: Any) -> set[str]:
    """Why its steps ended undone; there are some."""
    return {step["error"] for step in run["plan"] if step["status"] == "stopped"}

"""`/agent/*`: the decision table of the documented interface, analysis, and payloads."""

from __future__ import annotations

from typing import Any

import pytest

from support.instance import Tenant
from support.problems import problem_of

EXAMPLE = {
    "error_type": "ValidationError",
    "message": "Invalid email format",
    "context": {"field": "email"},
}
#: category, severity -> action, priority, to be done at once
TABLE = {
    ("security_issue", "high"): ("escalate", 1, True),
    ("security_issue", "medium"): ("alert_security_team", 1, True),
    ("security_issue", "low"): ("alert_security_team", 1, True),
    ("system_error", "high"): ("log_and_monitor", 2, False),
    ("system_error", "medium"): ("log_and_monitor", 3, False),
    ("system_error", "low"): ("log_and_monitor", 3, False),
    ("validation_error", "high"): ("return_validation_error", 4, False),
    ("validation_error", "medium"): ("return_validation_error", 4, False),
    ("validation_error", "low"): ("return_validation_error", 4, False),
    ("ignorable", "high"): ("log_only", 5, False),
    ("ignorable", "medium"): ("log_only", 5, False),
    ("ignorable", "low"): ("log_only", 5, False),
}
#: an event of each category, and what analyze-event answers for the category
SAMPLES = {
    "security_issue": ({"error_type": "AuthError", "message": "SQL injection attempt detected"}, 1),
    "system_error": ({"error_type": "OperationalError", "message": "could not connect to server: timeout"}, 3),
    "validation_error": (EXAMPLE, 4),
    "ignorable": ({"error_type": "Info", "message": "health check ok"}, 5),
}
DEFAULTS = {
    "security_issue": "alert_security_team",
    "system_error": "log_and_monitor",
    "validation_error": "return_validation_error",
    "ignorable": "log_only",
}


@pytest.mark.parametrize(("category", "severity"), TABLE)
async def test_the_decision_table_holds(tenant: Tenant, category: str, severity: str) -> None:
    action, priority, at_once = TABLE[category, severity]
    answer = await tenant.http.post("/agent/decide-action/", json={"event_type": category, "severity": severity})
    assert answer.status_code == 200
    decided = answer.json()
    assert (decided["action"], decided["priority"]) == (action, priority)
    assert decided["reason"]
    assert decided["metadata"] == {
        "event_type": category,
        "severity": severity,
        "requires_immediate_action": at_once,
    }


@pytest.mark.parametrize("category", SAMPLES)
async def test_analysis_answers_the_default_of_the_category(tenant: Tenant, category: str) -> None:
    event, priority = SAMPLES[category]
    answer = await tenant.http.post("/agent/analyze-event/", json=event)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["category"], found["action"], found["priority"]) == (category, DEFAULTS[category], priority)
    assert found["severity"] in ("low", "medium", "high")
    assert found["metadata"]["user_facing"] is (category == "validation_error")
    assert found["metadata"]["severity"] == found["severity"]
    assert found["metadata"]["analysis"]


@pytest.mark.parametrize(
    ("payload", "required", "schema", "valid", "missing"),
    [
        ({"email": "a@b.c"}, ["email"], None, True, []),
        ({}, ["email", "name"], None, False, ["email", "name"]),
        ({"user": {"email": None}}, ["user.email"], None, False, ["user.email"]),
        ({"age": "old"}, [], {"properties": {"age": {"type": "integer"}}}, False, []),
        ({"age": 7}, ["age"], {"type": "object", "required": ["age", "name"]}, False, ["name"]),
    ],
)
async def test_payloads_are_validated(
    tenant: Tenant, payload: Any, required: list[str], schema: Any, valid: bool, missing: list[str]
) -> None:
    body = {"payload": payload, "required_fields": required} | ({"schema": schema} if schema else {})
    answer = await tenant.http.post("/agent/validate-payload/", json=body)
    assert answer.status_code == 200  # also when it is invalid
    report = answer.json()
    assert report["is_valid"] is valid
    assert report["missing_fields"] == missing
    assert report["message"]
    assert bool(report["errors"]) is not valid


async def test_an_unusable_schema_is_named(tenant: Tenant) -> None:
    for schema in ({"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/x"}, {"pattern": "(", "type": "string"}):
        body = {"payload": {"a": "b"}, "required_fields": [], "schema": schema}
        answer = await tenant.http.post("/agent/validate-payload/", json=body)
        assert problem_of(answer, 422)["errors"][0]["field"] == "schema"


async def test_the_documented_example(tenant: Tenant) -> None:
    found = (await tenant.http.post("/agent/analyze-event/", json=EXAMPLE)).json()
    assert found["category"] == "validation_error"
    assert found["severity"] == "low"
    assert found["action"] == "return_validation_error"
    assert found["priority"] == 4
    assert found["metadata"]["user_facing"] is True

"""The stream of events: newest first, filtered, page by page, and only the tenant's own."""

from __future__ import annotations

from typing import Any

import pytest

from support.instance import Tenant
from support.problems import problem_of

PATH = "/api/v1/events"


async def seen(tenant: Tenant, **query: Any) -> list[str]:
    answer = await tenant.http.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return [one["message"] for one in answer.json()["items"]]


@pytest.fixture
async def five(tenant: Tenant) -> Tenant:
    for number in range(5):
        event = {"message": f"m{number} 100%_done", "source": f"s{number % 2}", "severity": ("low", "high")[number % 2]}
        (await tenant.http.post(PATH, json=event)).raise_for_status()
    return tenant


async def test_events_come_newest_first_with_their_incidents_and_filters(five: Tenant) -> None:
    whole = (await five.http.get(PATH)).json()
    assert [one["message"][:2] for one in whole["items"]] == ["m4", "m3", "m2", "m1", "m0"]
    assert all(one["incident_number"] for one in whole["items"] if one["incident_id"])
    assert whole["searched"] is None
    assert await seen(five, source="s1") == ["m3 100%_done", "m1 100%_done"]
    assert await seen(five, severity="low", search="M2 100%_") == ["m2 100%_done"]
    assert await seen(five, search="100_") == [], "a wildcard is a character like any other"
    assert (await five.http.get(PATH, params={"source": "s1"})).json()["searched"] == 20_000


async def test_pages_follow_each_other_and_strange_questions_are_refused(five: Tenant, other_tenant: Tenant) -> None:
    first = (await five.http.get(PATH, params={"limit": 2})).json()
    second = (await five.http.get(PATH, params={"limit": 2, "before": first["next"]})).json()
    assert [one["message"][:2] for one in first["items"] + second["items"]] == ["m4", "m3", "m2", "m1"]
    assert await seen(other_tenant) == []
    problem_of(await other_tenant.http.get(PATH, params={"before": first["next"]}), 422)
    for wrong in ({"severity": "odd"}, {"category": "x"}, {"before": "x"}, {"limit": 0}, {"search": "x" * 201}):
        problem_of(await five.http.get(PATH, params=wrong), 422)
    problem_of(await (await five.operator("provisioner")).http.get(PATH), 403)

"""In a storm of large events of one kind all are counted, some are kept whole, and the incident says so."""

from __future__ import annotations

from typing import Any

import pytest

from opsteward.events.payload_sampling import OUTLINE, outline
from support.instance import Tenant

EVENTS = "/api/v1/events"


def crash(number: int, *, where: str = "app", filler: int = 3_000) -> dict[str, Any]:
    context = {"number": number, "tags": {"shop": "a"}, "dump": ["x" * 100] * (filler // 100), "release": "1.0"}
    return {"source": where, "message": "module crashed", "error_type": "CrashError", "severity": "high",
            "context": context, "stack_trace": f'File "{where}.py", line 1, in main'}  # fmt: skip


@pytest.fixture
def little_room(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    monkeypatch.setattr(tenant.instance.services.intake.sampling, "bytes_a_minute", 10_000)
    return tenant


def contexts(tenant: Tenant, source: str) -> list[dict[str, Any]]:
    rows = tenant.instance.sql(
        "select context from opsteward.events where tenant_id = %s and source = %s order by received_at",
        tenant.id,
        source,
    )
    return [row[0] for row in rows]


async def test_some_are_kept_whole_and_all_are_counted(little_room: Tenant) -> None:
    tenant = little_room
    for number in range(8):
        assert (await tenant.http.post(EVENTS, json=crash(number))).status_code == 202
    kept = contexts(tenant, "app")
    assert [context["number"] for context in kept] == list(range(8))
    assert [OUTLINE in context for context in kept] == [False] * 3 + [True] * 5
    assert kept[-1] == {
        "number": 7, "tags": {"shop": "a"}, "release": "1.0", OUTLINE: {"bytes": kept[-1][OUTLINE]["bytes"]},
    }  # fmt: skip
    assert kept[-1][OUTLINE]["bytes"] > 3_000
    [incident] = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    whole = (await tenant.http.get(f"/api/v1/incidents/{incident['id']}")).json()
    assert whole["event_count"] == 8
    assert [line["kind"] for line in whole["timeline"]].count("sampled") == 1
    assert whole["grouping"][0]["basis"] == "errors"
    stacks = tenant.instance.sql("select distinct stack_trace from opsteward.events where tenant_id = %s", tenant.id)
    assert stacks == [('File "app.py", line 1, in main',)]


async def test_other_kinds_and_small_contexts_are_kept_whole(little_room: Tenant) -> None:
    tenant = little_room
    for number in range(6):
        assert (await tenant.http.post(EVENTS, json=crash(number))).status_code == 202
    assert (await tenant.http.post(EVENTS, json=crash(1, where="other"))).status_code == 202
    for number in range(20):
        assert (await tenant.http.post(EVENTS, json=crash(number, where="small", filler=1_000))).status_code == 202
    assert not any(OUTLINE in context for context in [*contexts(tenant, "other"), *contexts(tenant, "small")])


def test_an_outline_is_small_whatever_it_is_of() -> None:
    hostile: dict[str, Any] = {f"n{n}" * 400: {str(m) * 300: "y" * 150 for m in range(20)} for n in range(500)}
    found = outline(hostile, 10**6)
    assert found == {OUTLINE: {"bytes": 10**6}}

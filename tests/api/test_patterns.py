"""Patterns: what recurs, how it goes on, what it coincides with and what to do; chance is not told as a cause."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from opsteward.core.clock import now
from support.instance import Tenant
from support.problems import problem_of

PATH = "/api/v1/patterns"


def error(title: str, at: datetime, *, source: str = "shop") -> dict[str, Any]:
    kind = title.title().replace(" ", "") + "Error"
    return {"message": f"{title}: it failed", "error_type": kind, "source": source, "severity": "high",
            "occurred_at": at.isoformat()}  # fmt: skip


def deployed(number: int, at: datetime) -> dict[str, Any]:
    return {"message": f"deployed shop 1.0.{number}", "source": "ci", "severity": "low", "occurred_at": at.isoformat()}


async def send(tenant: Tenant, events: list[dict[str, Any]]) -> None:
    (await tenant.http.post("/api/v1/events", json=events)).raise_for_status()


async def found(tenant: Tenant, **query: Any) -> dict[str, dict[str, Any]]:
    """By title, up to its colon."""
    answer = await tenant.http.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return {one["title"].partition(": ")[2].partition(":")[0]: one for one in answer.json()["items"]}


def advice(pattern: dict[str, Any]) -> list[str]:
    return [one["advice"] for one in pattern["recommendations"]]


@pytest.fixture
async def week(tenant: Tenant) -> Tenant:
    """Six days in which errors follow deployments, another error, and the clock."""
    # the last one is over, and not so long ago that it has become quiet, whatever time it is now
    last = (now() - timedelta(hours=19, minutes=10)).replace(hour=3, minute=10, second=0, microsecond=0)
    nights = [last - timedelta(days=day) for day in range(6)]
    events = []
    for number, night in enumerate(nights):
        release = night + timedelta(hours=6 + 2 * number % 7, minutes=11 * number)
        fault = night + timedelta(hours=14 - number, minutes=17 * number)
        events += [deployed(number, release), error("pool empty", release + timedelta(minutes=8))]
        events += [error("disk slow", fault), error("query late", fault + timedelta(seconds=40))]
        events += [error("backup broken", night + timedelta(minutes=number))]
    dice = random.Random(20261127)
    events += [error("cable loose", nights[-1] + timedelta(hours=132 * dice.random())) for _ in range(12)]
    await send(tenant, events)
    return tenant


async def test_what_recurs_is_told_with_what_it_follows_and_what_to_do(week: Tenant) -> None:
    patterns = await found(week)
    assert set(patterns) == {"pool empty", "disk slow", "query late", "backup broken", "cable loose"}
    assert {(one["events"], one["begun"]) for name, one in patterns.items() if name != "cable loose"} == {(6, 6)}

    after = patterns["pool empty"]["recommendations"][0]
    assert after["advice"] == "look_at_deployments"
    assert (after["figures"]["times"], after["figures"]["of"], after["figures"]["median_seconds"]) == (6, 6, 480)
    assert 0 < after["figures"]["expected"] < 0.3

    first = patterns["query late"]["recommendations"][0]
    assert first["advice"] == "mend_the_other_first" and "disk slow" in first["text"]
    assert first["figures"]["other"] == patterns["disk slow"]["fingerprint"]
    assert advice(patterns["disk slow"]) == ["mend_it_first"]

    assert advice(patterns["backup broken"]) == ["look_at_schedules"]
    assert patterns["backup broken"]["rhythm"]["every"] == "day"
    assert "03:1" in patterns["backup broken"]["recommendations"][0]["text"]

    by_chance = patterns["cable loose"]
    assert (by_chance["coincides"], by_chance["rhythm"]) == ([], None)
    assert advice(by_chance) == ["troubleshoot_while_it_lasts"]
    incident = by_chance["open_incident"]
    assert (await week.http.get(f"/api/v1/incidents/{incident['id']}")).json()["number"] == incident["number"]


async def test_the_span_and_the_search_bound_what_is_told(week: Tenant, other_tenant: Tenant) -> None:
    assert set(await found(week, search="BACKUP")) == {"backup broken"}
    assert len(await found(week, limit=2)) == 2
    assert await found(week, days=0.01) == {}
    assert await found(other_tenant) == {}
    for wrong in ({"days": 0}, {"days": 1000}, {"days": "nan"}, {"limit": 0}, {"search": "x" * 201}):
        problem_of(await week.http.get(PATH, params=wrong), 422)
    problem_of(await (await week.operator("provisioner")).http.get(PATH), 403)


async def test_trends_are_told_by_the_halves_of_the_span(tenant: Tenant) -> None:
    begin = now() - timedelta(days=7)

    def each(title: str, per_stretch: list[int]) -> list[dict[str, Any]]:
        return [
            error(title, begin + timedelta(hours=6 * place + 1, minutes=15 * number))
            for place, count in enumerate(per_stretch)
            for number in range(count)
        ]

    await send(tenant, [
        *each("alpha grew", [1] * 14 + [5] * 14),
        *each("bravo fell", [5] * 14 + [1] * 14),
        *each("charlie stayed", [3, 2, 4, 3] * 7),
        *each("delta burst", [1] * 20 + [18] + [1] * 7),
        *each("echo is new", [0] * 25 + [2, 2, 2]),
        *each("foxtrot went", [3] * 15 + [0] * 13),
    ])  # fmt: skip
    patterns = await found(tenant)
    trends = {name.split()[0]: one["trend"] for name, one in patterns.items()}
    assert trends == {
        "alpha": "growing", "bravo": "falling", "charlie": "steady", "delta": "steady", "echo": "new",
        "foxtrot": "quiet",
    }  # fmt: skip
    (grown,) = [one for one in patterns["alpha grew"]["recommendations"] if one["advice"] == "act_before_it_grows"]
    assert grown["figures"] == {"earlier": 14, "later": 70}


async def test_what_mended_it_again_and_again_is_told_as_an_order_to_write(tenant: Tenant) -> None:
    for round_ in range(3):
        await send(tenant, [error("cache cold", now() - timedelta(hours=3 - round_))])
        (incident,) = (await tenant.http.get("/api/v1/incidents", params={"status": "open"})).json()["items"]
        tenant.instance.sql(
            "update opsteward.action_runs set status = 'succeeded', action = 'restart_service'"
            " where tenant_id = %s and incident_id = %s",
            tenant.id,
            incident["id"],
        )
        (await tenant.http.post(f"/api/v1/incidents/{incident['id']}/resolve", json={})).raise_for_status()
    told = (await found(tenant))["cache cold"]["recommendations"][0]
    assert told["advice"] == "write_an_order"
    assert told["figures"] == {"action": "restart_service", "times": 3, "of": 3}

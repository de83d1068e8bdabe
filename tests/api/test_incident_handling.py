"""What people do with incidents: each act stands in the timeline with who, when and why; many at once."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from opsteward.events.flapping import SETTLED
from support.instance import Operator, Tenant
from support.problems import problem_of

INCIDENTS = "/api/v1/incidents"


def alert(what: str, **more: Any) -> dict[str, Any]:
    return {
        "message": what,
        "source": "mill",
        "error_type": f"{what.title().replace(' ', '')}Error",
        "severity": "high",
    } | more


async def report(tenant: Tenant, event: dict[str, Any]) -> str:
    taken = (await tenant.http.post("/api/v1/events", json=event)).raise_for_status().json()["events"][0]
    return str(taken["incident_id"])


async def post(who: Tenant | Operator, path: str, **body: Any) -> dict[str, Any]:
    return dict((await who.http.post(f"{INCIDENTS}/{path}", json=body)).raise_for_status().json())


async def shown(tenant: Tenant, incident: str) -> dict[str, Any]:
    return dict((await tenant.http.get(f"{INCIDENTS}/{incident}")).raise_for_status().json())


def ends_of_flapping(tenant: Tenant) -> list[tuple[Any, ...]]:
    """The incidents whose recovery has to last before it ends them."""
    query = "select key from opsteward.timers where tenant_id = %s and kind = %s"
    return tenant.instance.sql(query, tenant.id, SETTLED)


async def story(tenant: Tenant, incident: str) -> list[tuple[str, str, str | None]]:
    lines = (await shown(tenant, incident))["timeline"]
    by_people = [line for line in lines if line["actor"] and not line["actor"]["automatic"]]
    return [(line["kind"], line["actor"]["name"], line["reason"]) for line in by_people]


async def test_each_act_of_a_person_is_told_with_who_and_why(tenant: Tenant) -> None:
    grace = await tenant.operator("operator", name="grace")
    incident = await report(tenant, alert("belt torn"))
    await post(tenant, f"{incident}/acknowledge", reason="on it")
    assert (await post(tenant, f"{incident}/assign", to="grace", reason="her belt"))["assigned_to"]["name"] == "grace"
    await post(grace, f"{incident}/comments", text="a new belt\nis on its way")
    await post(grace, f"{incident}/resolve", reason="new belt")
    again = await post(tenant, f"{incident}/reopen", reason="torn again")
    assert (again["status"], again["reopened"], again["acknowledged_at"], again["resolved_at"]) == (
        "open",
        1,
        None,
        None,
    )
    told = await story(tenant, incident)
    assert told == [
        ("acknowledged", "ada", "on it"),
        ("assigned", "ada", "her belt"),
        ("comment", "grace", None),
        ("resolved", "grace", "new belt"),
        ("reopened", "ada", "torn again"),
    ]


async def test_a_reopened_incident_takes_its_events_and_can_be_seen_and_ended_again(tenant: Tenant) -> None:
    incident = await report(tenant, alert("belt torn"))
    for _ in range(2):
        await post(tenant, f"{incident}/acknowledge")
        await post(tenant, f"{incident}/resolve", reason="mended")
        await post(tenant, f"{incident}/reopen", reason="not so")
        assert await report(tenant, alert("belt torn")) == incident
    assert [kind for kind, _, _ in await story(tenant, incident)].count("acknowledged") == 2


async def test_what_another_incident_has_taken_since_is_not_reopened(tenant: Tenant) -> None:
    first = await report(tenant, alert("belt torn"))
    await post(tenant, f"{first}/resolve", reason="mended")
    second = await report(tenant, alert("belt torn"))
    assert second != first
    refused = problem_of(await tenant.http.post(f"{INCIDENTS}/{first}/reopen", json={}), 409)
    assert "incident 2 has taken its events" in refused["detail"]


async def test_what_is_back_after_its_recovery_is_the_same_incident_and_is_damped_when_it_flaps(tenant: Tenant) -> None:
    event = alert("queue stuck", context={"host": "a"})
    incident = await report(tenant, event)
    for _ in range(2):
        assert await report(tenant, event | {"resolved": True}) == incident
        assert (await shown(tenant, incident))["status"] == "resolved"
        assert await report(tenant, event) == incident
    now = await shown(tenant, incident)
    assert (now["status"], now["flapping"], now["reopened"]) == ("open", True, 2)
    await report(tenant, event | {"resolved": True})
    assert (await shown(tenant, incident))["status"] == "open", "it flaps: a recovery has to last"
    assert ends_of_flapping(tenant) == [(incident,)]
    tenant.instance.sql("update opsteward.timers set due_at = now() where tenant_id = %s", tenant.id)
    await tenant.instance.services.timers.fire_due(tenant.instance.services.app)
    assert (await shown(tenant, incident))["status"] == "resolved"


async def test_trouble_that_is_back_while_it_flaps_keeps_it_open(tenant: Tenant) -> None:
    event = alert("queue stuck")
    incident = await report(tenant, event)
    for _ in range(3):
        await report(tenant, event | {"resolved": True})
        await report(tenant, event)
    assert ends_of_flapping(tenant) == []
    assert (await shown(tenant, incident))["status"] == "open"


async def test_many_are_changed_at_once_and_those_that_are_not_say_why(tenant: Tenant) -> None:
    several = [await report(tenant, alert(f"pump {name} leaks")) for name in ("one", "two", "three")]
    await post(tenant, f"{several[0]}/resolve")
    done = await post(tenant, "bulk", verb="acknowledge", incident_ids=[*several, str(uuid4())], reason="seen")
    assert sorted(done["changed"]) == sorted(several[1:])
    assert {one["reason"] for one in done["unchanged"]} == {
        "this incident is resolved already",
        "no incident of this id",
    }
    done = await post(tenant, "bulk", verb="resolve", incident_ids=several[1:], reason="all dry")
    assert len(done["changed"]) == 2
    assert ("resolved", "ada", "all dry") in await story(tenant, several[1])


async def test_mine_is_what_is_assigned_to_me_or_seen_by_me_alone(tenant: Tenant) -> None:
    grace = await tenant.operator("operator", name="grace")
    assigned, seen, given_away, _ = [await report(tenant, alert(f"pump {n} leaks")) for n in ("a", "b", "c", "d")]
    await post(tenant, f"{assigned}/assign", to="grace")
    await post(grace, f"{seen}/acknowledge")
    await post(grace, f"{given_away}/acknowledge")
    await post(grace, f"{given_away}/assign", to="ada")
    found = (await grace.http.get(INCIDENTS, params={"mine": "true", "order": "oldest"})).json()["items"]
    assert [one["id"] for one in found] == [assigned, seen]


async def test_a_name_that_nobody_has_is_refused(tenant: Tenant) -> None:
    incident = await report(tenant, alert("belt torn"))
    answer = await tenant.http.post(f"{INCIDENTS}/{incident}/assign", json={"to": "nobody-here"})
    assert problem_of(answer, 422)["errors"][0]["field"] == "to"
    answer = await tenant.http.post(f"{INCIDENTS}/bulk", json={"verb": "assign", "incident_ids": [incident], "to": "x"})
    assert problem_of(answer, 422)["errors"][0]["field"] == "to"


async def test_past_incidents_of_the_same_kind_say_what_helped_then(tenant: Tenant) -> None:
    first = await report(tenant, alert("belt torn"))
    await post(tenant, f"{first}/comments", text="the spare belt is in shed 4")
    await post(tenant, f"{first}/resolve", reason="new belt")
    await report(tenant, alert("grinder hot"))
    second = await report(tenant, alert("belt torn"))
    related = (await tenant.http.get(f"{INCIDENTS}/{second}/related")).raise_for_status().json()
    assert [(one["number"], one["same"], one["resolution"], one["comments"]) for one in related] == [
        (1, "group", "new belt", ["the spare belt is in shed 4"])
    ]
    assert related[0]["resolved_by"]["name"] == "ada"

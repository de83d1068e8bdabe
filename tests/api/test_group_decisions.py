"""What people say about groups of events is kept: corrections, merges, splits."""

from __future__ import annotations

from typing import Any

from support.instance import Tenant
from support.problems import problem_of


async def send(tenant: Tenant, message: str) -> dict[str, Any]:
    body = {"source": "mill", "error_type": "OperationalError", "message": message, "severity": "high"}
    return dict((await tenant.http.post("/api/v1/events", json=body)).json()["events"][0])


async def decide(tenant: Tenant, incident: str, verb: str, **body: str) -> dict[str, Any]:
    answer = await tenant.http.post(f"/api/v1/incidents/{incident}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_corrected_category_holds_for_later_events(tenant: Tenant) -> None:
    first = await send(tenant, "could not connect to the grinder: timeout")
    changed = await decide(tenant, first["incident_id"], "correct", category="ignorable", reason="it sleeps at night")
    assert changed["category"] == "ignorable"
    later = await send(tenant, "could not connect to the grinder: timeout")
    assert (later["category"], later["confidence"], later["fingerprint"]) == ("ignorable", 1.0, first["fingerprint"])


async def test_a_merge_is_kept_after_both_incidents_are_over_and_a_split_undoes_it(tenant: Tenant) -> None:
    one, other = await send(tenant, "could not connect to the sieve"), await send(tenant, "belt of the sieve is torn")
    assert one["incident_id"] != other["incident_id"]
    await decide(tenant, other["incident_id"], "merge", into=one["incident_id"], reason="one cause")
    assert (await send(tenant, "belt of the sieve is torn"))["incident_id"] == one["incident_id"]
    merged = (await tenant.http.get(f"/api/v1/incidents/{other['incident_id']}")).json()
    assert merged["status"] == "resolved"
    await decide(tenant, one["incident_id"], "resolve", reason="mended")
    again, joined = (
        await send(tenant, "could not connect to the sieve"),
        await send(tenant, "belt of the sieve is torn"),
    )
    assert again["incident_id"] == joined["incident_id"] != one["incident_id"]
    await decide(tenant, again["incident_id"], "split", fingerprint=again["fingerprint"], reason="two causes after all")
    assert (await send(tenant, "belt of the sieve is torn"))["incident_id"] != again["incident_id"]


async def test_an_incident_says_what_its_events_have_in_common(tenant: Tenant) -> None:
    taken = await send(tenant, "could not connect to host db1 port 5432")
    found = (await tenant.http.get(f"/api/v1/incidents/{taken['incident_id']}")).json()["grouping"]
    assert [group["fingerprint"] for group in found] == [taken["fingerprint"]]
    assert found[0]["basis"] == "template"
    assert any("could not connect to host" in part for part in found[0]["parts"])


async def test_what_can_not_be_merged_is_refused_with_the_reason(tenant: Tenant) -> None:
    incident = (await send(tenant, "could not connect to the crane"))["incident_id"]
    answer = await tenant.http.post(f"/api/v1/incidents/{incident}/merge", json={"into": incident})
    assert problem_of(answer, 422)["errors"][0]["field"] == "into"
    answer = await tenant.http.post(f"/api/v1/incidents/{incident}/split", json={"fingerprint": "0" * 32})
    assert problem_of(answer, 422)["errors"][0]["field"] == "fingerprint"

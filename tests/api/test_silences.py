"""Silences and inhibitions: what they keep quiet is recorded and shown, and nothing is done until they end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.events.muting.matchers import all_hold, labels_of, parse_matchers
from support.instance import Tenant
from support.problems import problem_of

HOUR = timedelta(hours=1)


def alert(what: str, severity: str = "high", **labels: str) -> dict[str, Any]:
    kind = f"{what.title().replace(' ', '')}Error"
    return {"message": what, "source": "mill", "error_type": kind, "severity": severity, "context": {"labels": labels}}


async def report(tenant: Tenant, event: dict[str, Any]) -> dict[str, Any]:
    taken = (await tenant.http.post("/api/v1/events", json=event)).raise_for_status().json()["events"][0]
    return dict((await tenant.http.get(f"/api/v1/incidents/{taken['incident_id']}")).raise_for_status().json())


async def again(tenant: Tenant, incident: dict[str, Any]) -> dict[str, Any]:
    return dict((await tenant.http.get(f"/api/v1/incidents/{incident['id']}")).raise_for_status().json())


async def silence(tenant: Tenant, *matchers: str, **more: Any) -> dict[str, Any]:
    body = {"matchers": list(matchers), "reason": "planned", "ends_at": (now() + HOUR).isoformat()} | more
    return dict((await tenant.http.post("/api/v1/silences", json=body)).raise_for_status().json())


def kinds(incident: dict[str, Any]) -> list[str]:
    return [line["kind"] for line in incident["timeline"]]


async def test_what_is_silenced_is_recorded_and_shown_and_nothing_is_done_until_the_silence_ends(
    tenant: Tenant,
) -> None:
    made = await silence(tenant, 'instance=~"db[0-9]+"')
    quiet = await report(tenant, alert("disk full", instance="db1"))
    assert (quiet["muted"]["by"], quiet["muted"]["reason"]) == ("silence", "planned")
    assert kinds(quiet) == ["detected", "decided", "muted"]
    assert quiet["actions"] == []
    assert tenant.count("action_runs") == 0
    told = await report(tenant, alert("grinder hot", instance="web1"))
    assert told["muted"] is None
    assert tenant.count("action_runs") == 1
    await tenant.http.post(f"/api/v1/silences/{made['id']}/end")
    after = await again(tenant, quiet)
    assert after["muted"] is None
    assert kinds(after)[2:4] == ["muted", "unmuted"]
    assert tenant.count("action_runs") == 2, "what was decided is done now"


async def test_a_silence_expires_by_itself_and_a_later_one_begins_by_itself(tenant: Tenant) -> None:
    await silence(tenant, "severity=high", starts_at=(now() + HOUR / 2).isoformat())
    incident = await report(tenant, alert("disk full"))
    assert incident["muted"] is None

    async def let_time_pass(minutes: int) -> None:
        length = f"interval '{minutes} minutes'"
        tenant.instance.sql(
            f"update opsteward.silences set starts_at = starts_at - {length}, ends_at = ends_at - {length}"
            " where tenant_id = %s", tenant.id
        )  # fmt: skip
        tenant.instance.sql(f"update opsteward.timers set due_at = due_at - {length} where tenant_id = %s", tenant.id)
        await tenant.instance.services.timers.fire_due(tenant.instance.services.app)

    await let_time_pass(31)
    assert (await again(tenant, incident))["muted"]["by"] == "silence"
    await let_time_pass(30)
    assert (await again(tenant, incident))["muted"] is None
    listed = (await tenant.http.get("/api/v1/silences", params={"status": "expired"})).json()["items"]
    assert [(one["status"], one["created_by"]["name"], one["reason"]) for one in listed] == [
        ("expired", "ada", "planned")
    ]


async def test_a_preview_counts_what_a_silence_then_keeps_quiet(tenant: Tenant) -> None:
    for name in ("one", "two", "three"):
        await report(tenant, alert(f"pump {name} leaks", severity="high" if name != "two" else "low", pump=name))
    body = {"matchers": ["severity=high", "pump!=three"]}
    found = (await tenant.http.post("/api/v1/silences/preview", json=body)).json()
    assert (found["matching"], found["examined"]) == (1, 3)
    assert (await silence(tenant, *body["matchers"]))["muted_incidents"] == 1


async def test_an_event_that_is_not_silenced_makes_its_incident_heard(tenant: Tenant) -> None:
    await silence(tenant, "instance=db1")
    quiet = await report(tenant, alert("disk full", instance="db1"))
    heard = await report(tenant, alert("disk full", instance="db2"))
    assert heard["id"] == quiet["id"]
    assert heard["muted"] is None
    assert tenant.count("action_runs") == 1


async def test_no_urgency_of_a_silenced_event_raises_an_incident(tenant: Tenant) -> None:
    await silence(tenant, "instance=db1")
    first = await report(tenant, alert("disk full", severity="medium", instance="db2"))
    runs = tenant.count("action_runs")
    after = await report(tenant, alert("disk full", severity="high", instance="db1"))
    assert (after["id"], after["severity"]) == (first["id"], "medium")
    assert tenant.count("action_runs") == runs


async def test_trouble_of_what_others_need_keeps_them_quiet_until_it_is_over(tenant: Tenant) -> None:
    for name, needs in (("storage", []), ("database", ["storage"]), ("site", ["database"])):
        body = {
            "name": name,
            "type": "api",
            "endpoint": "http://127.0.0.1:9/",
            "depends_on": needs,
        }
        (await tenant.http.post("/api/v1/systems", json=body)).raise_for_status()
    rule = {"name": "storage", "source": ["system=storage", "category=security_issue"], "target": ["severity=~.+"]}
    made = await tenant.http.post(
        "/api/v1/inhibitions", json=rule | {"dependents": True, "reason": "it all hangs on it"}
    )
    made.raise_for_status()
    attack = {"message": "unauthorized access denied", "source": "storage", "error_type": "PermissionDenied"}
    late = await report(tenant, alert("certificate expired") | {"source": "site"})
    source = await report(tenant, attack | {"severity": "high"})
    assert source["category"] == "security_issue"
    assert source["muted"] is None
    assert (await again(tenant, late))["muted"]["incident"] == source["number"], "it was open before"
    quiet = await report(tenant, {"message": "login brute force", "source": "database", "error_type": "AuthError"})
    assert quiet["muted"]["by"] == "inhibition"
    other = await report(tenant, alert("grinder hot"))
    assert other["muted"] is None, "the mill does not need the storage"
    ended = await tenant.http.post(f"/api/v1/incidents/{source['id']}/resolve", json={"reason": "mended"})
    assert ended.status_code == 200, ended.text
    assert (await again(tenant, late))["muted"] is None
    assert (await again(tenant, quiet))["muted"] is None


async def test_labels_that_are_the_same_may_say_what_follows_from_what(tenant: Tenant) -> None:
    rule = {"name": "rack", "source": ["error_type=PowerLostError"], "target": ["severity=~.+"], "equal": ["rack"]}
    (await tenant.http.post("/api/v1/inhibitions", json=rule)).raise_for_status()
    await report(tenant, alert("power lost", rack="r1"))
    assert (await report(tenant, alert("host away", rack="r1")))["muted"]["by"] == "inhibition"
    assert (await report(tenant, alert("disk slow", rack="r2")))["muted"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"matchers": []}, "matchers"),
        ({"matchers": ["severity"]}, "matchers.0"),
        ({"matchers": ["a=b", "x=~(a"]}, "matchers.1"),
        ({"matchers": ["x=~(a+)+\\1"]}, "matchers.0"),
        ({"matchers": ["x!=y"]}, "matchers"),
        ({"matchers": ["a=b"], "ends_at": "2001-01-01T00:00:00Z"}, "ends_at"),
        ({"matchers": ["a=b"], "ends_at": "2999-01-01T00:00:00Z"}, "ends_at"),
        ({"matchers": ["a=b"], "reason": "   "}, "reason"),
    ],
)
async def test_a_silence_that_makes_no_sense_is_refused(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    whole = {"reason": "x", "ends_at": (now() + HOUR).isoformat()} | body
    problem = problem_of(await tenant.http.post("/api/v1/silences", json=whole), 422)
    assert problem["errors"][0]["field"] == field
    assert tenant.count("silences") == 0


async def test_a_rule_that_would_keep_everything_quiet_is_refused(tenant: Tenant) -> None:
    rule = {"name": "all", "source": ["severity=high"], "target": ["severity=low"]}
    problem = problem_of(await tenant.http.post("/api/v1/inhibitions", json=rule), 422)
    assert problem["errors"][0]["field"] == "equal"


async def test_another_tenant_sees_and_ends_nothing(tenant: Tenant, other_tenant: Tenant) -> None:
    made = await silence(tenant, "severity=high")
    assert (await other_tenant.http.get("/api/v1/silences")).json()["items"] == []
    assert (await other_tenant.http.post(f"/api/v1/silences/{made['id']}/end")).status_code == 404
    assert (await report(other_tenant, alert("disk full")))["muted"] is None


def test_matchers_read_as_they_are_written() -> None:
    texts = ['severity="high"', "a!=b", 'path=~"/api/.*"', r'say="a \"word\""', "empty=", "x!~y|z"]
    values = {"severity": "high", "path": "/api/v1", "say": 'a "word"', "x": "yz"}
    parsed = parse_matchers(texts)
    assert all_hold(parsed, values)
    assert parse_matchers([str(one) for one in parsed]) == parsed
    assert not all_hold(parsed, values | {"path": "x/api/v1"}), "a pattern is for the whole value"
    assert not all_hold(parsed, values | {"empty": "no"})


def test_a_pattern_that_would_take_for_ever_is_answered_at_once() -> None:
    assert not all_hold(parse_matchers(["x=~(a+)+b"]), {"x": "a" * 2000})
    with pytest.raises(Invalid):
        parse_matchers(["x=~a{1000000}"])


def test_labels_are_what_is_plain_in_a_context() -> None:
    context = {"host": "a", "n": 3, "deep": {"x": 1}, "labels": {"job": "j", "up": True}, "list": [1]}
    assert labels_of(context) == {"host": "a", "n": "3", "job": "j", "up": "true"}

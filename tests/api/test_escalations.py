"""Who is paged for an incident, who is next when nobody answers, and what ends it; on the clocks of timers alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from opsteward.core.clock import now
from support.instance import Tenant
from support.problems import problem_of

NOWHERE = "json://127.0.0.1:9/s3cret-token"
EVER = {"name": "primary", "unit": "day", "starts_on": "2026-01-01", "handover": "00:00"}


async def put(tenant: Tenant, path: str, **body: Any) -> dict[str, Any]:
    answer = await tenant.http.put(f"/api/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def get(tenant: Tenant, path: str, **query: Any) -> Any:
    return (await tenant.http.get(f"/api/v1/{path}", params=query)).raise_for_status().json()


async def post(tenant: Tenant, path: str, **body: Any) -> dict[str, Any]:
    return dict((await tenant.http.post(f"/api/v1/{path}", json=body)).raise_for_status().json())


async def route(tenant: Tenant, name: str, **more: Any) -> dict[str, Any]:
    return await put(tenant, f"notifications/routes/{name}", **{"urls": [NOWHERE], "group_seconds": 0} | more)


async def attack(tenant: Tenant, what: str = "brute force login") -> str:
    """An incident that is escalated at once."""
    event = {"message": f"unauthorized access: {what}", "source": "vpn", "error_type": "AuthError", "severity": "high"}
    return str((await post(tenant, "events", **event))["events"][0]["incident_id"])


async def on_call(tenant: Tenant, *steps: dict[str, Any], **more: Any) -> None:
    """Ada is on call and can be paged, grace can; the policy has these steps."""
    await tenant.operator("operator", name="grace")
    await route(tenant, "ada-phone", operator="ada")
    await route(tenant, "grace-phone", operator="grace")
    await put(tenant, "oncall/schedules/ops", rotations=[EVER | {"participants": ["ada"]}])
    given = list(steps) or [
        {"schedules": ["ops"], "wait_minutes": 10},
        {"operators": ["grace"], "wait_minutes": 5},
    ]
    await put(tenant, "oncall/policies/default", **{"steps": given, "repeats": 1} | more)


async def let_pass(tenant: Tenant, minutes: float) -> None:
    """Time passes for the timers of this tenant."""
    tenant.instance.sql(
        "update opsteward.timers set due_at = due_at - %s where tenant_id = %s", timedelta(minutes=minutes), tenant.id
    )
    await tenant.instance.services.timers.fire_due(tenant.instance.services.app)


async def told(tenant: Tenant, incident: str) -> list[str]:
    found = await get(tenant, "notifications/notices", incident_id=incident)
    return [f"{one['kind']} {one['route']}" for one in reversed(found["items"])]


async def escalation(tenant: Tenant, incident: str) -> dict[str, Any]:
    return dict((await get(tenant, "oncall/escalations", incident_id=incident))["items"][0])


async def test_who_does_not_answer_is_followed_by_the_next_and_all_again_until_the_policy_ends(tenant: Tenant) -> None:
    await on_call(tenant)
    incident = await attack(tenant)
    expected = ["page ada-phone"]
    assert await told(tenant, incident) == expected
    for minutes, who in ((9.9, ""), (0.2, "grace"), (5.1, "ada"), (10.1, "grace")):
        await let_pass(tenant, minutes)
        expected += [f"page {who}-phone"] if who else []
        assert await told(tenant, incident) == expected
    await let_pass(tenant, 5.1)
    ended = await escalation(tenant, incident)
    assert (ended["status"], ended["round"], ended["step"]) == ("exhausted", 2, 2)
    titles = [line["title"] for line in (await get(tenant, f"incidents/{incident}"))["timeline"]]
    assert "Nobody has acknowledged it: the policy default is at its end, after 2 rounds" in titles
    assert tenant.instance.sql("select count(*) from opsteward.timers where tenant_id = %s", tenant.id) == [(0,)]


async def test_on_call_takes_the_place_of_the_action_that_only_tells_people(tenant: Tenant) -> None:
    incident = await attack(tenant, "before there was a policy")
    await on_call(tenant)
    other = await attack(tenant, "a different way, with a policy")
    actions = [
        [run["action"] for run in (await get(tenant, f"incidents/{one}"))["actions"]] for one in (incident, other)
    ]
    assert actions == [["escalate"], []]


async def test_an_acknowledgement_ends_it_and_nobody_else_is_paged(tenant: Tenant) -> None:
    await on_call(tenant)
    incident = await attack(tenant)
    await post(tenant, f"incidents/{incident}/acknowledge")
    await let_pass(tenant, 60)
    ended = await escalation(tenant, incident)
    assert (ended["status"], ended["ended_by"]["name"]) == ("acknowledged", "ada")
    assert await told(tenant, incident) == ["page ada-phone"]


async def test_the_end_of_an_incident_ends_it(tenant: Tenant) -> None:
    await on_call(tenant)
    incident = await attack(tenant)
    await post(tenant, f"incidents/{incident}/resolve", reason="a drill")
    await let_pass(tenant, 60)
    assert (await escalation(tenant, incident))["status"] == "over"
    assert await told(tenant, incident) == ["page ada-phone"]


async def test_a_page_that_arrived_as_the_incident_ended_is_followed_by_its_end_once(tenant: Tenant) -> None:
    await on_call(tenant)
    incident = await attack(tenant)
    await post(tenant, f"incidents/{incident}/resolve", reason="a drill")
    # its delivery ended in a transaction that did not see this
    tenant.instance.sql("update opsteward.notices set status = 'sent' where tenant_id = %s", tenant.id)
    waiting = "select kind, key from opsteward.timers where tenant_id = %s and kind = 'notice.over'"
    ((kind, key),) = tenant.instance.sql(waiting, tenant.id)
    for _ in range(2):
        await let_pass(tenant, 1)
        assert await told(tenant, incident) == ["page ada-phone", "resolved ada-phone"]
        tenant.instance.sql("insert into opsteward.timers values (%s, %s, %s, now())", tenant.id, kind, key)


async def test_what_is_silenced_pages_nobody_until_the_silence_ends(tenant: Tenant) -> None:
    await on_call(tenant)
    ends_at = (now() + timedelta(hours=1)).isoformat()
    made = await post(tenant, "silences", matchers=["source=vpn"], reason="a drill", ends_at=ends_at)
    incident = await attack(tenant)
    await let_pass(tenant, 30)
    assert await told(tenant, incident) == []
    await post(tenant, f"silences/{made['id']}/end")
    assert await told(tenant, incident) == ["page ada-phone"]


async def test_a_silence_over_a_running_escalation_ends_it(tenant: Tenant) -> None:
    await on_call(tenant)
    incident = await attack(tenant)
    ends_at = (now() + timedelta(hours=9)).isoformat()
    await post(tenant, "silences", matchers=["source=vpn"], reason="a drill", ends_at=ends_at)
    await let_pass(tenant, 11)
    assert await told(tenant, incident) == ["page ada-phone"]


async def test_a_gap_is_said_and_the_next_step_comes_at_once(tenant: Tenant) -> None:
    future = EVER | {"participants": ["ada"], "starts_on": "2199-01-01"}
    await on_call(tenant)
    await put(tenant, "oncall/schedules/ops", rotations=[future])
    shown = (await get(tenant, "oncall/now"))["items"][0]
    assert (shown["now"], len(shown["gaps"])) == (None, 1)
    incident = await attack(tenant)
    await let_pass(tenant, 0)
    assert await told(tenant, incident) == ["page grace-phone"]
    titles = [line["title"] for line in (await get(tenant, f"incidents/{incident}"))["timeline"]]
    assert "Nobody is on call in ops" in titles


async def test_who_has_no_route_is_said_to_be_out_of_reach(tenant: Tenant) -> None:
    await tenant.operator("operator", name="lin")
    await put(tenant, "oncall/schedules/ops", rotations=[EVER | {"participants": ["lin"]}])
    await put(tenant, "oncall/policies/default", steps=[{"schedules": ["ops"]}], repeats=0)
    assert (await get(tenant, "oncall/now"))["items"][0]["unreachable"] == ["lin"]
    incident = await attack(tenant)
    titles = [line["title"] for line in (await get(tenant, f"incidents/{incident}"))["timeline"]]
    assert "lin can't be paged: no route of theirs counts now" in titles


async def test_an_override_changes_who_is_paged(tenant: Tenant) -> None:
    await on_call(tenant)
    schedule = (await get(tenant, "oncall/now"))["items"][0]
    start, end = now() - timedelta(minutes=1), now() + timedelta(hours=1)
    changed = await post(
        tenant, f"oncall/schedules/{schedule['id']}/overrides", operator="grace", starts_at=start.isoformat(),
        ends_at=end.isoformat(), reason="dentist",
    )  # fmt: skip
    assert (changed["now"]["name"], changed["shifts"][0]["by"]) == ("grace", "override")
    assert await told(tenant, await attack(tenant)) == ["page grace-phone"]


async def test_the_first_policy_that_matches_counts(tenant: Tenant) -> None:
    await on_call(tenant)
    await route(tenant, "security-team")
    steps = [{"routes": ["security-team"]}]
    await put(tenant, "oncall/policies/vpn", matchers=["source=vpn"], steps=steps, position=1)
    incident = await attack(tenant)
    assert (await escalation(tenant, incident))["policy"] == "vpn"
    assert await told(tenant, incident) == ["page security-team"]


async def test_routes_tell_of_what_matches_them_when_it_is_opened(tenant: Tenant) -> None:
    await route(tenant, "chat", matchers=["severity=~high|medium"], begins="opened")
    await route(tenant, "other-team", matchers=["team=db"], begins="opened")
    closed = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
    hour = now() + timedelta(hours=2)
    closed |= {"from_time": f"{hour:%H}:00", "to_time": f"{hour:%H}:01", "timezone": "UTC"}
    await route(tenant, "by-hours", matchers=["severity=~.+"], begins="opened", hours=closed)
    event = {"message": "disk full", "source": "mill", "error_type": "DiskFull", "severity": "high"}
    incident = (await post(tenant, "events", **event))["events"][0]["incident_id"]
    assert await told(tenant, incident) == ["incident chat"]
    event = {
        "message": "table broken",
        "source": "db",
        "error_type": "X",
        "severity": "high",
        "context": {"team": "db"},
    }
    incident = (await post(tenant, "events", **event))["events"][0]["incident_id"]
    assert sorted(await told(tenant, incident)) == ["incident chat", "incident other-team"]


async def test_many_at_once_are_one_notice_and_what_is_over_by_then_is_left_out(tenant: Tenant) -> None:
    await route(tenant, "chat", matchers=["severity=high"], begins="opened", group_seconds=60)
    incidents = [await attack(tenant, f"way {name}") for name in ("alpha", "beta", "gamma")]
    await post(tenant, f"incidents/{incidents[0]}/resolve")
    await let_pass(tenant, 1.1)
    (one,) = (await get(tenant, "notifications/notices"))["items"]
    assert len(one["incident_ids"]) == 3
    assert (one["status"], one["title"][:12]) == ("queued", "2 incidents,")


async def test_a_notice_that_nobody_needs_any_more_is_not_sent(tenant: Tenant) -> None:
    await route(tenant, "chat", matchers=["severity=high"], begins="opened", group_seconds=60)
    incident = await attack(tenant)
    await post(tenant, f"incidents/{incident}/acknowledge")
    await let_pass(tenant, 1.1)
    (one,) = (await get(tenant, "notifications/notices"))["items"]
    assert (one["status"], one["error"]) == ("skipped", "nobody needs to be told any more")


async def test_templates_say_what_a_route_tells(tenant: Tenant) -> None:
    await route(
        tenant, "sms", matchers=["severity=high"], begins="opened", title="{severity} #{number} {kind}: {title}"
    )
    await attack(tenant)
    (one,) = (await get(tenant, "notifications/notices"))["items"]
    assert one["title"] == "high #1 incident: AuthError: unauthorized access: brute force login"


async def test_the_daily_report_is_written_at_its_time_each_day(tenant: Tenant) -> None:
    await route(tenant, "morning", report_at="08:00", timezone="Europe/Vienna")
    await attack(tenant)
    for days in (1, 2):
        await let_pass(tenant, 24 * 60)
        found = (await get(tenant, "notifications/notices"))["items"]
        assert [one["kind"] for one in found] == ["report"] * days
    assert found[0]["title"] == "Daily report: 1 opened, 0 resolved, 1 open"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("oncall/schedules/ops", {"rotations": [EVER | {"participants": ["nobody"]}]}, "rotations.0.participants.0"),
        ("oncall/schedules/ops", {"rotations": [EVER | {"participants": ["ada"], "handover": "25:00"}]},
         "rotations.0.handover"),
        ("oncall/schedules/ops", {"rotations": [EVER | {"participants": ["ada"], "starts_on": "31.1."}]},
         "rotations.0.starts_on"),
        ("oncall/schedules/ops", {"timezone": "Mars", "rotations": [EVER | {"participants": ["ada"]}]}, "timezone"),
        ("oncall/policies/p", {"steps": [{}]}, "steps.0"),
        ("oncall/policies/p", {"steps": [{"schedules": ["none"]}]}, "steps.0.schedules.0"),
        ("oncall/policies/p", {"steps": [{"operators": ["none"]}]}, "steps.0.operators.0"),
        ("oncall/policies/p", {"matchers": ["x=~(a"], "steps": [{"operators": ["ada"]}]}, "matchers.0"),
        ("notifications/routes/r", {}, "urls"),
        ("notifications/routes/r", {"urls": ["no url"]}, "urls.0"),
        ("notifications/routes/r", {"urls": [NOWHERE, "dbus://"]}, "urls.1"),
        ("notifications/routes/r", {"urls": [NOWHERE, "syslog://x"]}, "urls.1"),
        ("notifications/routes/r", {"urls": [NOWHERE], "next_route": "r"}, "next_route"),
        ("notifications/routes/r", {"urls": [NOWHERE], "title": "{password}"}, "title"),
        ("notifications/routes/r", {"urls": [NOWHERE], "report_at": "8"}, "report_at"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_by_name(
    tenant: Tenant, path: str, body: dict[str, Any], field: str
) -> None:
    problem = problem_of(await tenant.http.put(f"/api/v1/{path}", json=body), 422)
    assert problem["errors"][0]["field"] == field


async def test_the_urls_of_a_route_are_never_shown_and_stay_when_it_is_changed(tenant: Tenant) -> None:
    await route(tenant, "chat")
    changed = await put(tenant, "notifications/routes/chat", matchers=["severity=high"])
    assert changed["services"] == ["json"]
    assert "s3cret" not in (await tenant.http.get("/api/v1/notifications/routes")).text
    problem = await tenant.http.put("/api/v1/notifications/routes/x", json={"urls": ["s3cret is no url"]})
    assert "s3cret" not in problem.text
    assert "s3cret" not in str(
        tenant.instance.sql("select * from opsteward.audit_entries where tenant_id = %s", tenant.id)
    )


async def test_an_operator_may_swap_shifts_but_not_make_routes(tenant: Tenant) -> None:
    grace = await tenant.operator("operator", name="grace")
    answer = await grace.http.put("/api/v1/notifications/routes/r", json={"urls": [NOWHERE]})
    assert answer.status_code == 403
    rotations = [EVER | {"participants": ["grace"]}]
    assert (await grace.http.put("/api/v1/oncall/schedules/s", json={"rotations": rotations})).status_code == 200

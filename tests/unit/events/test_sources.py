"""Vendors' bodies, written from their documentation: what is read from each, and that no change of one is an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from opsteward.core.errors import Invalid, NotFound
from opsteward.events.classification import Category
from opsteward.events.event_drafts import recognize
from opsteward.events.sources.catalogue import all_sources, source_named
from opsteward.events.sources.mapping import check, compiled, read
from opsteward.events.sources.unwrapping import CarriedTexts, unwrapped
from opsteward.events.sources.values import instant_of, outcome_of
from opsteward.events.types import NewEvent

#: Of each source: a body while the trouble lasts, changes that make it the end, the title and severity expected.
FIRING: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    (
        "pagerduty",
        {"routing_key": "k", "event_action": "trigger", "dedup_key": "d1",
         "payload": {"summary": "Disk full on db1", "source": "db1", "severity": "critical"}},
        {"event_action": "resolve"}, "Disk full on db1", "high",
    ),
    (
        "opsgenie",
        {"action": "Create", "alert": {"alertId": "a-1", "message": "CPU high", "priority": "P3"}},
        {"action": "Close"}, "CPU high", "medium",
    ),
    (
        "uptime-kuma",
        {"heartbeat": {"status": 0, "msg": "timeout"}, "monitor": {"id": 3, "name": "Shop"}},
        {"heartbeat": {"status": 1, "msg": "200 - OK"}}, "Shop", "high",
    ),
    (
        "pingdom",
        {"check_id": 1, "check_name": "Home", "current_state": "DOWN", "importance_level": "HIGH"},
        {"current_state": "UP"}, "Home", "high",
    ),
    (
        "azure",
        {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {
            "originAlertId": "o", "alertRule": "Heartbeat lost", "severity": "Sev1", "monitorCondition": "Fired"}}},
        {"data": {"essentials": {"originAlertId": "o", "alertRule": "Heartbeat lost", "monitorCondition": "Resolved"}}},
        "Heartbeat lost", "high",
    ),
    (
        "newrelic",
        {"id": "i1", "title": "Apdex low", "priority": "CRITICAL", "state": "ACTIVATED", "createdAt": 1700000000000},
        {"state": "CLOSED"}, "Apdex low", "high",
    ),
    (
        "zabbix",
        {"event_name": "No ping", "event_severity": "Disaster", "event_value": "1", "trigger_id": "7"},
        {"event_value": "0"}, "No ping", "high",
    ),
    (
        "statuspage",
        {"incident": {"id": "s", "name": "API errors", "impact": "major", "status": "investigating"}},
        {"incident": {"id": "s", "name": "API errors", "impact": "major", "status": "resolved"}}, "API errors", "high",
    ),
    (
        "victorops",
        {"entity_id": "db", "entity_display_name": "Database", "message_type": "CRITICAL"},
        {"message_type": "RECOVERY"}, "Database", "high",
    ),
    (
        "grafana",
        {"ruleId": 1, "ruleName": "Load", "state": "alerting", "message": "too high"},
        {"state": "ok"}, "Load", "high",
    ),
    (
        "dynatrace",
        {"PID": "1", "ProblemTitle": "Slow", "ProblemSeverity": "PERFORMANCE", "State": "OPEN"},
        {"State": "RESOLVED"}, "Slow", "medium",
    ),
]  # fmt: skip
#: Bodies that no mapping knows: title, severity, resolved.
UNKNOWN: list[tuple[Any, str, str, bool]] = [
    ({"alertName": "Queue is long", "severityLevel": "Critical", "host": "q1"}, "Queue is long", "high", False),
    ({"event": {"summary": "Link down", "level": "WARN", "status": "recovered"}}, "Link down", "medium", True),
    ({"id": "c0ffee0000", "text": "Backup failed", "sender": {"name": "Bob"}}, "Backup failed", "medium", False),
    ([{"subject": "One", "priority": "P1"}], "One", "high", False),
    ("plain words", "plain words", "medium", False),
    ({"x": {"y": [1, 2]}}, '{"x": {"y": [1, 2]}}', "medium", False),
]  # fmt: skip
HOSTILE: tuple[Any, ...] = (
    None,
    "",
    "x" * 3000,
    "\u202e\U0001f600'\";--",
    -1,
    10**30,
    1e300,
    True,
    [],
    {},
    [[1]],
    {"a": {"b": []}},
)


def one(source: str, body: Any) -> NewEvent:
    [event] = read(source_named(source), body, {}, limit=10).events
    return event


@pytest.mark.parametrize(("source", "body", "end", "title", "severity"), FIRING, ids=[case[0] for case in FIRING])
def test_trouble_and_its_end_are_one_group(
    source: str, body: dict[str, Any], end: dict[str, Any], title: str, severity: str
) -> None:
    fired, over = one(source, body), one(source, body | end)
    assert (fired.message.splitlines()[0], fired.severity, fired.resolved) == (title, severity, False)
    assert over.resolved
    assert fired.group_key == over.group_key == one(source, body).group_key is not None
    assert fired.context["payload"] == body


@pytest.mark.parametrize(("body", "title", "severity", "resolved"), UNKNOWN)
def test_fields_of_an_unknown_body_are_found_by_their_names(
    body: Any, title: str, severity: str, resolved: bool
) -> None:
    event = one("generic", body)
    assert (event.message.splitlines()[0], event.severity, event.resolved) == (title, severity, resolved)


@pytest.mark.parametrize(
    ("fired", "over", "severity"),
    [
        (
            {"attachments": [{"title": "[FIRING:2] DiskFull (db1)"}]},
            {"attachments": [{"title": "[RESOLVED] DiskFull (db1)"}]},
            "high",
        ),
        ({"text": "PROBLEM: load of web1 is 17.3"}, {"text": "RECOVERY: load of web1 is 0.4"}, "medium"),
        ({"summary": "Nightly copy failed"}, {"summary": "Nightly copy succeeded"}, "medium"),
    ],
)  # fmt: skip
def test_a_title_alone_may_tell_how_it_stands(fired: Any, over: Any, severity: str) -> None:
    events = [one("generic", body) for body in (fired, over)]
    assert [event.resolved for event in events] == [False, True]
    assert events[0].severity == severity
    assert events[0].group_key == events[1].group_key


def changed(body: Any, value: Any) -> Iterator[Any]:
    """The body with each of its parts left out, and with each replaced by the value."""
    if isinstance(body, dict):
        for key, inner in body.items():
            yield {k: v for k, v in body.items() if k != key}
            yield body | {key: value}
            yield from (body | {key: other} for other in changed(inner, value))


def test_no_change_of_a_body_is_an_error() -> None:
    seen = 0
    for source, body, *_ in FIRING:
        for value in HOSTILE:
            for other in changed(body, value):
                reading = read(source_named(source), other, {"x-github-event": "push"}, limit=10)
                assert reading.events, other
                assert all(event.message.strip() and event.severity for event in reading.events), other
                seen += 1
    assert seen > 1000


def test_every_source_takes_the_bodies_of_every_other() -> None:
    for mapping in all_sources().values():
        check(mapping)
        for _, body, *_ in FIRING:
            assert read(mapping, body, {}, limit=10).events


def test_each_alert_of_a_group_is_an_event_up_to_the_limit() -> None:
    alerts = [
        {"status": "firing", "labels": {"alertname": "Full", "instance": f"i{n}", "severity": "warning"},
         "startsAt": "2024-03-01T10:00:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z"}
        for n in range(5)
    ]  # fmt: skip
    reading = read(source_named("prometheus"), {"alerts": alerts}, {}, limit=3)
    assert (len(reading.events), reading.left_out) == (3, 2)
    assert len({event.group_key for event in reading.events}) == 3
    assert reading.events[0].occurred_at == datetime(2024, 3, 1, 10, 0, 0, 123456, UTC)


@pytest.mark.parametrize(
    "value",
    [1709287200, "1709287200", 1709287200000, "1709287200000", 1709287200000000, 1709287200000000000,
     "2024-03-01T10:00:00Z", "2024-03-01T11:00:00+0100", "2024-03-01 10:00:00", "2024-03-01 10:00:00 UTC",
     "Fri, 01 Mar 2024 10:00:00 GMT", "Fri Mar 01 10:00:00 UTC 2024", "2024.03.01 10:00:00"],
)  # fmt: skip
def test_an_instant_in_its_many_forms(value: Any) -> None:
    assert instant_of(value) == datetime(2024, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [0, "0001-01-01T00:00:00Z", "", "soon", True, None, -5, 1e300, 10**40, [], {}, "9" * 18]
)
def test_what_is_no_instant(value: Any) -> None:
    assert instant_of(value) is None or value == "9" * 18


def test_what_a_message_carries_is_opened() -> None:
    assert unwrapped({"Type": "Notification", "Message": '{"AlarmName": "A"}'}, CarriedTexts()) == {"AlarmName": "A"}
    assert unwrapped({"message": {"data": "eyJhIjogMX0=", "messageId": "1"}, "subscription": "s"}, CarriedTexts()) == {
        "a": 1
    }
    assert unwrapped({"Type": "Notification", "Message": '{"a": "x\\u0000\\ud800"}'}, CarriedTexts()) == {"a": "x?"}
    assert unwrapped({"awslogs": {"data": "no base64 !"}}, CarriedTexts()) == {"awslogs": {"data": "no base64 !"}}


def test_what_texts_carry_is_bounded_as_the_body_itself_is() -> None:
    many = "[" + ",".join(["[]"] * 150_000) + "]"
    assert unwrapped({"Type": "Notification", "Message": many}, CarriedTexts()) == {"Message": many}
    few = "{" + ",".join(f'"k{n}": []' for n in range(40_000)) + "}"
    records = [{"Sns": {"Message": few}} for _ in range(4)]
    opened = unwrapped({"Records": records}, CarriedTexts())
    assert isinstance(opened, list)
    assert ["k0" in one for one in opened if isinstance(one, dict)] == [True, True, False, False]


def test_the_looking_through_an_unknown_body_ends() -> None:
    deep = {f"a{n}": {f"b{m}": {} for m in range(500)} for n in range(60)}
    assert one("generic", {"title": "Pump stands still", "parts": deep}).message.startswith("Pump stands still")
    assert one("generic", {**deep, "zone": {"shed": {"title": "found too late"}}}).message.startswith("{")


def test_an_expression_that_does_not_parse_is_said() -> None:
    with pytest.raises(Invalid, match="JMESPath"):
        compiled("a[")
    with pytest.raises(NotFound):
        source_named("no-such-thing")


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
def test_what_is_over_is_of_the_time_at_which_it_ended(source: str) -> None:
    alert = {"labels": {"alertname": "A"}, "startsAt": "2024-03-01T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}
    firing = one(source, {"alerts": [alert | {"status": "firing"}]})
    over = one(source, {"alerts": [alert | {"status": "resolved", "endsAt": "2024-03-01T10:30:00Z"}]})
    assert (firing.occurred_at, over.occurred_at) == (
        datetime(2024, 3, 1, 10, tzinfo=UTC), datetime(2024, 3, 1, 10, 30, tzinfo=UTC)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "over"),
    [
        ("ALERT_STATE_EVENT_END", True), ("ALERT_RECOVERY", True), ("alert.resolved", True), ("monitorUp", True),
        ("POLICY_CLOSE_CRITICAL", True), ("ok", True), ("ALERT_STATE_EVENT_START", False), ("run:errored", False),
        ("jobFailed", False), ("completed", None), ("build.finished", None), ("alert_type", None), ("", None),
    ],
)  # fmt: skip
def test_a_state_of_several_words_says_whether_it_is_over(state: Any, over: bool | None) -> None:
    assert outcome_of(state) is over


def test_what_no_mapping_knows_is_found_by_the_ends_of_names() -> None:
    body = {
        "webhook": {"name": "our hook"}, "check": {"id": "c-7", "humanReadable": "disk of db1 is full"},
        "alert_level": "critical", "run": {"status": "completed", "result": "failed"},
        "analysedAt": "2024-03-01T10:00:00Z",
    }  # fmt: skip
    fired = one("generic", body)
    assert (fired.message, fired.severity, fired.resolved) == ("disk of db1 is full", "high", False)
    assert fired.occurred_at == datetime(2024, 3, 1, 10, tzinfo=UTC)
    over = one("generic", body | {"run": {"status": "completed", "result": "success"}})
    assert over.resolved and over.group_key == fired.group_key
    assert one("generic", body | {"run": {}, "resolved_at": "2024-03-01T10:20:00Z"}).resolved
    assert one("generic", body | {"check": {"id": "c-8", "title": "disk of db1 is full"}}).group_key != fired.group_key


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"dateTime": "20240301100000", "title": "x y"}, {"occurred_at": datetime(2024, 3, 1, 10, tzinfo=UTC)}),
        (
            {"organizationName": "Shop", "alertType": "down", "subject": "Disk is full"},
            {"message": "Disk is full\ndown"},
        ),
        ({"application": {"name": "Shop"}, "error": {"message": "order is null"}}, {"message": "order is null"}),
        ({"title": "build", "runStatus": "Errored"}, {"severity": "high"}),
        ({"title": "build", "eventType": "ALERT_NOTIFICATION_TRIGGER"}, {"severity": "medium"}),
        ({"title": "host", "alertStatus": 2, "alertStatusString": "Cleared"}, {"resolved": True}),
    ],
)
def test_fields_of_unknown_products_are_read_by_the_kind_of_their_names(
    body: dict[str, Any], expected: dict[str, Any]
) -> None:
    (event,) = read(source_named("generic"), body, {}, limit=1).events
    assert {name: getattr(event, name) for name in expected} == expected


def test_trouble_that_is_named_by_what_holds_its_id_is_one_group_until_it_ends() -> None:
    def key(**more: Any) -> str | None:
        body = {"description": str(more), "downtime": {"id": "65e1"}, **more}
        return read(source_named("generic"), body, {}, limit=1).events[0].group_key

    assert key(event="check.down") == key(event="check.up") is not None


_REPOSITORY = {"repository": {"full_name": "octo/repo"}}


@pytest.mark.parametrize(
    ("source", "kind", "body", "routine"),
    [
        ("github", "star", {"action": "created", **_REPOSITORY}, True),
        ("github", "label", {"action": "created", "label": {"name": "bug"}, **_REPOSITORY}, True),
        ("github", "push", {"ref": "refs/heads/main", "commits": [], "pusher": {"name": "o"}, **_REPOSITORY}, True),
        ("github", "pull_request", {"action": "opened", "pull_request": {"number": 1, "title": "Docs"}}, True),
        ("github", "check_run", {"action": "created", "check_run": {"name": "ci", "conclusion": None}}, True),
        ("github", "check_run", {"action": "completed", "check_run": {"name": "ci", "conclusion": "failure"}}, False),
        ("github", "workflow_run", {"action": "requested", "workflow_run": {"name": "ci", "conclusion": None}}, True),
        ("github", "deployment_status", {"deployment_status": {"state": "in_progress", "environment": "p"}}, True),
        ("github", "deployment_status", {"deployment_status": {"state": "failure", "environment": "p"}}, False),
        ("github", "issues", {"action": "opened", "issue": {"number": 1, "title": "Broken"}}, False),
        ("github", "issues", {"action": "labeled", "issue": {"number": 1, "title": "Docs"}}, True),
        ("github", "public", _REPOSITORY, False),
        ("github", "dependabot_alert", {"action": "created", "alert": {"number": 1, "severity": "low"}}, False),
        ("gitlab", "", {"object_kind": "push", "ref": "refs/heads/main", "commits": []}, True),
        ("gitlab", "", {"object_kind": "note", "object_attributes": {"note": "Nice", "id": 1}}, True),
        ("gitlab", "", {"object_kind": "pipeline", "object_attributes": {"status": "running", "ref": "main"}}, True),
        ("gitlab", "", {"object_kind": "pipeline", "object_attributes": {"status": "failed", "ref": "main"}}, False),
    ],
)
def test_what_is_told_in_passing_is_no_alert(source: str, kind: str, body: dict[str, Any], routine: bool) -> None:
    [event] = read(source_named(source), body, {"x-github-event": kind}, limit=5).events
    assert event.routine is routine
    if routine:
        assert recognize(event).classified.category is Category.IGNORABLE
        assert recognize(replace(event, routine=False)).classified.category is not Category.IGNORABLE
        attack = replace(event, message="SQL injection: ' OR 1=1 -- in /login from 10.0.0.9")
        assert recognize(attack).classified.category is Category.SECURITY_ISSUE, "words alone are judged"

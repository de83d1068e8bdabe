"""A recovery ends only what it speaks of, and only what is older than it, in one request and across requests."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from support.instance import Instance, Tenant

BASE = datetime.now(UTC) - timedelta(hours=1)
Event = dict[str, Any]


def fired(host: str = "db1", minute: float | None = 0, **more: Any) -> Event:
    event = {"message": f"disk 97 % full on {host}", "source": "monitor", "error_type": "DiskFull"} | more
    return event if minute is None else event | {"occurred_at": (BASE + timedelta(minutes=minute)).isoformat()}


def recovered(host: str = "db1", minute: float | None = 1, **more: Any) -> Event:
    return fired(host, minute, **more) | {"resolved": True}


async def tell(tenant: Tenant, *events: Event) -> list[dict[str, Any]]:
    answer = await tenant.http.post("/api/v1/events", json=list(events))
    assert answer.status_code == 202, answer.text
    return list(answer.json()["events"])


async def statuses(tenant: Tenant) -> list[str]:
    """Of every incident, the newest first."""
    return [i["status"] for i in (await tenant.http.get("/api/v1/incidents")).json()["items"]]


async def story(tenant: Tenant) -> list[str]:
    """The titles of the recoveries in the timeline of the newest incident."""
    incident = (await tenant.http.get("/api/v1/incidents")).json()["items"][0]["id"]
    shown = (await tenant.http.get(f"/api/v1/incidents/{incident}")).json()
    return [line["title"] for line in shown["timeline"] if line["kind"] == "recovered"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_what_happened_last_counts_in_one_request(tenant: Tenant, order: tuple[int, ...]) -> None:
    batch = [fired(minute=0), recovered(minute=1), fired(minute=2)]
    await tell(tenant, *(batch[place] for place in order))
    assert await statuses(tenant) == ["open"]


@pytest.mark.parametrize("turned", [False, True])
async def test_a_recovery_after_the_last_failure_ends_it_in_any_order(tenant: Tenant, turned: bool) -> None:
    batch = [fired(minute=0), fired(minute=1), recovered(minute=2)]
    await tell(tenant, *(reversed(batch) if turned else batch))
    assert await statuses(tenant) == ["resolved"]


async def test_a_late_recovery_from_before_the_last_failure_ends_nothing(tenant: Tenant) -> None:
    await tell(tenant, fired(minute=5))
    await tell(tenant, recovered(minute=4))
    assert await statuses(tenant) == ["open"]
    assert "in trouble still: db1" in (await story(tenant))[0]
    await tell(tenant, recovered(minute=6))
    assert await statuses(tenant) == ["resolved"]


async def test_one_of_many_objects_recovers(tenant: Tenant) -> None:
    taken = await tell(tenant, fired("db1"), fired("db2"), fired("db3"))
    assert len({event["incident_id"] for event in taken}) == 1
    await tell(tenant, recovered("db2"))
    assert await statuses(tenant) == ["open"]
    assert await story(tenant) == ["Recovered: db2; in trouble still: db1, db3"]
    await tell(tenant, recovered("db1"), recovered("db9"))
    assert await statuses(tenant) == ["open"]
    await tell(tenant, fired("db2", 3), recovered("db3"))
    assert await statuses(tenant) == ["open"], "db2 failed again"
    await tell(tenant, recovered("db2", 4))
    assert await statuses(tenant) == ["resolved"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"message": "order 17 is stuck"}, {"message": "order 18 is stuck"}),
        ({"message": "queue 'mail' is stuck"}, {"message": "queue 'bills' is stuck"}),
        ({"message": "no route to 10.0.0.1:5432"}, {"message": "no route to 10.0.0.2:5432"}),
        ({"context": {"host": "a"}, "message": "unreachable"}, {"context": {"host": "b"}, "message": "unreachable"}),
        (
            {"context": {"labels": {"instance": "a:9100"}}, "message": "InstanceDown"},
            {"context": {"labels": {"instance": "b:9100"}}, "message": "InstanceDown"},
        ),
        ({"message": "write failed on /dev/sda1"}, {"message": "write failed on /dev/sdb1"}),
    ],
)
async def test_another_object_is_not_spoken_of(tenant: Tenant, one: Event, other: Event) -> None:
    await tell(tenant, fired(**one))
    await tell(tenant, recovered(**other), recovered(**other, minute=None))
    assert await statuses(tenant) == ["open"]
    await tell(tenant, recovered(**one))
    assert await statuses(tenant) == ["resolved"]


async def test_measurements_and_times_are_no_objects(tenant: Tenant) -> None:
    await tell(tenant, fired(message="disk 97 % full on db1, 12.5 GB left at 2026-11-26T10:00:00Z"))
    await tell(tenant, recovered(message="disk 20 % full on db1, 80.1 GB left at 2026-11-26T11:30:00Z"))
    assert await statuses(tenant) == ["resolved"]


async def test_a_recovery_without_a_name_is_of_the_only_one_there_is(tenant: Tenant) -> None:
    bare: Event = {"message": "instance is down"}
    await tell(tenant, fired(**bare, context={"host": "a"}))
    await tell(tenant, recovered(**bare))
    assert await statuses(tenant) == ["resolved"]
    await tell(tenant, fired(**bare, context={"host": "a"}, minute=5), fired(**bare, context={"host": "b"}, minute=5))
    await tell(tenant, recovered(**bare, minute=6))
    assert await statuses(tenant) == ["open"], "it is back, and which of the two it means is not known"


async def test_at_one_instant_the_later_sent_counts(tenant: Tenant) -> None:
    await tell(tenant, fired("a"), recovered("a", 0))
    assert await statuses(tenant) == ["resolved"]
    await tell(tenant, recovered("b", 0), fired("b"))
    assert await statuses(tenant) == ["open", "resolved"]
    await tell(tenant, recovered("b", 0))
    assert await statuses(tenant) == ["resolved", "resolved"]


async def test_missing_times_go_by_arrival(tenant: Tenant) -> None:
    await tell(tenant, fired(minute=None), recovered(minute=None), fired(minute=None))
    assert await statuses(tenant) == ["open"]
    await tell(tenant, recovered(minute=None))
    assert await statuses(tenant) == ["resolved"]
    await tell(tenant, recovered(minute=None))  # a duplicate
    assert await statuses(tenant) == ["resolved"]


async def test_a_clock_that_runs_ahead_blocks_nothing(tenant: Tenant) -> None:
    await tell(tenant, fired(minute=180))  # two hours from now
    await tell(tenant, recovered(minute=None))
    assert await statuses(tenant) == ["resolved"]
    await tell(tenant, recovered("db2", minute=180))
    await tell(tenant, fired("db2", minute=None))
    assert await statuses(tenant) == ["open"], "it is back, so the same incident goes on"


async def test_a_recovery_of_what_is_not_known_opens_nothing(tenant: Tenant) -> None:
    (event,) = await tell(tenant, recovered(minute=3))
    assert event["incident_id"] is None
    assert await statuses(tenant) == []
    await tell(tenant, fired(minute=2))
    assert await statuses(tenant) == [], "it was over before it arrived"
    await tell(tenant, fired(minute=4))
    assert await statuses(tenant) == ["open"]


async def test_an_echo_of_what_is_over_joins_the_incident_that_ended(tenant: Tenant) -> None:
    (first,) = await tell(tenant, fired(minute=0))
    await tell(tenant, recovered(minute=2))
    (echo,) = await tell(tenant, fired(minute=1))
    assert echo["incident_id"] == first["incident_id"]
    assert await statuses(tenant) == ["resolved"]


async def test_two_tenants_speak_of_their_own(tenant: Tenant, instance: Instance) -> None:
    other = await instance.tenant()
    await tell(tenant, fired())
    await tell(other, fired())
    await tell(other, recovered())
    assert (await statuses(tenant), await statuses(other)) == (["open"], ["resolved"])


def in_trouble_by_events(tenant: Tenant) -> list[tuple[str, str]]:
    """The objects whose last event is no recovery, from the events of open incidents alone."""
    return tenant.instance.sql(
        """select fingerprint, object_key from (
            select distinct on (e.incident_id, e.fingerprint, e.object_key) e.* from opsteward.events e
            join opsteward.incidents i on i.id = e.incident_id and i.status <> 'resolved'
            where e.tenant_id = %s and (e.resolved or e.action not in ('log_only', 'return_validation_error'))
            order by e.incident_id, e.fingerprint, e.object_key, least(e.occurred_at, e.received_at) desc,
                e.received_at desc
        ) last where not resolved order by 1, 2""",
        tenant.id,
    )  # type: ignore[return-value]


def in_trouble_as_kept(tenant: Tenant) -> list[tuple[str, str]]:
    return tenant.instance.sql(
        "select fingerprint, object_key from opsteward.incident_objects where tenant_id = %s and in_trouble"
        " order by 1, 2",
        tenant.id,
    )  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(5))
async def test_what_is_kept_of_objects_agrees_with_their_events(tenant: Tenant, seed: int) -> None:
    """Whatever comes in whatever order, in one request or in many."""
    chance = random.Random(seed)
    for _ in range(12):
        batch = []
        for _ in range(chance.randint(1, 6)):
            make = chance.choice([fired, fired, recovered])
            kind = chance.choice(["DiskFull", "OutOfMemory"])
            minute = chance.choice([None, chance.randint(0, 20)])
            batch.append(make(f"db{chance.randint(1, 4)}", minute, error_type=kind))
        await tell(tenant, *batch)
        assert in_trouble_as_kept(tenant) == in_trouble_by_events(tenant)


async def test_nothing_is_kept_of_the_objects_of_an_incident_that_is_over(tenant: Tenant) -> None:
    await tell(tenant, fired("db1"), fired("db2"))
    assert tenant.count("incident_objects") == 2
    await tell(tenant, recovered("db1"))
    assert (await statuses(tenant), tenant.count("incident_objects")) == (["open"], 2)
    await tell(tenant, recovered("db2"))
    assert (await statuses(tenant), tenant.count("incident_objects")) == (["resolved"], 0)


async def test_a_recovery_does_not_look_through_the_events_of_its_incident(tenant: Tenant) -> None:
    """Only through what is kept of their objects: an incident may have a hundred thousand events."""
    await tell(tenant, *(fired(f"db{n % 50}", minute=None) for n in range(300)))
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = tenant.instance.services.web._engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        await tell(tenant, recovered("db7", minute=None))
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert any("incident_objects" in statement for statement in statements)
    assert [s for s in statements if "FROM opsteward.events" in s and "incident_id IN" in s] == []
    assert (await story(tenant))[0].startswith("Recovered: ")

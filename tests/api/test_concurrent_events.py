"""Events that many send at once: stored together, each sender answered for its own, and none harmed by another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from opsteward.core.errors import OpsError
from opsteward.core.fair_share import Party
from opsteward.events.incidents import lock_opening
from opsteward.events.intake_queue import IntakeQueue
from opsteward.events.types import NewEvent, TakenEvent
from support.instance import Tenant

EVENTS = "/api/v1/events"
_WITHIN = 20.0  # seconds


def failure(number: int) -> dict[str, Any]:
    kind = "".join("abcdefghij"[int(digit)] for digit in str(number))
    return {
        "source": f"app-{kind}",
        "message": f"module {kind} crashed",
        "error_type": "CrashError",
        "severity": "high",
    }


@asynccontextmanager
async def held_up(tenant: Tenant) -> AsyncIterator[None]:
    """Nothing that opens an incident is committed before the end of the block."""
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        await lock_opening(session)
        yield


async def waiting(queue: IntakeQueue, number: int) -> None:
    """Until so many bodies wait behind the transaction that is under way."""
    async with asyncio.timeout(_WITHIN):
        while queue.waiting < number:
            await asyncio.sleep(0.01)


async def behind_another(
    tenant: Tenant, queue: IntakeQueue, first: Coroutine[Any, Any, Any], *others: Coroutine[Any, Any, Any]
) -> list[Any]:
    """What comes of them when all others wait while the first is being stored; it includes errors."""
    async with held_up(tenant):
        tasks = [asyncio.create_task(first)]
        await asyncio.sleep(0)
        async with asyncio.timeout(_WITHIN):
            while not tenant.instance.sql(
                "select 1 from pg_locks where locktype = 'advisory' and not granted and database ="
                " (select oid from pg_database where datname = current_database())"
            ):
                await asyncio.sleep(0.01)
        tasks += [asyncio.create_task(one) for one in others]
        await waiting(queue, len(others))
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_comes_meanwhile_is_one_transaction_and_each_is_told_of_its_own(tenant: Tenant) -> None:
    queue = tenant.instance.services.intake_queue
    first, *others = (tenant.http.post(EVENTS, json=failure(number)) for number in range(20))
    answers = await behind_another(tenant, queue, first, *others)
    assert [answer.status_code for answer in answers] == [202] * 20
    rows = {
        str(row[0]): row[1:]
        for row in tenant.instance.sql(
            "select id, message, incident_id, xmin::text from opsteward.events where tenant_id = %s", tenant.id
        )
    }
    for number, answer in enumerate(answers):
        [taken] = answer.json()["events"]
        message, incident_id, _ = rows[taken["id"]]
        assert message == failure(number)["message"]
        assert str(incident_id) == taken["incident_id"]
    assert len({transaction for *_, transaction in rows.values()}) == 2
    assert tenant.count("incidents") == 20, "as many as if each had come alone"


async def test_who_opened_an_incident_is_the_sender_of_its_event(tenant: Tenant) -> None:
    ben = await tenant.operator("operator")
    queue = tenant.instance.services.intake_queue

    def sent(who: httpx.AsyncClient, number: int) -> Coroutine[Any, Any, httpx.Response]:
        return who.post(EVENTS, json=failure(number), headers={"X-Correlation-ID": f"request-{number}"})

    await behind_another(tenant, queue, sent(tenant.http, 0), sent(ben.http, 1), sent(tenant.http, 2))
    rows = tenant.instance.sql(
        "select correlation_id, actor, token_id is not null from opsteward.audit_entries"
        " where tenant_id = %s and verb = 'incident.opened' order by 1",
        tenant.id,
    )
    ada = f"operator:{tenant.owner.id}"
    assert rows == [
        ("request-0", ada, True),
        ("request-1", f"operator:{ben.id}", True),
        ("request-2", ada, True),
    ]


async def test_an_event_that_cannot_be_stored_harms_no_other_senders(tenant: Tenant) -> None:
    queue = tenant.instance.services.intake_queue

    async def take(message: str) -> list[TakenEvent]:
        event = NewEvent(message=message, source="app", severity="high", error_type="CrashError")
        return await queue.take(tenant_id=tenant.id, events=[event], actor="system:test", size=100)

    outcomes = await behind_another(
        tenant, queue, take("first"), *(take("no text \0" if place == 5 else f"text {place}") for place in range(12))
    )
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(failed) == 1 and outcomes.index(failed[0]) == 6
    assert tenant.count("events") == 12


async def test_who_goes_away_before_its_turn_leaves_nothing(tenant: Tenant) -> None:
    queue = tenant.instance.services.intake_queue
    async with held_up(tenant):
        first = asyncio.create_task(tenant.http.post(EVENTS, json=failure(0)))
        await waiting(queue, 0)
        gone = NewEvent(message="gone", source="app")
        second = asyncio.create_task(queue.take(tenant_id=tenant.id, events=[gone], actor="system:test", size=100))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait({second})
    assert (await first).status_code == 202
    assert (await tenant.http.post(EVENTS, json=failure(1))).status_code == 202
    assert tenant.count("events") == 2


async def test_more_than_may_wait_is_told_to_come_back_and_is_not_stored(
    tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tenant.instance.services
    narrow = IntakeQueue(services.web, services.intake, waiting_bytes=800_000)
    monkeypatch.setattr(tenant.instance.app.state.services, "intake_queue", narrow)
    async with held_up(tenant):
        tasks = [asyncio.create_task(tenant.http.post(EVENTS, json=failure(number))) for number in range(100)]
        async with asyncio.timeout(_WITHIN):
            while not any(task.done() for task in tasks):
                await asyncio.sleep(0.01)
        # room is left for others
        assert (await other_tenant.http.post(EVENTS, json=failure(1))).status_code == 202
    answers = await asyncio.gather(*tasks)
    refused = [answer for answer in answers if answer.status_code != 202]
    assert {answer.status_code for answer in refused} == {429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert tenant.count("events") == len(answers) - len(refused) > 0
    assert (await tenant.http.post(EVENTS, json=failure(200))).status_code == 202, "the loop goes on"


async def test_an_operator_with_a_long_queue_does_not_keep_another_waiting(tenant: Tenant) -> None:
    """Of 170 that one sent before, at most as many as fit into a transaction or two are stored first."""
    ben = await tenant.operator("operator")
    queue = tenant.instance.services.intake_queue
    first = tenant.http.post(EVENTS, json=failure(0))
    many = [tenant.http.post(EVENTS, json={"message": "health check ok"}) for _ in range(170)]
    last = ben.http.post(EVENTS, json={"message": "health check ok", "source": "ben"})
    answers = await behind_another(tenant, queue, first, *many, last)
    assert {answer.status_code for answer in answers} == {202}
    [(before,)] = tenant.instance.sql(
        "select count(*) from opsteward.events where tenant_id = %s and received_at <"
        " (select received_at from opsteward.events where tenant_id = %s and source = 'ben')",
        tenant.id,
        tenant.id,
    )
    assert before <= 110


async def test_an_error_of_ours_is_told_to_each_in_its_words(tenant: Tenant) -> None:
    """One whose severity no scale knows is refused where it is judged; the others are not."""
    queue = tenant.instance.services.intake_queue

    async def take(severity: str) -> list[TakenEvent]:
        event = NewEvent(message=f"crash {severity}", source="app", severity=severity, error_type="CrashError")
        return await queue.take(tenant_id=tenant.id, events=[event], actor="system:test", size=100)

    outcomes = await behind_another(tenant, queue, take("high"), take("low"), take("purple"), take("medium"))
    assert [isinstance(outcome, OpsError) for outcome in outcomes] == [False, False, True, False]
    assert "severity" in str(outcomes[2].problems[0].field)


@pytest.mark.parametrize(("source", "status"), [("alertmanager", 503), ("generic", 429)])
async def test_who_is_turned_away_is_told_so_that_it_comes_back(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, source: str, status: int
) -> None:
    """Alertmanager tries again after a 5xx alone."""
    services = tenant.instance.services
    full = IntakeQueue(services.web, services.intake, waiting_bytes=1_000)
    monkeypatch.setattr(services.source_intake, "_queue", full)
    async with full._room.of(Party("another", "operator"), 900, patience=0):
        alert = {
            "status": "firing",
            "labels": {"alertname": "Full"},
            "annotations": {},
            "startsAt": "2026-01-01T00:00:00Z",
        }
        answer = await tenant.http.post(f"/api/v1/intake/{source}", json={"alerts": [alert]})
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "2")
    assert tenant.count("events") == 0


async def test_large_bodies_wait_for_their_turn_and_are_counted_exactly(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are transactions at the same time that count at the same incidents."""
    services = tenant.instance.services
    full = IntakeQueue(services.web, services.intake, waiting_bytes=1_000)
    monkeypatch.setattr(tenant.instance.app.state.services, "intake_queue", full)
    bodies = [[failure(number % 3) for number in range(first, first + 60)] for first in range(8)]
    answers = await asyncio.gather(*(tenant.http.post(EVENTS, json=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [202] * 8
    incidents = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert [incident["event_count"] for incident in incidents] == [160] * 3
    assert tenant.count("events") == 480

"""Batches of CloudEvents: taken at once and in order, each event once, and what is past the limit is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from opsteward.core.errors import NotFound
from opsteward.core.json_types import Json
from opsteward.events.sources.kept_bodies import KeptBodies
from opsteward.events.sources.taking import Received, TakenFromSource
from support.instance import Instance, Tenant

KIND = "application/cloudevents-batch+json"


def event(number: int, **data: Any) -> dict[str, Any]:
    named = {"specversion": "1.0", "id": str(number), "source": "/racks", "type": "hot"}
    return named | {"data": {"title": f"Rack {number} is hot"} | data}


async def sent(tenant: Tenant, events: list[dict[str, Any]], source: str = "cloudevents") -> dict[str, Any]:
    answer = await tenant.http.post(
        f"/api/v1/intake/{source}", content=json.dumps(events), headers={"content-type": KIND}
    )
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def taken(instance: Instance, tenant: Tenant, body: Json, limit: int) -> TakenFromSource:
    raw = json.dumps(body).encode()
    return await instance.services.source_intake.take(
        tenant_id=tenant.id,
        name="cloudevents",
        received=Received(raw=raw, body=body, kind=KIND, headers={}),
        limit=limit,
        actor=tenant.owner.actor,
    )


async def test_a_batch_is_one_transaction(tenant: Tenant) -> None:
    many = [event(number) for number in range(400)]
    assert (await sent(tenant, many))["accepted"] == 400
    stored = "select count(distinct xmin::text) from opsteward.events where tenant_id = %s"
    assert tenant.instance.sql(stored, tenant.id) == [(1,)]
    assert (await sent(tenant, [*many, event(400)]))["accepted"] == 1


async def test_trouble_and_its_end_in_one_batch_leave_nothing_open(tenant: Tenant) -> None:
    states = ["firing", "resolved"] * 30
    await sent(tenant, [event(number, title="Rack 7", status=state) for number, state in enumerate(states)])
    incidents = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert {incident["status"] for incident in incidents} == {"resolved"}


async def test_what_comes_twice_at_the_same_time_counts_once(tenant: Tenant) -> None:
    parts = [[event(number) for number in range(first, first + 40)] for first in (0, 20, 40, 10, 0)]
    answers = await asyncio.gather(*(sent(tenant, part) for part in parts))
    assert sum(answer["accepted"] for answer in answers) == 80 == tenant.count("events")


async def test_what_is_past_the_limit_is_told_and_may_come_again(instance: Instance, tenant: Tenant) -> None:
    batch: list[Json] = [event(number) for number in range(5)]
    first = await taken(instance, tenant, batch, 3)
    assert (first.accepted, first.left_out) == (3, 2)
    again = await taken(instance, tenant, batch, 3)
    assert (again.accepted, again.left_out) == (2, 0)


async def test_the_limit_is_of_all_that_a_request_delivers(instance: Instance, tenant: Tenant) -> None:
    alerts = [{"status": "firing", "labels": {"alertname": f"a{number}"}} for number in range(3)]
    batch: list[Json] = [{**event(number), "data": {"alerts": alerts}} for number in range(3)]
    raw = json.dumps(batch).encode()
    found = await instance.services.source_intake.take(
        tenant_id=tenant.id,
        name="alertmanager",
        received=Received(raw=raw, body=batch, kind=KIND, headers={}),
        limit=4,
        actor=tenant.owner.actor,
    )
    assert (found.accepted, found.left_out, found.mapped) == (4, 3, True)


async def test_an_event_counts_once_at_each_source(tenant: Tenant) -> None:
    for source, accepted in (("cloudevents", 1), ("generic", 1), ("generic", 0)):
        assert (await sent(tenant, [event(1)], source))["accepted"] == accepted


async def test_a_batch_is_kept_and_read_again_as_a_whole(tenant: Tenant) -> None:
    await sent(tenant, [event(number) for number in range(3)], "generic")
    [kept] = (await tenant.http.get("/api/v1/sources/generic/bodies")).json()["items"]
    again = await tenant.http.post(f"/api/v1/sources/generic/bodies/{kept['id']}/read")
    assert again.json()["accepted"] == 3


async def test_a_body_that_was_not_kept_after_all_bars_no_later_one(instance: Instance, tenant: Tenant) -> None:
    kept = KeptBodies()
    for fails in (True, False):
        try:
            async with instance.services.web.unit_of_work(tenant.id) as session:
                await kept.keep(
                    session, slug="generic", raw=b"{}", kind="", headers={}, mapped=True, trouble="", reading={}
                )
                if fails:
                    raise NotFound("something else of the transaction")
        except NotFound:
            assert fails
    assert tenant.count("source_bodies") == 1

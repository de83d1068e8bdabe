"""What the overview says of a large installation: figures of all of it, and not only of what comes first."""

from __future__ import annotations

from opsteward.events.recent_incidents import last_resolved, opened_per_hour
from opsteward.systems.summaries import dependents_of, health_counts
from support.instance import Instance, Tenant

_INCIDENTS = """
insert into opsteward.incidents (id, tenant_id, number, title, status, category, severity, source, event_count,
    opened_at, last_event_at, resolved_at, reopened, labels, flapping)
select gen_random_uuid(), %s, n, 'trouble ' || n, case when n <= 250 then 'open' else 'resolved' end, 'system_error',
    'high', 'test', 1, now() - interval '150 minutes', now(),
    case when n > 250 then now() - (300 - n) * interval '1 minute' end, 0, '{}', false
from generate_series(1, 255) n
"""
_SYSTEM = {"type": "api", "endpoint": "http://127.0.0.1:9/"}


async def test_what_was_resolved_last_is_told_however_much_is_open(instance: Instance, tenant: Tenant) -> None:
    instance.sql(_INCIDENTS, tenant.id)
    async with instance.services.web.unit_of_work(tenant.id) as session:
        found = await last_resolved(session, days=30, limit=3)
        hours = await opened_per_hour(session, hours=4)
    assert [one.number for one in found] == [255, 254, 253]
    assert hours == [0, 255, 0, 0]


async def test_another_tenants_incidents_are_not_counted(
    instance: Instance, tenant: Tenant, other_tenant: Tenant
) -> None:
    instance.sql(_INCIDENTS, other_tenant.id)
    async with instance.services.web.unit_of_work(tenant.id) as session:
        assert await last_resolved(session, days=30, limit=3) == []
        assert sum(await opened_per_hour(session, hours=24)) == 0


async def test_systems_are_counted_by_health_and_dependents_named(instance: Instance, tenant: Tenant) -> None:
    base = (await tenant.http.post("/api/v1/systems", json={"name": "base", **_SYSTEM})).json()
    for name in ("b-app", "a-app"):
        answer = await tenant.http.post("/api/v1/systems", json={"name": name, "depends_on": ["base"], **_SYSTEM})
        assert answer.is_success, answer.text
    instance.sql("update opsteward.systems set health = 'down' where tenant_id = %s and name = 'base'", tenant.id)
    async with instance.services.web.unit_of_work(tenant.id) as session:
        assert await health_counts(session) == {"down": 1, "unknown": 2}
        assert list((await dependents_of(session, system_id=base["id"])).values()) == ["a-app", "b-app"]

"""How fast the list and one update are with many open incidents, and what each asks of the database.

python bench/open_incidents.py [how many]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from opsteward.core.clock import now
from support.homes import temporary_home
from support.instance import Instance, Tenant, build_instance

ROUNDS = 100
FILL = """
with made as (
    insert into opsteward.incidents (id, tenant_id, number, title, status, category, severity, source, event_count,
        opened_at, last_event_at, reopened, labels, flapping)
    select gen_random_uuid(), %s, n, 'pump ' || n || ' leaks', case when n %% 7 = 0 then 'acknowledged' else 'open' end,
        'system_error', (array['low', 'medium', 'high'])[1 + n %% 3], 'plant-' || n %% 40, 1 + n %% 9,
        now() - n * interval '20 seconds', now(), 0, jsonb_build_object('site', 's' || n %% 20), false
    from generate_series(1, %s) n returning id
)
insert into opsteward.timeline_entries (id, tenant_id, incident_id, at, kind, title, detail)
select gen_random_uuid(), %s, id, now(), 'detected', 'Detected', '{}' from made, generate_series(1, 4)
"""


async def main(number: int) -> None:
    with temporary_home() as home:
        instance = build_instance(home)
        tenant = await instance.tenant()
        instance.sql(FILL, tenant.id, number, tenant.id)
        instance.sql("analyze opsteward.incidents")
        print(f"{number} open incidents; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; {ROUNDS} rounds each")
        await measure(instance, tenant)
        for client in instance.clients:
            await client.aclose()
        await instance.services.web.close()
        await instance.services.app.close()


async def measure(instance: Instance, tenant: Tenant) -> None:
    http = tenant.http
    ids = [one["id"] for one in (await http.get("/api/v1/incidents", params={"limit": 500})).json()["items"]]
    each = iter(ids)

    async def listed(**query: str) -> None:
        (await http.get("/api/v1/incidents", params=query)).raise_for_status()

    async def acted(verb: str) -> None:
        (await http.post(f"/api/v1/incidents/{next(each)}/{verb}", json={})).raise_for_status()

    await timed("list, by urgency", lambda: listed(limit="50"))
    await timed("list, open, oldest first", lambda: listed(status="open", order="oldest"))
    await timed("list, mine", lambda: listed(mine="true"))
    await timed("list, words", lambda: listed(search="pump 77"))
    await timed("acknowledge one", lambda: acted("acknowledge"))
    await timed("resolve one", lambda: acted("resolve"))
    body = {
        "matchers": ['source=~"plant-[12].*"'],
        "reason": "bench",
        "ends_at": (now() + timedelta(hours=1)).isoformat(),
    }
    began = time.perf_counter()
    made = (await http.post("/api/v1/silences", json=body)).raise_for_status().json()
    print(f"silence over {made['muted_incidents']} of them: {1000 * (time.perf_counter() - began):.0f} ms")
    for words, statement in (
        ("list", "select * from opsteward.incidents where tenant_id = %s order by urgency desc, number desc limit 51"),
        ("mine", "select * from opsteward.incidents where tenant_id = %s and (assigned_to = 'x' or (assigned_to is null"
         " and acknowledged_by = 'x')) order by urgency desc, number desc limit 51"),
    ):  # fmt: skip
        print(
            words, *(row[0] for row in instance.sql(f"explain (analyze, costs off) {statement}", tenant.id)), sep="\n  "
        )


async def timed(words: str, do: Callable[[], Awaitable[None]]) -> None:
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await do()
        seconds.append(time.perf_counter() - began)
    cuts = statistics.quantiles(seconds, n=20)
    print(f"{words}: median {1000 * statistics.median(seconds):.1f} ms, p95 {1000 * cuts[18]:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))

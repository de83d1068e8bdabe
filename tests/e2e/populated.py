"""An instance in use: something of every kind that a page of the console lists, also with hostile words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from opsteward.console.routes import ROUTES
from opsteward.core.clock import now

from .conftest import Served
from .hostile import plant
from .test_console_access import browser
from .test_console_pages import PAGES, waiting_for
from .test_console_syncs import Company, begin

_NOWHERE = "json://127.0.0.1:9/s3cret"
_TURNS = {"name": "primary", "unit": "day", "starts_on": "2026-01-01", "handover": "00:00"}
_made: dict[str, list[str]] = {}


def every_page(served: Served) -> list[str]:
    """The addresses of all pages, and of one of each thing that has a page of its own; filled once. The standing order
    of the fixture must be in force."""
    if served.url not in _made:
        pages = [*PAGES, *populate(served), *plant(served)]
        shown = [path.partition("?")[0] for path in pages]
        routes = [route for route in ROUTES if route.method == "GET"]
        assert [one.path for one in routes if not any(one.pattern.fullmatch(path) for path in shown)] == []
        _made[served.url] = pages
    return _made[served.url]


def populate(served: Served) -> list[str]:
    """Fill every list; gives the addresses of one of each thing that has a page of its own."""
    tag = uuid4().hex[:6]
    with served.api() as api:

        def post(path: str, **body: Any) -> dict[str, Any]:
            answer = api.post(f"/api/v1/{path}", json=body)
            assert answer.is_success, (path, answer.text)
            return dict(answer.json())

        def put(path: str, **body: Any) -> dict[str, Any]:
            return dict(api.put(f"/api/v1/{path}", json=body).raise_for_status().json())

        me = api.get("/api/v1/me").raise_for_status().json()["operator"]
        opened = served.send(message="disk is full", source=f"mill-{tag}", error_type=f"Full{tag}", severity="high")
        closed = served.send(message="queue is stuck", source=f"mill-{tag}", error_type=f"Stuck{tag}", severity="low")
        post(f"incidents/{closed['incident_id']}/resolve", reason="emptied by hand")
        served.send(message="refunds fail", source="billing", error_type=f"Refund{tag}", severity="high")
        waits = waiting_for(api, f"Refund{tag}")
        user = post("users", username=f"u{tag}", email=f"u{tag}@example.com", full_name=f"Ida {tag}")
        post(f"users/{user['id']}/grants", kind="permission", name="crm.read", reason="q4")
        post("users", username=f"c{tag}", email=f"c{tag}@example.com", full_name=f"Cora {tag}", role="contractor")
        post("users", username=f"d{tag}", email=f"d{tag}@example.com", full_name=f"Dan {tag}", role="contractor")
        review = post("access-reviews", name=f"Review {tag}")
        system = post("systems", name=f"shop-{tag}", type="api", endpoint="http://127.0.0.1:9/")
        soon, later = now() + timedelta(minutes=1), now() + timedelta(hours=1)
        post("maintenance-windows", system_id=system["id"], reason="new disks", starts_at=soon.isoformat(),
             ends_at=later.isoformat())  # fmt: skip
        post("silences", matchers=[f'source="none-{tag}"'], reason="planned", ends_at=later.isoformat())
        post("inhibitions", name=f"storage {tag}", source=[f'source="none-{tag}"'], target=['severity="low"'],
             equal=["site"])  # fmt: skip
        turns = put(f"oncall/schedules/ops-{tag}", rotations=[_TURNS | {"participants": [me]}])
        post(f"oncall/schedules/{turns['id']}/overrides", operator=me, starts_at=now().isoformat(),
             ends_at=later.isoformat())  # fmt: skip
        put(f"notifications/routes/nowhere-{tag}", urls=[_NOWHERE])
        put(f"oncall/policies/p-{tag}", matchers=[f'source="none-{tag}"'], steps=[{"schedules": [f"ops-{tag}"]}])
        task = post("tasks", task_type="opsteward.echo", delay=3600)
        post("schedules", name=f"nightly {tag}", cron="0 3 * * *", task={"task_type": "opsteward.echo"})
        post("heartbeats", name=f"backup-{tag}", period=3600)
        post("intake/generic", strange={"name": f"press {tag}"})
        post("sources", slug=f"own-{tag}", title=f"Mill {tag}", shapes=[{"title": "alarm.label"}])
        kept = api.get("/api/v1/sources/generic/bodies").json()["items"][0]["id"]
        post("sentry-projects", name=f"shop {tag}")
        work = api.post("/api/crew/test/complex-workflow").raise_for_status().json()["task_id"]
        text = f"# Restore {tag}\n\nThe vault's key has Ida.\n"
        document = api.post("/api/v1/help/documents", params={"name": f"{tag}.md"}, content=text.encode())
        document = document.raise_for_status().json()["documents"][0]["id"]
        post("help/ask", question="who has the vault's key?")
    company = Company(served)
    with browser(served) as one:
        operation = begin(one, company, "plan")
    company.until(operation, "planned")
    with served.api() as api:
        saga = company.saga(api)
    return [
        f"/incidents/{opened['incident_id']}", f"/incidents/{closed['incident_id']}", f"/approvals/{waits['id']}",
        f"/users/{user['id']}", f"/users/{user['id']}/role?role=contractor", f"/access-reviews/{review['id']}",
        f"/sources/own-{tag}", "/sources/generic", f"/sources/generic/bodies/{kept}",
        f"/sources/generic/mapping?body={kept}", f"/systems/{system['id']}", f"/tasks/{task['id']}",
        f"/crew/{work}", f"/help/documents/{document}", "/help/product/guides/console.md",
        company.page, operation, f"/sagas/{saga['id']}", "/standing-orders/versions/0", "/standing-orders/versions/1",
    ]  # fmt: skip

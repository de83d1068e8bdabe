"""Incidents as a person reads them: the urgent first, who did what, where the time went, why nothing was done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from opsteward.actions.types import NewAction
from opsteward.core.clock import now
from opsteward.events.types import IncidentStatus
from support.instance import Tenant
from support.waiting import TERMINATE, register_shop_database, sessions, wait_for_approval

INCIDENTS = "/api/v1/incidents"


async def report(tenant: Tenant, message: str, severity: str = "high", source: str = "shop") -> str:
    event = {"message": message, "error_type": f"T{uuid4().hex[:8]}", "severity": severity, "source": source}
    taken = (await tenant.http.post("/api/v1/events", json=event)).raise_for_status().json()["events"][0]
    assert taken["incident_id"], taken
    return str(taken["incident_id"])


async def listed(tenant: Tenant, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = (await tenant.http.get(INCIDENTS, params=wanted)).raise_for_status().json()
        found += page["items"]
        if page["next"] is None:
            return found
        wanted["before"] = page["next"]


async def shown(tenant: Tenant, incident_id: str, **wanted: Any) -> dict[str, Any]:
    return dict((await tenant.http.get(f"{INCIDENTS}/{incident_id}", params=wanted)).raise_for_status().json())


async def resolve(tenant: Tenant, incident_id: str, reason: str = "") -> dict[str, Any]:
    answer = await tenant.http.post(f"{INCIDENTS}/{incident_id}/resolve", json={"reason": reason})
    return dict(answer.raise_for_status().json())


async def test_severity_goes_before_age_and_what_is_over_comes_last(tenant: Tenant) -> None:
    made = [(await report(tenant, f"Broken {n}", severity)) for n, severity in enumerate(
        ("high", "low", "high", "medium", "low", "high")
    )]  # fmt: skip
    await resolve(tenant, made[2])
    urgent = [6, 1, 4, 5, 2, 3]
    for limit in (1, 2, 4, 50):
        assert [one["number"] for one in await listed(tenant, limit=limit)] == urgent, limit
        newest = await listed(tenant, limit=limit, order="newest")
        assert [one["number"] for one in newest] == [6, 5, 4, 3, 2, 1], limit


async def test_incidents_are_found_by_what_a_person_knows(tenant: Tenant) -> None:
    system_id = await register_shop_database(tenant)
    ours = await report(tenant, "Disk full at 100% on /var", source="shop-db")
    other = await report(tenant, "Mail bounces", "medium", source="mailer")
    await resolve(tenant, other)
    later = (now() + timedelta(hours=1)).isoformat()
    for wanted, expected in (
        ({"search": "disk FULL"}, [ours]), ({"search": "full disk"}, [ours]), ({"search": "mailer"}, [other]),
        ({"search": "100%"}, [ours]), ({"search": "%%%"}, []), ({"system_id": str(system_id)}, [ours]),
        ({"system_id": str(uuid4())}, []), ({"status": "resolved"}, [other]), ({"since": later}, []),
        ({"until": later}, [ours, other]), ({"severity": "medium"}, [other]),
    ):  # fmt: skip
        assert [one["id"] for one in await listed(tenant, **wanted)] == expected, wanted


async def test_who_saw_and_who_ended_it_is_told_by_name(tenant: Tenant) -> None:
    incident_id = await report(tenant, "Broken")
    await tenant.http.post(f"{INCIDENTS}/{incident_id}/acknowledge")
    await resolve(tenant, incident_id, "the cable was out")
    (found,) = await listed(tenant)
    assert (found["acknowledged_by"]["name"], found["resolved_by"]["name"]) == ("ada", "ada")
    assert found["resolution"] == "the cable was out"
    lines = {line["kind"]: line for line in (await shown(tenant, incident_id))["timeline"]}
    assert (lines["resolved"]["actor"]["name"], lines["resolved"]["reason"]) == ("ada", "the cable was out")
    assert lines["decided"]["actor"]["automatic"] is True
    assert lines["detected"]["actor"] is None


async def test_what_ended_by_itself_is_told_apart_from_a_person(tenant: Tenant) -> None:
    incident_id = await report(tenant, "Broken")
    services = tenant.instance.services
    async with services.app.unit_of_work(tenant.id) as session:
        await services.incidents.move(
            session, incident_id=UUID(incident_id), status=IncidentStatus.RESOLVED, actor="system:monitor",
            title="shop is healthy again", key="recovered",
        )  # fmt: skip
    found = await shown(tenant, incident_id)
    assert found["resolved_by"] == {
        "id": "monitor", "name": "Opsteward (monitor)", "kind": "system", "automatic": True, "token": None,
    }  # fmt: skip
    assert found["times"]["repair_seconds"] is not None


async def test_why_nothing_was_done_is_named(tenant: Tenant) -> None:
    incident_id, system_id = await report(tenant, "Pool exhausted"), await register_shop_database(tenant)
    second = await tenant.operator("approver", name="grace")
    refused = await wait_for_approval(tenant, system_id=system_id, incident_id=UUID(incident_id))
    answer = await second.http.post(f"/api/v1/approvals/{refused['id']}/refuse", json={"reason": "not on a Friday"})
    assert answer.status_code == 200, answer.text
    services = tenant.instance.services
    async with services.app.unit_of_work(tenant.id) as session:  # as the executor leaves them
        denied = await services.action_service.request(
            session,
            new=NewAction(
                action=TERMINATE,
                params=sessions(1),
                reason="again",
                requested_by="standing-order:cure",
                idempotency_key="denied",
                system_id=system_id,
                incident_id=UUID(incident_id),
                approval="auto",
            ),
        )
        for run_id, status, error in (
            (denied.id, "denied", "cooling down: it ran on this target at 10:00:00 UTC, within 600 s"),
            (UUID(refused["action_id"]), "refused", None),
        ):
            await session.execute(
                sa.text("update opsteward.action_runs set status = :s, error = :e, ended_at = now() where id = :id"),
                {"s": status, "e": error, "id": run_id},
            )
    told = {one["status"]: one for one in (await shown(tenant, incident_id))["not_done"]}
    assert told["denied"]["reason"].startswith("denied: cooling down: it ran on this target")
    assert told["refused"]["reason"] == "refused by grace: not on a Friday"
    assert {one["system"] for one in told.values()} == {"shop-db"}
    lines = (await shown(tenant, incident_id))["timeline"]
    (line,) = [line for line in lines if line["detail"].get("step") == "approval.refused"]
    assert line["title"] == f"Action {TERMINATE} refused: not on a Friday"
    assert (line["actor"]["name"], line["reason"]) == ("grace", "not on a Friday")


async def test_what_only_writes_something_down_is_one_line(tenant: Tenant) -> None:
    incident_id = await report(tenant, "Slow", "medium")
    run = tenant.instance.sql(
        "select id from opsteward.action_runs where tenant_id = %s and action = 'log_and_monitor'", tenant.id
    )
    ((run_id,),) = run
    for step, status in (("planned", "approved"), ("executing", "executing"), ("succeeded", "succeeded")):
        tenant.instance.sql(
            "insert into opsteward.timeline_entries (id, tenant_id, incident_id, at, kind, title, detail) values"
            " (gen_random_uuid(), %s, %s, now(), 'action', %s, jsonb_build_object('action_id', %s::text, 'action',"
            " 'log_and_monitor', 'status', %s::text, 'step', %s::text))",
            tenant.id, incident_id, step, str(run_id), status, step,
        )  # fmt: skip
    short, whole = await shown(tenant, incident_id), await shown(tenant, incident_id, include_routine="true")
    assert [line["title"] for line in short["timeline"] if line["kind"] == "action"] == ["succeeded"]
    assert short["routine_lines_hidden"] == 3
    assert len([line for line in whole["timeline"] if line["kind"] == "action"]) == 4
    assert (short["actions"], len(whole["actions"])) == ([], 1)
    assert (await tenant.http.get("/api/v1/actions")).json()["items"] == []
    assert len((await tenant.http.get("/api/v1/actions", params={"include_routine": True})).json()["items"]) == 1

"""A tenant with something of everything, each thing bearing a mark that nobody else's has."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from time import time
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from opsteward.agents import mailbox, metric_history
from opsteward.core.changes import sequence
from opsteward.core.clock import now
from opsteward.systems.health_history import note_check
from opsteward.telemetry import audit
from support.instance import Instance, Operator, Tenant
from support.populated_crew import crew_work
from support.populated_syncs import sync_and_saga

ORDERS = """version: 1
orders:
  - name: {mark}-order
    match: {{category: system_error, source: "{mark}*"}}
    action: log_only
    approval: auto
"""


@dataclass(frozen=True, kw_only=True)
class Populated:
    """`ids` are by the name that paths give them; `all_ids` are those of every row of the tenant."""

    tenant: Tenant
    mark: str
    ids: dict[str, str]
    plan_hash: str
    approver: Operator
    all_ids: set[str]


async def populate(instance: Instance) -> Populated:
    """Make one through the API; what only a worker makes (approvals, freezes) is added as it would."""
    mark = f"mark{uuid4().hex[:10]}"
    tenant = await instance.tenant(name=mark)
    approver = await tenant.operator("approver", name=f"{mark}-approver")
    http = tenant.http

    async def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await http.post(path, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    system = await post(
        "/api/v1/systems",
        {
            "name": f"{mark}-shop",
            "type": "api",
            "endpoint": "http://127.0.0.1:9/",
            "credentials": {"username": f"{mark}-secret"},
            "settings": {"note": f"{mark} note", "access_role": f"{mark}-readers"},
        },
    )
    weekly = {"system_id": system["id"], "reason": f"{mark} disks", "cron": "0 2 * * sun", "duration": 600}
    window = await post("/api/v1/maintenance-windows", weekly)
    beat = await post("/api/v1/heartbeats", {"name": f"{mark}-backup", "cron": "0 2 * * *"})
    applied = await http.put("/api/v1/standing-orders", json={"text": ORDERS.format(mark=mark)})
    assert applied.status_code == 200, applied.text
    taken = await post(
        "/api/v1/events",
        {"message": f"Out of memory in {mark}", "source": f"{mark}-host", "severity": "high", "error_type": mark},
    )
    later = (now() + timedelta(hours=1)).isoformat()
    silence = await post(
        "/api/v1/silences", {"matchers": [f"source={mark}-quiet"], "reason": f"{mark} quiet", "ends_at": later}
    )
    rule = {"name": f"{mark}-rule", "source": [f"system={mark}"], "target": ["severity=low"], "equal": ["rack"]}
    inhibition = await post("/api/v1/inhibitions", rule)
    oncall = await _on_call(tenant, mark, post)
    help_ids = await _asks(tenant, mark)
    log = {"title": mark, "severity": "low"}
    action = await post("/api/v1/actions", {"action": "log_only", "params": log, "reason": f"{mark} why"})
    session = await post("/api/v1/troubleshooting/sessions", {"complaint": f"{mark} is slow"})
    token = await post("/api/v1/tokens", {"name": f"{mark}-token"})
    first = await post("/api/v1/tasks", {"task_type": "opsteward.echo", "name": f"{mark}-task", "delay": 3600})
    await post("/api/v1/tasks", {"task_type": "opsteward.echo", "dependencies": [first["id"]]})
    schedule = {"name": f"{mark}-schedule", "cron": "0 0 1 1 *", "task": {"task_type": "opsteward.echo"}}
    schedule = await post("/api/v1/schedules", schedule)
    limited = await http.put("/api/v1/tasks/limits", json={"task_type": "opsteward.echo", "max_running": 7})
    assert limited.status_code == 200, limited.text
    await post("/api/v1/controls/pause", {"scope": "action", "target": "log_only", "reason": f"{mark} pause"})
    user, enrollment_id, grant = await _people(tenant, mark, post)
    reviewed = await post("/api/v1/access-reviews", {"name": f"{mark}-review"})
    project = await post("/api/v1/sentry-projects", {"name": f"{mark}-app"})
    webhook = await _signs_up(tenant, mark, post)
    job_id = await _imported(tenant, mark, post)
    agent = await post("/api/v1/agents", {"kind": "opsteward.heartbeat", "name": f"{mark}-agent"})
    await _as_an_agent_would(tenant, f"{mark}-agent", mark)
    async with instance.services.app.unit_of_work(tenant.id) as checking:
        await note_check(checking, system_id=UUID(system["id"]), at=now(), failed=False, response_time=0.1)
    _measured(tenant, system["id"], mark)
    _signed_in(tenant, approver)
    tenant.instance.sql(
        "insert into opsteward.group_decisions (tenant_id, fingerprint, apart, decided_by, decided_at, reason)"
        " values (%s, %s, true, 'system:test', now(), %s)",
        tenant.id, f"v2:{mark}", mark,
    )  # fmt: skip
    async with instance.services.web.unit_of_work(tenant.id) as following:
        await sequence(following)
    synced = sync_and_saga(tenant, UUID(system["id"]), mark)
    source = await _own_source(tenant, mark)
    crew = crew_work(tenant, mark)
    approval_id, freeze_id = await _as_a_worker_would(tenant, UUID(action["id"]), mark)
    ids = {
        "incident_id": taken["events"][0]["incident_id"] or await _any_incident(tenant, mark),
        "system_id": system["id"],
        "window_id": window["id"],
        "heartbeat_id": beat["id"],
        "project_id": project["id"],
        "action_id": action["id"],
        "approval_id": str(approval_id),
        "freeze_id": str(freeze_id),
        "session_id": session["id"],
        "silence_id": silence["id"],
        **oncall,
        **help_ids,
        "inhibition_id": inhibition["id"],
        "token_id": token["id"],
        "agent_id": agent["id"],
        "task_id": first["id"],
        "schedule_id": schedule["id"],
        "operator_id": str(approver.id),
        "user_id": user["id"],
        "enrollment_id": enrollment_id,
        "grant_id": grant["id"],
        "webhook_id": webhook,
        "review_id": reviewed["id"],
        "job_id": job_id,
        **synced,
        **source,
        **crew,
    }
    return Populated(
        tenant=tenant,
        mark=mark,
        ids=ids,
        plan_hash="ab" * 32,
        approver=approver,
        all_ids=_all_ids(tenant),
    )


async def _people(
    tenant: Tenant, mark: str, post: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """A user with a history and a grant, an enrolment that waits, a rule, and duties that must not meet."""
    rules = {"rules": {f"{mark}-rule": {"permissions": [f"{mark}-p"]}}}
    rule = await tenant.http.put("/api/v1/enrollment-rules", json=rules)
    assert rule.status_code == 200, rule.text
    pairs = {"pairs": [[f"{mark}-a", f"{mark}-b"]]}
    assert (await tenant.http.put("/api/v1/segregation-of-duties", json=pairs)).status_code == 200
    named = {"username": f"{mark}-user", "email": f"{mark}@example.com", "full_name": f"{mark} Name"}
    user = await post("/api/v1/users", {**named, "department": f"{mark} dept", "tags": [mark]})
    grant = await post(f"/api/v1/users/{user['id']}/grants", {"kind": "system", "name": f"{mark}-vault"})
    await post(f"/api/v1/users/{user['id']}/grants", {"kind": "system", "name": f"{mark}-shop"})
    await post("/api/v1/users", {**named, "username": mark, "email": f"{mark}@example.org", "role": "contractor"})
    group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": f"{mark} group"}
    await post("/scim/v2/Groups", {**group, "members": [{"value": user["id"]}]})
    addresses = [{"value": f"{mark}@{place}.example.net"} for place in ("work", "home")]
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"]
    await post("/scim/v2/Users", {"schemas": schemas, "userName": f"{mark}-scim", "emails": addresses})
    waiting = (await tenant.http.get("/api/v1/enrollments?status=pending_manual_review")).json()["items"]
    return user, waiting[0]["id"], grant


async def _signs_up(tenant: Tenant, mark: str, post: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]) -> str:
    """A sender from outside, and a user who came by it."""
    webhook = await post("/api/v1/webhooks", {"kind": "user-signup", "name": f"{mark}-form"})
    named = {"username": f"{mark}-signed", "email": f"{mark}@example.net", "full_name": mark}
    body, at = json.dumps(named).encode(), str(int(time()))
    signed = hmac.new(webhook["secret"].encode(), at.encode() + b"." + body, sha256).hexdigest()
    answer = await tenant.instance.client().post(
        "/webhook/user-signup", content=body, headers={"X-Opsteward-Signature": f"t={at},v1={signed}"}
    )
    assert answer.status_code == 200, answer.text
    return str(webhook["id"])


async def _imported(tenant: Tenant, mark: str, post: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]) -> str:
    """An import with a good row and a bad one, and a piece of a file that is still on its way."""
    named = {"username": f"{mark}-joiner", "email": f"{mark}@example.biz", "full_name": mark}
    report = await post("/api/v1/users/bulk-import", {"users": [named, {**named, "email": f"{mark} nobody"}]})
    assert (report["created"], report["failed_imports"]) == (1, 1), report
    tenant.instance.sql(
        "insert into opsteward.import_parts (id, tenant_id, job_id, number, data) values (%s, %s, %s, 0, %s)",
        uuid4(), tenant.id, uuid4(), mark.encode(),
    )  # fmt: skip
    user_id = UUID(report["user_ids"][0])
    tenant.instance.sql(
        "insert into opsteward.import_batches (id, tenant_id, job_id, digests, user_ids) values (%s, %s, %s, %s, %s)",
        uuid4(), tenant.id, UUID(report["job_id"]), mark.encode(), user_id.bytes,
    )  # fmt: skip
    tenant.instance.sql(
        "insert into opsteward.user_directory_names (tenant_id, dn_key, user_id) values (%s, %s, %s)",
        tenant.id, f"uid={mark}", user_id,
    )  # fmt: skip
    return str(report["job_id"])


def _measured(tenant: Tenant, system_id: str, mark: str) -> None:
    sql = tenant.instance.sql
    sql(
        'insert into opsteward.system_figures (tenant_id, system_id, name, at, value, "limit")'
        " values (%s, %s, %s, now(), 80, 100)", tenant.id, system_id, f"{mark}_percent",
    )  # fmt: skip
    sql(
        "insert into opsteward.early_warnings (id, tenant_id, system_id, name, urgency, since, judged_at, runs_out_at,"
        ' soonest_at, latest_at, level, "limit", per_day, noise, points, span) values (gen_random_uuid(), %s, %s, %s,'
        " 'soon', now(), now(), now() + interval '2 days', now() + interval '1 day', now() + interval '3 days',"
        " 80, 100, 10, 1, 50, 86400)", tenant.id, system_id, f"{mark}_percent",
    )  # fmt: skip


def _signed_in(tenant: Tenant, operator: Operator) -> None:
    """What is left of an operator's having signed in by password, and by an identity provider."""
    tenant.instance.sql(
        "insert into opsteward.operator_passwords (id, tenant_id, operator_id, hash, set_by, changed_at)"
        " values (%s, %s, %s, 'none', 'system:test', now())",
        uuid4(), tenant.id, operator.id,
    )  # fmt: skip
    tenant.instance.sql(
        "insert into opsteward.outside_identities (id, tenant_id, operator_id, issuer, subject, bound_at)"
        " values (%s, %s, %s, 'https://login.example', %s, now())",
        uuid4(), tenant.id, operator.id, operator.name,
    )  # fmt: skip


async def _own_source(tenant: Tenant, mark: str) -> dict[str, str]:
    """A source of its own, with a body of no known form."""
    name = f"pumps-{uuid4().hex[:10]}"  # unlike the mark: who asks for it is told it again
    made = await tenant.http.post("/api/v1/sources", json={"slug": name, "title": f"{mark} pumps"})
    assert made.status_code == 201, made.text
    taken = await tenant.http.post(f"/api/v1/intake/{name}", json={"title": f"{mark} pump runs", "severity": "info"})
    assert taken.status_code == 202, taken.text
    await tenant.instance.services.source_tallies.flush()
    [body] = (await tenant.http.get(f"/api/v1/sources/{name}/bodies")).json()["items"]
    return {"source": name, "body_id": body["id"]}


async def _any_incident(tenant: Tenant, mark: str) -> str:
    event = {"message": f"Permission denied for {mark}", "error_type": "BruteForce", "severity": "high"}
    taken = (await tenant.http.post("/api/v1/events", json=event)).json()["events"][0]
    assert taken["incident_id"], taken
    return str(taken["incident_id"])


async def _as_an_agent_would(tenant: Tenant, name: str, mark: str) -> None:
    """A message to the agent, and a figure that it measured."""
    services = tenant.instance.services
    async with services.app.unit_of_work(tenant.id) as session:
        await mailbox.send(session, to=name, sender=f"{mark}-sender", body={"text": mark})
    await metric_history.record(
        services.app, tenant.id, process_id=uuid4(), at=now(), figures=[(f"{mark}.figure", 1.0)]
    )


async def _on_call(tenant: Tenant, mark: str, post: Any) -> dict[str, str]:
    """A schedule with an override, a route, a notice, and a policy by which an incident is escalated."""

    async def put(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await tenant.http.put(f"/api/v1/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    turn = {"name": mark, "participants": ["ada"], "starts_on": "2026-01-01"}
    schedule = await put(f"oncall/schedules/{mark}", {"rotations": [turn]})
    begin, end = (now() + timedelta(hours=1)).isoformat(), (now() + timedelta(hours=2)).isoformat()
    swap = {"operator": "ada", "starts_at": begin, "ends_at": end, "reason": f"{mark} swap"}
    swapped = await post(f"/api/v1/oncall/schedules/{schedule['id']}/overrides", swap)
    route = await put(f"notifications/routes/{mark}-route", {"urls": ["json://127.0.0.1:9/"], "group_seconds": 0})
    policy = {"matchers": [f"source={mark}-watched"], "steps": [{"routes": [f"{mark}-route"]}]}
    policy = await put(f"oncall/policies/{mark}-policy", policy)
    attack = {"message": "unauthorized access", "source": f"{mark}-watched", "severity": "high", "error_type": mark}
    await post("/api/v1/events", attack)
    notices = (await tenant.http.get("/api/v1/notifications/notices")).json()["items"]
    return {
        "oncall_schedule_id": schedule["id"],
        "override_id": swapped["overrides"][0]["id"],
        "route_id": route["id"],
        "policy_id": policy["id"],
        "notice_id": notices[0]["id"],
    }


async def _asks(tenant: Tenant, mark: str) -> dict[str, str]:
    """A document, and a question that it answers."""
    text = f"# {mark} pumps\n\nThe pumps of {mark} stand in the cellar."
    added = await tenant.http.post(f"/api/v1/help/documents?name={mark}.md", content=text.encode())
    assert added.status_code == 201, added.text
    answer = await tenant.http.post("/api/v1/help/ask", json={"question": f"Where do the pumps of {mark} stand?"})
    assert answer.json()["known"], answer.text
    return {"document_id": added.json()["documents"][0]["id"], "answer_id": answer.json()["id"]}


async def _as_a_worker_would(tenant: Tenant, run_id: UUID, mark: str) -> tuple[UUID, UUID]:
    """A pending approval of the run, and a freeze; the audit log sealed so far."""
    services, approval_id = tenant.instance.services, uuid4()
    async with services.app.unit_of_work(tenant.id) as session:
        await audit.seal(session, key=services.box.audit_key())
    async with services.app.unit_of_work(tenant.id) as session:
        await session.execute(
            sa.text(
                "update opsteward.action_runs set status = 'awaiting_approval', plan_hash = :hash,"
                " plan = jsonb_build_object('summary', cast(:mark as text)) where id = :run"
            ),
            {"run": run_id, "hash": "ab" * 32, "mark": mark},
        )
        await session.execute(
            sa.text(
                "insert into opsteward.approvals (id, tenant_id, action_run_id, plan_hash, status, requested_by,"
                " requested_at, expires_at)"
                " values (:id, :tenant, :run, :hash, 'pending', 'system:test', now(), now() + interval '1 hour')"
            ),
            {"id": approval_id, "tenant": tenant.id, "run": run_id, "hash": "ab" * 32},
        )
        await services.action_service.freeze(session, run_id=run_id, seconds=3600, reason=f"{mark} did not help")
        freeze = (await services.action_service.list_freezes(session))[0]
    return approval_id, freeze.id


def _all_ids(tenant: Tenant) -> set[str]:
    instance = tenant.instance
    tables = instance.sql(
        "select table_name from information_schema.columns where table_schema = 'opsteward' and column_name = 'id'"
        " intersect select table_name from information_schema.columns"
        " where table_schema = 'opsteward' and column_name = 'tenant_id'"
    )
    found = {str(tenant.id)}
    for (table,) in tables:
        rows = instance.sql(f"select id from opsteward.{table} where tenant_id = %s", tenant.id)
        assert rows, f"the populated tenant has no row in {table}: populate it"
        found |= {str(row[0]) for row in rows}
    return found

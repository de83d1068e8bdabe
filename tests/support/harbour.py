"""A tenant in whose state much is known: systems of every health, incidents, people, tasks, approvals, syncs.

What questions of state are asked of; what only a worker makes, or time, is written into the tables.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from opsteward.core.clock import now
from support.instance import Instance, Operator, Tenant
from support.waiting import wait_for_approval

ORDERS = """
version: 1
orders:
  - name: ask-before-restarts
    match: {source: orders_api}
    action: escalate
    approval: required
    cooldown: 0s
"""
#: Name, type, criticality, owner, depends on, health, minutes in it, what is seen.
SYSTEMS = (
    ("prod-db", "database", "critical", "Data team", (), "down", 40, "connection refused on port 5432"),
    ("orders_api", "api", "critical", "Payments team", ("prod-db",), "degraded", 120, "answers take 2.4 s"),
    ("crm-ldap", "ldap", "standard", "People team", (), "healthy", 3000, ""),
    ("mail-relay", "api", "standard", None, (), "healthy", 9000, ""),
    ("backup-store", "api", "backup", "Data team", (), "healthy", 900, ""),
    ("staging-web", "api", "standard", None, ("orders_api", "crm-ldap"), "unknown", 60, ""),
)
#: Source, error type, message, severity.
EVENTS = (
    ("prod-db", "PoolError", "no database connection left", "high"),
    ("orders_api", "HttpError", "checkout answers 503", "medium"),
    ("vpn", "BruteForce", "unauthorized login by force", "high"),
    ("fileserver", "DiskFull", "no space left on /data/share", "medium"),
    ("mail-relay", "TlsError", "certificate ends in three days", "low"),
)
#: Username, full name, department, role.
USERS = (
    ("ada.silva", "Ada Silva", "Engineering", "premium_user"),
    ("hedy", "Hedy Lamarr", "Finance", "standard_user"),
    ("ngozi.okafor", "Ngozi Okafor", "Finance", "standard_user"),
    ("ben.chen", "Ben Chen", "Support", "standard_user"),
    ("zoe", "Zoë Müller", "Support", "standard_user"),
    ("linus", "Linus Torvalds", "Engineering", "contractor"),
)
#: Name, status, minutes since it ended or began, error.
TASKS = (
    ("Sync of accounts", "failed", 180, "ConnectionError: ldap refused"),
    ("invoice-run", "dead_letter", 60 * 50, "Timeout: all tries used up"),
    ("Rebuild index", "completed", 100, None),
    ("Rotate certificates", "in_progress", 5, None),
    ("old-import", "cancelled", 60 * 30, None),
)


async def harbour(instance: Instance) -> Tenant:
    """Make one."""
    tenant = await instance.tenant()
    gudrun = await tenant.operator("operator", name="gudrun")
    grace = await tenant.operator("approver", name="grace")
    await tenant.operator("auditor", name="otto")
    await tenant.operator("viewer", name="victor")
    systems = await _systems(tenant)
    await _incidents(tenant, gudrun)
    await _people(tenant)
    await _work(tenant)
    await _approvals(tenant, systems["prod-db"], gudrun, grace)
    await _arrangements(tenant, systems)
    _sync(tenant, systems["crm-ldap"], systems["mail-relay"])
    return tenant


async def send(http: Any, method: str, path: str, body: Any) -> dict[str, Any]:
    """The answer to a request that is taken."""
    answer = await http.request(method, f"/api/v1/{path}", json=body)
    assert answer.is_success, f"{path}: {answer.text}"
    return dict(answer.json()) if answer.content else {}


async def _systems(tenant: Tenant) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, kind, criticality, owner, needs, health, minutes, seen in SYSTEMS:
        address = "postgresql://db.harbour.example/orders" if kind == "database" else f"https://{name}.harbour.example/"
        address = "ldap://ldap.harbour.example" if kind == "ldap" else address
        body: dict[str, Any] = {"name": name, "type": kind, "endpoint": address, "criticality": criticality}
        if kind in ("database", "ldap"):
            body["credentials"] = {"username": "watcher", "password": "watcher"}
        body |= {"owner": owner, "depends_on": list(needs), "runbook_url": f"https://wiki.harbour.example/{name}"}
        made[name] = str((await send(tenant.http, "POST", "systems", body))["id"])
        evidence = json.dumps([{"summary": seen}] if seen else [])
        tenant.instance.sql(
            "update opsteward.systems set health = %s, health_since = now() - %s * interval '1 minute',"
            " checked_at = now() - interval '20 seconds', response_time = %s, checks_total = 200, checks_failed = %s,"
            " evidence = %s where id = %s",
            health, minutes, 2.4 if health == "degraded" else 0.05, 60 if health == "down" else 10, evidence,
            UUID(made[name]),
        )  # fmt: skip
    return made


async def _incidents(tenant: Tenant, gudrun: Operator) -> None:
    ids = []
    for source, error, message, severity in EVENTS:
        event = {"source": source, "error_type": error, "message": message, "severity": severity}
        ids.append((await send(tenant.http, "POST", "events", event))["events"][0]["incident_id"])
    await send(gudrun.http, "POST", f"incidents/{ids[0]}/acknowledge", {})
    await send(tenant.http, "POST", f"incidents/{ids[3]}/resolve", {"reason": "old exports were deleted"})


async def _people(tenant: Tenant) -> None:
    ids: dict[str, str] = {}
    for username, name, department, role in USERS:
        body = {"username": username, "email": f"{username}@harbour.example", "full_name": name, "role": role}
        body |= {"department": department} | ({"manager_id": ids["ada.silva"]} if username == "ben.chen" else {})
        ids[username] = str((await send(tenant.http, "POST", "users", body))["id"])
    for username, system in (("hedy", "prod-db"), ("hedy", "ledger"), ("ada.silva", "prod-db"), ("zoe", "crm-ldap")):
        await send(tenant.http, "POST", f"users/{ids[username]}/grants", {"kind": "system", "name": system})
    gone = {"status": "suspended", "reason": "left her badge at the pier"}
    await send(tenant.http, "PUT", f"users/{ids['ngozi.okafor']}", gone)
    await send(tenant.http, "POST", "access-reviews", {"name": "Autumn review"})


async def _work(tenant: Tenant) -> None:
    await send(tenant.http, "POST", "tasks", {"task_type": "opsteward.echo", "name": "nightly-report", "delay": 3600})
    for name, status, minutes, error in TASKS:
        task = await send(tenant.http, "POST", "tasks", {"task_type": "opsteward.echo", "name": name, "delay": 3600})
        tenant.instance.sql(
            "update opsteward.tasks set status = %s, ready = false, error = %s, started_at = now() - %s * interval"
            " '1 minute', ended_at = case when %s then null else now() - %s * interval '1 minute' end, progress = 40"
            " where id = %s",
            status, error, minutes, status == "in_progress", minutes, UUID(task["id"]),
        )  # fmt: skip
    for name, cron in (("cleanup", "0 6 * * *"), ("weekly-export", "0 2 * * 0")):
        await send(
            tenant.http, "POST", "schedules", {"name": name, "cron": cron, "task": {"task_type": "opsteward.echo"}}
        )


async def _approvals(tenant: Tenant, system: str, gudrun: Operator, grace: Operator) -> None:
    tenant.instance.sql("update opsteward.operators set created_by = 'system:test' where tenant_id = %s", tenant.id)
    for pid, verdict, reason in ((4711, "approve", "safe at this hour"), (815, "refuse", "not during the sale")):
        one = await wait_for_approval(tenant, system_id=UUID(system), pid=pid, requested_by=gudrun.actor)
        body = {"plan_hash": one["plan_hash"], "reason": reason}
        (await grace.http.post(f"/api/v1/approvals/{one['id']}/{verdict}", json=body)).raise_for_status()
        services, run = tenant.instance.services, UUID(one["action_id"])
        if verdict == "refuse":
            async with services.app.unit_of_work(tenant.id) as session:
                await services.action_service.freeze(session, run_id=run, seconds=7200, reason="it did not help")
    await wait_for_approval(tenant, system_id=UUID(system), pid=1234, requested_by=gudrun.actor)


async def _arrangements(tenant: Tenant, systems: dict[str, str]) -> None:
    today = now().date().isoformat()
    for name, people in (("primary", ["ada", "gudrun"]), ("database-team", ["grace"])):
        turn = {"name": "week", "participants": people, "starts_on": today, "handover": "00:00"}
        await send(tenant.http, "PUT", f"oncall/schedules/{name}", {"rotations": [turn]})
    until = (now() + timedelta(hours=2)).isoformat()
    quiet = {"matchers": ['source="staging-web"'], "reason": "load test", "ends_at": until}
    await send(tenant.http, "POST", "silences", quiet)
    stop = {"scope": "task_type", "target": "opsteward.echo", "reason": "moving the queue"}
    await send(tenant.http, "POST", "controls/pause", stop)
    weekly = {"system_id": systems["backup-store"], "reason": "new disks", "cron": "0 2 * * sun", "duration": 600}
    await send(tenant.http, "POST", "maintenance-windows", weekly)
    await send(tenant.http, "PUT", "standing-orders", {"text": ORDERS})
    await send(tenant.http, "POST", "agents", {"kind": "opsteward.heartbeat", "name": "watchman"})


def _sync(tenant: Tenant, source: str, target: str) -> None:
    mapping = uuid4()
    fields = [{"source": "a", "target": "a"}]
    definition = {"source_resource": "people", "target_resource": "people", "key": "a", "fields": fields}
    sql, mine = tenant.instance.sql, tenant.id
    sql(
        "insert into opsteward.sync_mappings (id, tenant_id, name, name_key, source_id, target_id, definition,"
        " created_at, updated_at) values (%s, %s, 'hr-to-mail', 'hr-to-mail', %s, %s, %s, now(), now())",
        mapping, mine, UUID(source), UUID(target), json.dumps(definition),
    )  # fmt: skip
    sql(
        "insert into opsteward.sync_operations (id, tenant_id, mapping_id, source_id, target_id, sync_type, dry_run,"
        " status, started_at, ended_at, error, counts, samples, notes, requested_by)"
        " values (%s, %s, %s, %s, %s, 'full', false, 'failed', now(), now(), 'the bind was refused', '{}', '{}', '{}',"
        " 'system:test')",
        uuid4(), mine, mapping, UUID(source), UUID(target),
    )  # fmt: skip
    sql(
        "insert into opsteward.sync_conflicts (id, tenant_id, mapping_id, kind, source_native_id, target_native_id,"
        " field, found_at) values (%s, %s, %s, 'field', 'x', 'x', 'a', now())",
        uuid4(), mine, mapping,
    )  # fmt: skip

"""What was done and is under way at the clinic of `clinic`: tasks, actions and approvals, agents, syncs, duties,
notices, imports, reviews, tokens, and what models cost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opsteward.core.clock import now
from support.harbour import send

if TYPE_CHECKING:
    from support.clinic import Clinic

#: Name, status, begun, minutes that it took, error, tries.
TASKS = (
    ("price-update", "failed", (10, 7), 2, "bad CSV in line 14", 0),
    ("rebuild-index", "completed", (3, 4), 12, None, 0),
    ("cleanup-tmp", "cancelled", (2, 5), 1, None, 0),
    ("import-crm", "dead_letter", (1, 22.2), 3, "connection refused", 3),
    ("nightly-report", "failed", (1, 23), 5, "disk quota exceeded", 0),
    ("send-invoices", "in_progress", (0, 0.8), 0, None, 0),
)
#: Action, system, status, when, asked for by, order, incident, approval, decided by, why, what.
RUNS: tuple[tuple[Any, ...], ...] = (
    ("supervisor.restart_program", "lab-results", "succeeded", (4, 10.5), "order:page-the-lab", 3, None, "", "",
     "Restart the program of lab-results"),
    ("supervisor.restart_program", "portal", "succeeded", (1, 16), "gudrun", None, "approved", "boris", "go ahead",
     "Restart the portal"),
    ("postgresql.reindex_index", "patient-db", "refused", (2, 10), "gudrun", None, "refused", "boris",
     "not during business hours", "Rebuild the index visits_pkey of patient-db"),
    ("network.flush_dns", "fax-gateway", "failed", (1, 14.3), "order:hush-the-fax", 5, None, "", "",
     "Flush the name cache of fax-gateway"),
    ("supervisor.drain_queue", "fax-gateway", "succeeded", (1, 14.8), "order:hush-the-fax", 5, None, "", "",
     "Drain the queue of fax-gateway"),
    ("postgresql.vacuum_table", "patient-db", "awaiting_approval", (0, 0.9), "gudrun", 8, "pending", "", "",
     "Vacuum the table visits of patient-db"),
)  # fmt: skip


async def work(clinic: Clinic) -> None:
    """Make it."""
    await _tasks(clinic)
    runs = _runs(clinic)
    await _arrangements(clinic)
    _syncs(clinic)
    _access(clinic)
    await _notices(clinic)
    _models(clinic)
    clinic.insert(
        "freezes", target_key=f"system:{clinic.systems['fax-gateway']}", action="network.flush_dns",
        system_id=clinic.systems["fax-gateway"], action_run_id=runs[3], reason="it did not help",
        until=now() + timedelta(hours=5),
    )  # fmt: skip
    for number, summary in ((3, "the connection pool of lab-results was too small"),
                            (7, "patient-db refuses connections of billing")):  # fmt: skip
        clinic.insert(
            "troubleshooting_sessions", incident_id=clinic.incidents[number], system_ids=[clinic.systems["billing"]],
            trigger="incident", complaint="", requested_by="system:troubleshooting", status="completed",
            phase="reporting", success=True, outcome="cause_found", summary=summary, health_score=60, phases=[],
            issues=[], causes=[], hypotheses=[], changes=[], surroundings={}, diagnostics=[], resolutions=[],
            choice={}, tried=[], started_at=clinic.at((4, 10.3) if number == 3 else (0, 0.4)), correlation_id="",
        )  # fmt: skip


async def _tasks(clinic: Clinic) -> None:
    http, sql = clinic.tenant.http, clinic.tenant.instance.sql
    for name, status, begun, minutes, error, tries in TASKS:
        at = clinic.at(begun)
        assert at is not None
        clinic.insert(
            "tasks", at_id=at, name=name, description="", task_type="opsteward.echo", priority=2, status=status,
            ready=False, waiting_on=0, run_at=at, params={}, metadata_={}, requested_by=clinic.by("ada"),
            correlation_id="", created_at=at, started_at=at,
            ended_at=at + timedelta(minutes=minutes) if minutes else None, progress=40, error=error,
            retry_count=tries, max_retries=3, backoff_factor=2.0, max_backoff=60.0, timeout=60.0, dependencies=[],
            tries=[],
        )  # fmt: skip
    await send(http, "POST", "tasks", {"task_type": "opsteward.echo", "name": "archive-logs", "delay": 90000})
    for name, cron in (("cleanup", "0 6 * * *"), ("weekly-audit", "0 3 * * mon"), ("billing-export", "*/15 * * * *")):
        await send(http, "POST", "schedules", {"name": name, "cron": cron, "task": {"task_type": "opsteward.echo"}})
    mine = clinic.tenant.id
    sql("update opsteward.task_schedules set paused = true where tenant_id = %s and name = 'weekly-audit'", mine)
    sql("update opsteward.task_schedules set last_error = 'no such bucket' where tenant_id = %s"
        " and name = 'billing-export'", mine)  # fmt: skip


def _runs(clinic: Clinic) -> list[Any]:
    ids = []
    for action, system, status, when, asked, incident, approval, decider, why, what in RUNS:
        at = clinic.at(when)
        assert at is not None
        order = asked.partition(":")[2] if asked.startswith("order:") else None
        asker = f"standing-order:{order}" if order else clinic.by(asked)
        done = status in ("succeeded", "failed")
        ids.append(clinic.insert(
            "action_runs", at_id=at, action=action, system_id=clinic.systems[system],
            target_key=f"system:{clinic.systems[system]}", params={}, reason="it was needed", requested_by=asker,
            requesters=[asker], idempotency_key=str(uuid4()),
            incident_id=clinic.incidents[incident] if incident else None, standing_order=order, approval="by_risk",
            limits={"cooldown": 0.0, "per_target": None, "per_hour": None}, correlation_id="", status=status,
            plan={"summary": what, "objects": []}, plan_hash="ab" * 32,
            error="the resolver did not answer" if status == "failed" else None, created_at=at,
            executed_at=at + timedelta(minutes=1) if done else None,
            ended_at=at + timedelta(minutes=2) if status != "awaiting_approval" else None,
        ))  # fmt: skip
        if approval:
            clinic.insert(
                "approvals", action_run_id=ids[-1], plan_hash="ab" * 32, status=approval, requested_by=asker,
                requested_at=at, expires_at=now() + timedelta(hours=3),
                decided_by=clinic.by(decider) if decider else None,
                decided_at=at + timedelta(minutes=1) if decider else None, reason=why or None,
            )  # fmt: skip
    return ids


async def _arrangements(clinic: Clinic) -> None:
    http, sql = clinic.tenant.http, clinic.tenant.instance.sql
    for name, people in (("primary", ["ada", "gudrun"]), ("database", ["boris"])):
        turn = {"name": "week", "participants": people, "starts_on": now().date().isoformat(), "handover": "00:00"}
        await send(http, "PUT", f"oncall/schedules/{name}", {"rotations": [turn]})
    until = (now() + timedelta(hours=2)).isoformat()
    quiet = {"matchers": ['source="staging"'], "reason": "load test", "ends_at": until}
    await send(http, "POST", "silences", quiet)
    rule = {"name": "one-rack", "source": ["system=patient-db"], "target": ["severity=low"], "equal": ["rack"]}
    await send(http, "POST", "inhibitions", rule)
    stop = {"scope": "action", "target": "network.flush_dns", "reason": "the vendor looks at it"}
    try:
        await send(http, "POST", "controls/pause", stop)
    except AssertionError:
        await send(http, "POST", "controls/pause", {**stop, "target": "log_only"})
    for system, begin, hours, reason in (("pacs-archive", -1, 3, "upgrade to release 12"),
                                         ("patient-db", 48, 2, "new storage")):  # fmt: skip
        begins = now() + timedelta(hours=begin)
        clinic.insert(
            "maintenance_windows", system_id=clinic.systems[system], reason=reason, starts_at=begins,
            ends_at=begins + timedelta(hours=hours), timezone="UTC", created_by=clinic.by("gudrun"),
        )  # fmt: skip
    await send(http, "PUT", "standing-orders", {"text": _orders()})
    for name, status, reason in (("watcher-1", "running", ""), ("log-reader", "failed", "cannot open /var/log/syslog"),
                                 ("cert-watch", "paused", "")):  # fmt: skip
        await send(http, "POST", "agents", {"kind": "opsteward.heartbeat", "name": name})
        sql("update opsteward.agents set status = %s, reason = %s, last_run_at = now() where tenant_id = %s"
            " and name = %s", status, reason, clinic.tenant.id, name)  # fmt: skip
    for name, late in (("nightly-backup", False), ("payroll-run", True)):
        beat = await send(http, "POST", "heartbeats", {"name": name, "cron": "0 2 * * *"})
        if late:
            sql("update opsteward.systems set health = 'down' where id = %s", beat["id"])
    sql(
        "insert into opsteward.early_warnings (id, tenant_id, system_id, name, urgency, since, judged_at, runs_out_at,"
        ' soonest_at, latest_at, level, "limit", per_day, noise, points, span) values (gen_random_uuid(), %s, %s,'
        " 'disk_percent', 'soon', now(), now(), now() + interval '4 days', now() + interval '3 days', now() + interval"
        " '6 days', 88, 100, 3, 1, 50, 86400)", clinic.tenant.id, clinic.systems["patient-db"],
    )  # fmt: skip


def _orders() -> str:
    from support.clinic import ORDERS

    return ORDERS


def _syncs(clinic: Clinic) -> None:
    definition = {"source_resource": "people", "target_resource": "people", "key": "a",
                  "fields": [{"source": "a", "target": "a"}]}  # fmt: skip
    hr, portal, pacs = (clinic.systems[name] for name in ("hr-ldap", "portal", "pacs-archive"))
    for name, target, status, when, error in (("people", portal, "succeeded", (0, 0.5), None),
                                              ("groups", pacs, "failed", (1, 22.1), "403 forbidden")):  # fmt: skip
        at = clinic.at(when)
        mapping = clinic.insert(
            "sync_mappings", name=f"hr-{name}", name_key=f"hr-{name}", source_id=hr, target_id=target,
            definition=definition, created_at=at, updated_at=at,
        )  # fmt: skip
        clinic.insert(
            "sync_operations", mapping_id=mapping, source_id=hr, target_id=target, sync_type="full", dry_run=False,
            status=status, started_at=at, ended_at=at, counts={"created": 14}, samples={}, notes=[], error=error,
            requested_by=clinic.by("gudrun"),
        )  # fmt: skip
        if error is None:
            clinic.insert(
                "sync_conflicts", mapping_id=mapping, kind="field", source_native_id="x", target_native_id="x",
                field="phone", found_at=at,
            )  # fmt: skip
    for name, status, when, error in (("offboard mary", "succeeded", (5, 11), None),
                                      ("move yuki", "undone", (1, 12), "portal refused the change")):  # fmt: skip
        at = clinic.at(when)
        clinic.insert("sagas", at_id=at, name=name, status=status, plan_hash="ab" * 32, requested_by=clinic.by("ada"),
                      created_at=at, ended_at=at, error=error)  # fmt: skip


def _access(clinic: Clinic) -> None:
    for name, status, begun, due, closed, items, undecided, revoked in (
        ("Q3 review", "closed", 90, -60, 60, 10, 0, 2), ("Q4 review", "open", 4, 6, None, 12, 5, 1),
    ):  # fmt: skip
        clinic.insert(
            "access_reviews", name=name, status=status, created_by=clinic.by("ada"),
            created_at=clinic.at((begun, 9)), due_at=now() + timedelta(days=due), items=items, undecided=undecided,
            closed_at=clinic.at((closed, 9)) if closed else None, revoked=revoked,
        )  # fmt: skip
    for who, name, expires, revoked, used in (("gudrun", "ci-deploy", 3, None, 0.9), ("ada", "grafana", None, None, 0),
                                              ("boris", "old-laptop", None, 10, 0)):  # fmt: skip
        clinic.insert(
            "tokens", operator_id=clinic.people[who].id, kind="api", name=name, secret_hash=uuid4().bytes * 2,
            issued_by=clinic.by(who), created_at=clinic.at((30, 9)),
            expires_at=now() + timedelta(days=expires) if expires else None,
            revoked_at=clinic.at((revoked, 9)) if revoked else None,
            last_used_at=clinic.at((0, used)) if used else None,
        )  # fmt: skip
    refused = "the file has no column username"
    for status, when, created, failed, error in (
        ("completed", (1, 10), 120, 3, None),
        ("failed", (8, 10), 0, 0, refused),
    ):
        at = clinic.at(when)
        clinic.insert(
            "import_jobs", at_id=at, status=status, mode="upsert", dry_run=False, options={"format": "csv"},
            requested_by=clinic.by("ada"), created_at=at, started_at=at, ended_at=at, created=created, failed=failed,
            errors=failed, error=error,
        )  # fmt: skip


async def _notices(clinic: Clinic) -> None:
    http = clinic.tenant.http
    routes = {}
    for name in ("ops-mail", "pager"):
        body = {"urls": ["json://127.0.0.1:9/"], "group_seconds": 0}
        routes[name] = (await send(http, "PUT", f"notifications/routes/{name}", body))["id"]
    for name, title, status, when, error, number in (
        ("pager", "billing answers 503", "sent", (0, 0.35), None, 7),
        ("ops-mail", "Password guessing on the VPN", "failed", (1, 22.6), "the mail server timed out", 6),
        ("pager", "Outage of lab-results", "sent", (4, 10.1), None, 3),
    ):
        at = clinic.at(when)
        clinic.insert(
            "notices", at_id=at, kind="opened", route_id=routes[name], later_routes=[],
            incident_ids=[clinic.incidents[number]], approval_ids=[], buttons=[], title=title, body="",
            severity="high", status=status, told="", attempt=1, created_at=at, ended_at=at, channels=[name],
            error=error,
        )  # fmt: skip
    policy = {"matchers": ["severity=high"], "steps": [{"routes": ["pager"]}]}
    await send(http, "PUT", "oncall/policies/night-watch", policy)
    await send(http, "POST", "webhooks", {"kind": "user-signup", "name": "hr-form"})
    await send(http, "POST", "sources", {"slug": "fridge-sensors", "title": "Fridge sensors"})
    for slug, bodies, refused in (("fridge-sensors", 340, 2), ("datadog", 12, 0)):
        clinic.tenant.instance.sql(
            "insert into opsteward.source_counts (tenant_id, slug, bodies, events, unmapped, refused, last_received_at,"
            " last_refusal) values (%s, %s, %s, %s, 0, %s, now(), %s) on conflict (tenant_id, slug) do update"
            " set bodies = excluded.bodies, events = excluded.events, refused = excluded.refused",
            clinic.tenant.id, slug, bodies, bodies, refused, "no title" if refused else "",
        )  # fmt: skip


def _models(clinic: Clinic) -> None:
    for model, agent, when, dollars in (
        ("gpt-4o", "help.writer", (0, 0.4), 1.25), ("gpt-4o", "help.writer", (3, 9), 0.75),
        ("granite-3", "crm.lead_scoring", (2, 9), 0.40),
    ):  # fmt: skip
        at = clinic.at(when)
        clinic.insert(
            "crew_model_calls", at_id=at, run_id=uuid4(), name="1", agent=agent, model=model, status="done",
            reserved_micros=0, cost_micros=int(dollars * 1_000_000), input_tokens=1000, output_tokens=200,
            started_at=at, ended_at=at,
        )  # fmt: skip

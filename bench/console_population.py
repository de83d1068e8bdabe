"""What the console is looked at with: an operations team's usual week, and as much as an installation may hold.

The usual week comes through the API, as clients send it; what only time makes (old incidents, a repair with its story,
tasks that failed) is written into the tables by their owner, as is everything of the large one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg

from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.ids import uuid7

USERS, CONTRACTORS = 270, 50  # the contractors wait for a decision
FIRST_NAMES = ("Ada", "Grace", "Alan", "Zoë", "Mary", "Ben", "Håkon", "Ines", "Jo", "Kim", "Ngozi", "Sofía")
LAST_NAMES = ("Silva", "Novak", "Weber", "Rossi", "Costa", "Kaya", "Chen", "Okafor", "Müller", "Lindqvist")
DEPARTMENTS = ("Engineering", "Finance", "Support", "People", "Sales")
LARGE_USERS, LARGE_INCIDENTS, LARGE_SYSTEMS = 100_000, 10_000, 700
_APPROVALS_WITHIN = 180.0  # seconds

ORDERS = {
    "version": 1,
    "orders": [
        {"name": "ask-before-paging", "match": {"source": "billing"}, "action": "escalate", "approval": "required",
         "cooldown": "0s"},
    ],
}  # fmt: skip
#: Source, error type, message, severity.
TROUBLES = (
    ("checkout", "QueueStuck", "orders are not taken from the queue: 1,204 wait", "high"),
    ("warehouse-db", "ReplicationLag", "replica warehouse-db-2 is 312 s behind", "high"),
    ("mail-relay", "TlsHandshakeError", "handshake with mx.partner.example failed: certificate has expired", "medium"),
    ("auth", "LoginFailures", "41 failed sign-ins of one address within a minute", "medium"),
    ("search", "IndexOutOfDate", "the product index is 6 h older than the catalogue", "low"),
    ("reports", "JobOverrun", "nightly revenue report took 3 h 12 min, its limit is 2 h", "low"),
    (
        "cdn",
        "OriginTimeout",
        "https://shop.example/assets/a-very-long-path/that-goes-on/and-on/bundle.4f1c9a.js",
        "medium",
    ),
    ("billing", "RefundError", "refunds fail: the gateway answers 503", "high"),
    ("billing", "InvoiceMissing", "invoice run of November left out 14 customers", "high"),
    ("ledger", "ConnectionError", "connection to ledger-primary.internal:5432 refused", "high"),
)


@dataclass(frozen=True, kw_only=True)
class Population:
    """Pages of single things, by what they show."""

    paths: Mapping[str, str]


def populate(home: Path, api: httpx.Client) -> Population:
    """320 users of whom 50 wait, 4 systems, 12 incidents (one of 19 objects, one repaired last night), 40 tasks, 2
    approvals, a schedule and a review. `api` bears the owner's token."""
    systems = _systems(api)
    _post(api, "/api/v1/users/bulk-import", {"users": [_user(number) for number in range(USERS + CONTRACTORS)]})
    text = json.dumps(ORDERS)
    api.put("/api/v1/standing-orders", json={"text": text}).raise_for_status()
    many = [
        _event("fileserver", "DiskFull", f"no space left on /data/share-{n:02}", "medium", host=f"file-{n:02}.example")
        for n in range(19)
    ]
    objects = _post(api, "/api/v1/events", many)["events"][0]["incident_id"]
    opened = [_post(api, "/api/v1/events", _event(*one))["events"][0]["incident_id"] for one in TROUBLES]
    _post(api, f"/api/v1/incidents/{opened[5]}/resolve", {"reason": "rebuilt by hand"})
    _post(api, f"/api/v1/incidents/{opened[3]}/acknowledge", {})
    kept, (work, document) = _sources(api), _crew_and_help(api)
    schedule = {"name": "nightly echo", "cron": "0 3 * * *", "task": {"task_type": "opsteward.echo"}}
    _post(api, "/api/v1/schedules", schedule)
    review = _post(api, "/api/v1/access-reviews", {"name": "Autumn review"})["id"]
    approval = _wait_for_approvals(api, 2)[0]["id"]
    with _connection(home) as owner:
        tasks = _tasks(owner)
        repaired = _repaired(owner, UUID(systems["shop"]))
        _history(owner, UUID(systems["shop"]))
    user = api.get("/api/v1/users", params={"search": "ada.silva"}).raise_for_status().json()["items"][0]["id"]
    return Population(
        paths={
            "incident of 19 objects": f"/incidents/{objects}",
            "incident, open": f"/incidents/{opened[7]}",
            "incident, repaired": f"/incidents/{repaired}",
            "approval": f"/approvals/{approval}",
            "system": f"/systems/{systems['shop']}",
            "system, down": f"/systems/{systems['ledger']}",
            "task, failed": f"/tasks/{tasks}",
            "user": f"/users/{user}",
            "role of a user": f"/users/{user}/role?role=premium_user",
            "review": f"/access-reviews/{review}",
            "source": "/sources/mill-controller",
            "body of a source": f"/sources/mill-controller/bodies/{kept}",
            "mapping of a source": f"/sources/mill-controller/mapping?body={kept}",
            "work of the crew": f"/crew/{work}",
            "document": f"/help/documents/{document}",
            "version of the standing orders": "/standing-orders/versions/1",
        }
    )


def _sources(api: httpx.Client) -> str:
    """Bodies of known and of unknown form, an application, heartbeats and a route; gives the id of a kept body."""
    alert = {
        "status": "firing",
        "labels": {"alertname": "DiskWillFill", "severity": "warning", "instance": "db-1:9100"},
    }
    _post(api, "/api/v1/intake/alertmanager", {"alerts": [alert]})
    _post(api, "/api/v1/intake/grafana", {"title": "Checkout is slow", "state": "alerting", "ruleId": 7})
    api.post("/api/v1/intake/github", content=b"[" * 200, headers={"Content-Type": "application/json"})  # refused
    _post(api, "/api/v1/sources", {"slug": "mill-controller", "title": "Mill controller"})
    for number in range(3):
        alarm = {"alarm": {"label": f"Bearing {number} is hot", "grade": "red", "id": number}, "plant": "north"}
        _post(api, "/api/v1/intake/mill-controller", alarm)
    for name in ("nightly-backup", "invoice-run", "certificate-renewal"):
        made = _post(api, "/api/v1/heartbeats", {"name": name, "period": 86_400})
    api.get(f"/ping/{made['key']}").raise_for_status()
    for name in ("checkout", "shop-frontend"):
        _post(api, "/api/v1/sentry-projects", {"name": name})
    route = {"urls": ["json://127.0.0.1:9/x"], "operator": "admin"}
    api.put("/api/v1/notifications/routes/admin-phone", json=route).raise_for_status()
    turns = {"name": "primary", "participants": ["admin"], "starts_on": "2026-01-01"}
    api.put("/api/v1/oncall/schedules/operations", json={"rotations": [turns]}).raise_for_status()
    until = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    quiet = {"matchers": ['source="reports"'], "reason": "the report server moves", "ends_at": until}
    _post(api, "/api/v1/silences", quiet)
    return str(api.get("/api/v1/sources/mill-controller/bodies").raise_for_status().json()["items"][0]["id"])


def _crew_and_help(api: httpx.Client) -> tuple[str, str]:
    """Work of the crew, a document and questions; gives the ids of a piece of work and of the document."""
    _post(api, "/api/crew/test/simple-task", {})
    work = _post(api, "/api/crew/test/complex-workflow", {})["task_id"]
    text = "# Restore\n\nA backup of warehouse-db is restored with `pg_restore`; Ada Silva has the key to the vault.\n"
    answer = api.post("/api/v1/help/documents", params={"name": "restore.md"}, content=text.encode())
    document = answer.raise_for_status().json()["documents"][0]["id"]
    for question in ("who has the key to the vault?", "which incidents are open?", "what is the meaning of life?"):
        _post(api, "/api/v1/help/ask", {"question": question})
    return str(work), str(document)


def populate_large(home: Path, alive: str) -> None:
    """100,000 users, 10,000 incidents (200 open), 700 systems in the first tenant, beside what it has. `alive` is an
    address that answers: the systems are watched, and those that are well stay so."""
    numbers = {"users": LARGE_USERS, "incidents": LARGE_INCIDENTS, "systems": LARGE_SYSTEMS}
    with _connection(home) as owner:
        for statement in _LARGE:
            owner.execute(statement, numbers | {"alive": alive})
        owner.execute("vacuum analyze")


def _post(api: httpx.Client, path: str, body: object) -> Any:
    answer = api.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.text}"
    return answer.json()


def _connection(home: Path) -> psycopg.Connection[Any]:
    return psycopg.connect(EmbeddedPostgres(home).url(EMBEDDED_DATABASE), autocommit=True)


def _user(number: int) -> dict[str, str]:
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[number // len(FIRST_NAMES) % len(LAST_NAMES)]
    name = f"{first.lower()}.{last.lower()}" + (f"{number}" if number >= len(FIRST_NAMES) * len(LAST_NAMES) else "")
    role = "contractor" if number >= USERS else ("premium_user" if number % 9 == 4 else "standard_user")
    return {
        "username": name,
        "email": f"{number}.{last.lower()}@example.com".encode("ascii", "ignore").decode(),
        "full_name": f"{first} {last}",
        "department": DEPARTMENTS[number % len(DEPARTMENTS)],
        "role": role,
    }


def _event(source: str, error: str, message: str, severity: str, **context: str) -> dict[str, Any]:
    return {"source": source, "error_type": error, "message": message, "severity": severity, "context": context}


def _systems(api: httpx.Client) -> dict[str, str]:
    alive = str(api.base_url).rstrip("/") + "/livez"
    made: dict[str, str] = {}
    for name, endpoint, criticality in (
        ("warehouse-db", alive, "critical"),
        ("mail-relay", alive, "standard"),
        ("ledger", "http://127.0.0.1:9/", "critical"),
    ):
        body = {"name": name, "type": "api", "endpoint": endpoint, "criticality": criticality}
        made[name] = str(_post(api, "/api/v1/systems", body)["id"])
    shop = {"name": "shop", "type": "api", "endpoint": alive, "criticality": "critical"}
    made["shop"] = str(_post(api, "/api/v1/systems", {**shop, "depends_on": ["warehouse-db"]})["id"])
    return made


def _wait_for_approvals(api: httpx.Client, number: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + _APPROVALS_WITHIN
    while True:
        found: list[dict[str, Any]] = api.get("/api/v1/approvals").raise_for_status().json()["items"]
        if len(found) >= number:
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {number} approvals wait"
        time.sleep(0.05)


def _tasks(owner: psycopg.Connection[Any]) -> UUID:
    """40 tasks of the last two days, 7 of which failed; gives one that did."""
    owner.execute(_TASKS)
    found = owner.execute(
        "select id from opsteward.tasks where status = 'failed' order by created_at limit 1"
    ).fetchone()
    assert found is not None
    return UUID(str(found[0]))


def _repaired(owner: psycopg.Connection[Any], system: UUID) -> UUID:
    """An incident of last night, that was repaired and proven while everybody slept; gives its id."""
    values = {"incident": uuid7(), "system": system, "run": uuid7()}
    for statement in _REPAIRED:
        owner.execute(statement, values)
    return values["incident"]


def _history(owner: psycopg.Connection[Any], system: UUID) -> None:
    """A day of checks of a system, with half an hour of trouble."""
    owner.execute(_HISTORY, {"system": system})


_TASKS = """
insert into opsteward.tasks (id, tenant_id, name, description, task_type, priority, status, ready, waiting_on, run_at,
    params, metadata, dependencies, requested_by, correlation_id, created_at, started_at, ended_at, progress,
    progress_message, result, error, cancel_requested, retry_count, takeovers, max_retries, backoff_factor,
    max_backoff, timeout)
select gen_random_uuid(), t.id, (array['Sync of accounts', 'Nightly export', 'Rotate certificates', 'Rebuild index',
        'Check of warehouse-db'])[1 + n % 5] || ' ' || n, '', 'opsteward.echo', 2 + n % 2,
    case when n % 6 = 0 then 'failed' when n % 17 = 0 then 'cancelled' else 'completed' end, false, 0,
    now() - n * interval '70 minutes', jsonb_build_object('message', 'n ' || n), '{}', '{}',
    'operator:' || (select id from opsteward.operators o where o.tenant_id = t.id order by o.created_at limit 1),
    'bench', now() - n * interval '70 minutes', now() - n * interval '70 minutes',
    now() - n * interval '70 minutes' + n * interval '2 seconds', case when n % 6 = 0 then 40 else 100 end, '',
    case when n % 6 = 0 then null else '{"message": "done"}'::jsonb end,
    case when n % 6 = 0 then 'ConnectionError: connection to warehouse-db.internal:5432 refused, after 3 tries' end,
    false, case when n % 6 = 0 then 3 else 0 end, 0, 3, 2, 60, 300
from opsteward.tenants t, generate_series(1, 40) n where t.name = 'default'
"""

_REPAIRED = (
    """
    insert into opsteward.incidents (id, tenant_id, number, title, status, category, severity, source, system_id,
        event_count, opened_at, last_event_at, resolved_at, resolved_by, resolution, reopened, labels,
        flapping)
    select %(incident)s, t.id,
        (select coalesce(max(number), 0) + 1 from opsteward.incidents i where i.tenant_id = t.id),
        'PoolExhausted: no database connection left for checkout', 'resolved', 'system_error', 'high', 'shop',
        %(system)s, 37, now() - interval '9 hours', now() - interval '8 hours 58 minutes',
        now() - interval '8 hours 57 minutes', 'agent:troubleshooting',
        'Proven healthy after restarting the pool: 3 of 3 checks pass, orders flow again', 0, '{}', false
    from opsteward.tenants t where t.name = 'default'
    """,
    """
    insert into opsteward.timeline_entries (id, tenant_id, incident_id, at, kind, title, actor, detail)
    select gen_random_uuid(), t.id, %(incident)s, now() - interval '9 hours' + told.after * interval '1 second',
        told.kind, told.title, null, '{}'
    from opsteward.tenants t, (values
        (0, 'detected', 'Detected: PoolExhausted: no database connection left for checkout'),
        (4, 'grouped', '36 more events of the same kind'),
        (21, 'diagnosed', 'Root cause: the pool of shop is exhausted by idle transactions (96 %% sure)'),
        (48, 'action', 'restart_pool on shop: running'),
        (95, 'action', 'restart_pool on shop: done and verified'),
        (140, 'verified', 'Healthy: 3 of 3 checks pass'),
        (180, 'resolved', 'Resolved: proven healthy')) told (after, kind, title)
    where t.name = 'default'
    """,
    """
    insert into opsteward.action_runs (id, tenant_id, action, system_id, target_key, params, reason, requested_by,
        requesters, idempotency_key, incident_id, approval, limits, correlation_id, status, plan, plan_hash, result,
        proof, created_at, executed_at, ended_at)
    select %(run)s, t.id, 'restart_pool', %(system)s, 'shop', '{"pool": "checkout"}',
        'the pool is exhausted by idle transactions', 'agent:troubleshooting', array['agent:troubleshooting'],
        'bench-repair', %(incident)s, 'by_risk', '{"cooldown": 0, "per_target": null, "per_hour": null}', 'bench',
        'succeeded',
        '{"summary": "Close 48 idle transactions and restart the pool", "risk": "low", "undo": "not needed",
          "steps": ["close idle transactions", "restart the pool", "check orders"], "objects": ["shop/pool/checkout"]}',
        repeat('ab', 32), '{"closed": 48}', '{"ok": true, "summary": "orders are taken again: 3 of 3 checks pass"}',
        now() - interval '8 hours 59 minutes', now() - interval '8 hours 59 minutes',
        now() - interval '8 hours 58 minutes'
    from opsteward.tenants t where t.name = 'default'
    """,
)

_HISTORY = """
insert into opsteward.health_minutes (tenant_id, system_id, minute, checks, failed, answered, response_total,
    response_max)
select s.tenant_id, s.id, date_trunc('minute', now()) - n * interval '1 minute', 4,
    case when n between 520 and 550 then 4 else 0 end, case when n between 520 and 550 then 0 else 4 end,
    case when n between 520 and 550 then 0 else 4 * (0.02 + 0.01 * sin(n / 40.0)) end, 0.06
from opsteward.systems s, generate_series(0, 1439) n where s.id = %(system)s
on conflict do nothing
"""

_LARGE = (
    """
    insert into opsteward.users (id, tenant_id, username, username_key, email, email_key, full_name, status, role,
        department, permissions, system_access, profile_data, tags, source, created_by, holds_names, version,
        created_at, updated_at)
    select gen_random_uuid(), t.id, 'user' || n, 'user' || n, 'user' || n || '@example.com',
        'user' || n || '@example.com', (array['Ada','Grace','Alan','Zoë','Mary','Ben','Håkon','Ines','Jo','Kim'])
        [1 + n %% 10] || ' ' || (array['Silva','Novak','Weber','Rossi','Costa','Kaya','Chen'])[1 + n %% 7] || ' ' || n,
        case when n %% 10 = 0 then 'inactive' else 'active' end,
        case when n %% 7 = 0 then 'premium_user' else 'standard_user' end, 'dept' || n %% 20, '{read_basic}',
        '{main_app}', '{}', '{}', 'bench', 'system:bench', true, 1, now() - n * interval '1 minute', now()
    from opsteward.tenants t, generate_series(1, %(users)s) n where t.name = 'default'
    """,
    """
    insert into opsteward.systems (id, tenant_id, name, name_key, type, endpoint, criticality, settings, depends_on,
        created_at, updated_at, health, health_since, checked_at, response_time, checks_total, checks_failed,
        passes_in_a_row, warnings_in_a_row, relapses, evidence)
    select gen_random_uuid(), t.id, 'node-' || n, 'node-' || n, 'api',
        case when n %% 50 = 0 then 'http://127.0.0.1:9/' else %(alive)s end || '?node=' || n, 'standard',
        '{}', '{}', now(), now(), case when n %% 50 = 0 then 'down' else 'healthy' end, now() - n * interval '1 hour',
        now(), 0.012, 100, n %% 7, 3, 0, 0,
        jsonb_build_array(jsonb_build_object('check', 'http', 'title', 'HTTP answers', 'status',
            case when n %% 50 = 0 then 'fail' else 'pass' end, 'summary', 'GET / in 12 ms'))
    from opsteward.tenants t, generate_series(1, %(systems)s) n where t.name = 'default'
    """,
    """
    insert into opsteward.incidents (id, tenant_id, number, title, status, category, severity, source, event_count,
        opened_at, last_event_at, resolved_at, resolved_by, resolution, reopened, labels,
        flapping)
    select gen_random_uuid(), t.id, last.number + n, 'Error ' || n || ': something failed on node-' || n %% 700,
        case when n %% 50 = 0 then 'open' else 'resolved' end, 'system_error',
        (array['low','medium','high'])[1 + n %% 3], 'node-' || n %% 700, 1 + n %% 5000,
        now() - (10000 - n) * interval '5 minutes', now() - (10000 - n) * interval '5 minutes',
        case when n %% 50 = 0 then null else now() - (10000 - n) * interval '5 minutes' + interval '4 minutes' end,
        'system:bench', case when n %% 50 = 0 then null else 'Proven healthy' end, 0, '{}', false
    from opsteward.tenants t, generate_series(1, %(incidents)s) n,
        lateral (select coalesce(max(number), 0) as number from opsteward.incidents i where i.tenant_id = t.id) last
    where t.name = 'default'
    """,
)

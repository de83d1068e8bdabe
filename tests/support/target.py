"""Actions of a live instance on a real target: sessions of a visitor on a PostgreSQL server that is not Opsteward's."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from opsteward.core.embedded_postgres import EmbeddedPostgres
from support.live import LiveOperator, LiveTenant


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A session on the target, idle in a transaction, and how an action names it."""

    connection: psycopg.Connection[Any]
    identity: dict[str, Any]

    def is_alive(self) -> bool:
        """Whether the session answers still."""
        try:
            self.connection.execute("select 1")
        except psycopg.Error:
            return False
        return True


def identity_of(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """How an action names a session."""
    row = connection.execute("select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()").fetchone()
    assert row is not None
    return {"pid": row[0], "backend_start": row[1].isoformat()}


@functools.cache
def target_server() -> EmbeddedPostgres:
    """A server for systems to be registered on, one for the whole run; it ends with the test process."""
    folder = Path(tempfile.mkdtemp(prefix="ops-target-", dir="/tmp"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder)
    server.ensure_running()

    def end() -> None:
        server.stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return server


def on_target(statement: str, *params: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement of its superuser."""
    with psycopg.connect(target_server().url("postgres"), autocommit=True) as admin:
        found = admin.execute(statement.encode(), params or None)
        return found.fetchall() if found.description else []


def visited_database() -> str:
    """The URL of a database with a plain role in it, made once."""
    server = target_server()
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        if admin.execute("select 1 from pg_roles where rolname = 'visitor'").fetchone() is None:
            admin.execute("create role visitor login")
            admin.execute("create role watcher login in role pg_monitor, pg_signal_backend")
            admin.execute("create database visited owner visitor")
    return server.url("visited", user="visitor")


def register_target(tenant: LiveTenant) -> None:
    """Make it a system of the tenant, `visited`."""
    visited_database()
    system = {
        "name": "visited",
        "type": "database",
        "endpoint": f"postgresql:///visited?host={target_server().sockets}",
        "credentials": {"username": "watcher"},
    }
    tenant.owner.http.post("/api/v1/systems", json=system).raise_for_status()


def terminate(*visitors: Visitor, why: str = "it holds everybody up") -> dict[str, Any]:
    """The parameters of the action that ends these sessions."""
    return {"sessions": [v.identity for v in visitors], "reason": why}


def execute(operator: LiveOperator, action: str, priority: int = 1, **context: Any) -> httpx.Response:
    """POST /agent/execute-action/ for a severe system error."""
    return operator.http.post(
        "/agent/execute-action/",
        json={
            "action": action,
            "priority": priority,
            "event_type": "system_error",
            "severity": "high",
            "message": "Checkout hangs",
            "context": context,
        },
    )


def ask_to_terminate(operator: LiveOperator, visitor: Visitor) -> dict[str, Any]:
    """Request the action; returns its approval, pending."""
    answer = execute(operator, "postgresql.terminate_session", system="visited", params=terminate(visitor))
    assert answer.status_code == 202, answer.text
    return dict(operator.http.get(f"/api/v1/approvals/{answer.json()['approval_id']}").raise_for_status().json())


def approve(operator: LiveOperator, approval: dict[str, Any], plan_hash: str | None = None) -> httpx.Response:
    """Say yes, to the plan that was read unless another hash is given."""
    return operator.http.post(
        f"/api/v1/approvals/{approval['id']}/approve", json={"plan_hash": plan_hash or approval["plan_hash"]}
    )


def settled(operator: LiveOperator, action_id: str, *statuses: str) -> dict[str, Any]:
    """The action once it has one of these statuses."""
    deadline = time.monotonic() + 20
    while True:
        run = dict(operator.http.get(f"/api/v1/actions/{action_id}").raise_for_status().json())
        if run["status"] in statuses:
            return run
        assert time.monotonic() < deadline, f"it is {run['status']}: {run['error']}"
        time.sleep(0.05)

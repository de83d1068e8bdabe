"""A real target for actions: sessions of a visitor on the live instance's own PostgreSQL server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from opsteward.core.embedded import EmbeddedPostgres
from support.live import Live, LiveTenant


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A session on the target, idle in a transaction, and how an action names it."""

    connection: psycopg.Connection[Any]
    identity: dict[str, Any]

    @property
    def alive(self) -> bool:
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


def visited_database(live: Live) -> str:
    """The URL of a database with a plain role in it, made once."""
    server = EmbeddedPostgres(live.home)
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        if admin.execute("select 1 from pg_roles where rolname = 'visitor'").fetchone() is None:
            admin.execute("create role visitor login")
            admin.execute("create database visited owner visitor")
    return server.url("visited", user="visitor")


def register_target(live: Live, tenant: LiveTenant) -> None:
    visited_database(live)
    system = {
        "name": "visited",
        "type": "database",
        "endpoint": f"postgresql:///visited?host={EmbeddedPostgres(live.home).sockets}",
        "credentials": {"username": "postgres"},
    }
    tenant.owner.http.post("/api/v1/systems", json=system).raise_for_status()


def terminate(*visitors: Visitor, why: str = "it holds everybody up") -> dict[str, Any]:
    """The parameters of the action that ends these sessions."""
    return {"sessions": [v.identity for v in visitors], "reason": why}

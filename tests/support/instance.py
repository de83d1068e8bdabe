"""A real instance inside the test process: embedded PostgreSQL, all rooms, the API without a network.

There is no worker, so what is enqueued stays so: a test sees exactly what the request did. Each test works in
tenants of its own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import structlog
from fastapi import FastAPI

from opsteward.accounts import operators, tokens
from opsteward.accounts.tenants import create_tenant
from opsteward.accounts.types import NewToken
from opsteward.api.app import build_app
from opsteward.app.request_services import api_services_of
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres
from support.homes import without_settings

ORIGIN = "http://instance.test"
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator of a tenant, and an HTTP client that bears an API token of theirs."""

    id: UUID
    name: str
    token: str
    http: httpx.AsyncClient

    @property
    def actor(self) -> str:
        return f"operator:{self.id}"


@dataclass(kw_only=True)
class Tenant:
    """A tenant of one test, with its owner."""

    instance: Instance
    id: UUID
    name: str
    owner: Operator

    @property
    def http(self) -> httpx.AsyncClient:
        """The owner's client."""
        return self.owner.http

    async def operator(self, *roles: str, name: str | None = None) -> Operator:
        """A further operator with these roles."""
        async with self.instance.services.web.unit_of_work(self.id) as session:
            made = await operators.create_operator(
                session, name=name or f"op-{next(_numbers)}", roles=roles, actor="system:test"
            )
            token = await tokens.issue_token(session, operator_id=made.id, kind="api", name="test", actor="system:test")
        return Operator(id=made.id, name=made.name, token=token.secret, http=self.instance.client(token.secret))

    async def credential(self, kind: str, *, ttl: timedelta | None = None) -> NewToken:
        """A further credential of the owner: `api`, `session` or `link`."""
        async with self.instance.services.web.unit_of_work(self.id) as session:
            return await tokens.issue_token(
                session, operator_id=self.owner.id, kind=kind, name="test", actor="system:test", ttl=ttl
            )

    def count(self, table: str) -> int:
        """How many rows of this tenant a table holds, seen by the superuser."""
        return int(self.instance.sql(f"select count(*) from opsteward.{table} where tenant_id = %s", self.id)[0][0])


@dataclass(kw_only=True)
class Instance:
    """The rooms and the application. `clients` are closed with it."""

    home: Path
    services: Services
    app: FastAPI
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client of the application itself; a crash in it is a 500 as for anybody outside."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers, timeout=30)
        self.clients.append(client)
        return client

    async def tenant(self, *, roles: tuple[str, ...] = ("owner",), name: str | None = None) -> Tenant:
        """A new tenant with an owner."""
        made = await create_tenant(
            self.services.web, name=name or f"t{next(_numbers)}", operator="ada", actor="system:test", roles=roles
        )
        owner = Operator(id=made.operator_id, name="ada", token=made.token, http=self.client(made.token))
        return Tenant(instance=self, id=made.id, name=made.name, owner=owner)

    def sql(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        """As the database's superuser, past row-level security: for looking, and for altering by hand."""
        return run_sql(self.home, statement, *params)


def run_sql(home: Path, statement: str, *params: Any) -> list[tuple[Any, ...]]:
    """One statement as the superuser of an instance's embedded server; its rows, if it gives any."""
    with psycopg.connect(EmbeddedPostgres(home).url(EMBEDDED_DATABASE), autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), params or None)
        return cursor.fetchall() if cursor.description else []


def build_instance(home: Path) -> Instance:
    """The rooms on a database of their own, and the application."""
    # short tracebacks: with every local variable shown, a single one takes seconds
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    with pytest.MonkeyPatch.context() as patch:
        without_settings(patch)
        services = build_services(load_settings(home=home))
    return Instance(home=home, services=services, app=build_app(api_services_of(services, lambda: {"database": True})))

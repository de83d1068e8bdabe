"""A live instance: `opsteward up` as a process of its own with its worker, and the command line against it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from support.homes import temporary_home
from support.instance import run_sql
from support.preloaded import Forked, clean_environment, command_line, started_command_line

_READY_WITHIN = 60.0  # seconds
_UP = "Opsteward is up at "


@dataclass(frozen=True, kw_only=True)
class LiveOperator:
    """An operator of a tenant of the live instance."""

    url: str
    name: str
    token: str
    http: httpx.Client

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`opsteward ...` as this operator, as a process of its own."""
        environment = clean_environment(OPSTEWARD_URL=self.url, OPSTEWARD_TOKEN=self.token)
        return command_line(list(arguments), environment)


@dataclass(frozen=True, kw_only=True)
class LiveTenant:
    """A tenant of the live instance, with its owner."""

    id: UUID
    name: str
    owner: LiveOperator


@dataclass(frozen=True, kw_only=True)
class Live:
    """A running `opsteward up`."""

    url: str
    home: Path
    admin: LiveOperator

    def tenant(self, name: str) -> LiveTenant:
        """A new tenant with an owner."""
        made = self.admin.http.post("/api/v1/tenants", json={"name": name, "operator": "ada"}).raise_for_status().json()
        return LiveTenant(id=UUID(made["id"]), name=name, owner=_operator(self.url, "ada", made["token"]))

    def operator(self, tenant: LiveTenant, name: str, *roles: str) -> LiveOperator:
        """A further operator of a tenant."""
        http = tenant.owner.http
        http.post("/api/v1/operators", json={"name": name, "roles": roles}).raise_for_status()
        made = http.post("/api/v1/tokens", json={"operator": name}).raise_for_status().json()
        return _operator(self.url, name, made["token"])

    def sql(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        """As the superuser of its database."""
        return run_sql(self.home, statement, *params)


def _operator(url: str, name: str, token: str) -> LiveOperator:
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    return LiveOperator(url=url, name=name, token=token, http=client)


@contextmanager
def running_instance(settings: Mapping[str, str] | None = None, *, anew: bool = False) -> Iterator[Live]:
    """Start `opsteward up` on a home of its own and a free port, wait until all of it is ready, end it at the end.

    `anew`: see `started_command_line`.
    """
    with temporary_home() as home:
        own = {"OPSTEWARD_HOME": str(home), "LOG_LEVEL": "WARNING"} | dict(settings or {})
        command, environment = ["up", "--port", "0"], clean_environment(**own)
        process = started_command_line(command, environment, errors=home / "stderr", anew=anew)
        try:
            url = announced(process)
            token = (home / "token").read_text()
            admin = _operator(url, "admin", token)
            _until(process, lambda: admin.http.get("/readyz").status_code == 200)
            yield Live(url=url, home=home, admin=admin)
        finally:
            process.end(20)


def announced(process: Forked) -> str:
    """The address of an `opsteward up`, once it has said it."""

    def found() -> list[str]:
        return [line for line in process.told()[0].splitlines(keepends=True) if line.startswith(_UP)]

    _until(process, lambda: any(line.endswith("\n") for line in found()))
    return found()[0].removeprefix(_UP).strip()


def _until(process: Forked, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while not holds():
        assert not process.ended(), f"it ended:\n{process.told()[1][-5000:]}"
        assert time.monotonic() < deadline, f"it is not ready:\n{process.told()[1][-5000:]}"
        time.sleep(0.05)

"""A live instance: `opsteward up` as its own process with its worker, and the command line against it."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from support.homes import temporary_home
from support.instance import run_sql
from support.preloaded import command_line

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
        own = {"OPSTEWARD_URL": self.url, "OPSTEWARD_TOKEN": self.token}
        return command_line(list(arguments), _environment(own))


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
def running_instance(settings: Mapping[str, str] | None = None) -> Iterator[Live]:
    """Start `opsteward up` on a home of its own and a free port, wait until all of it is ready, end it at the end."""
    with temporary_home() as home, (home / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "opsteward", "up", "--port", "0"],
            env=_environment({"OPSTEWARD_HOME": str(home), "LOG_LEVEL": "WARNING", **(settings or {})}),
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            url = _announced(process, home)
            token = (home / "token").read_text()
            admin = _operator(url, "admin", token)
            _wait_until_ready(process, admin.http, home)
            yield Live(url=url, home=home, admin=admin)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
    return {**inherited, **own}


def _announced(process: subprocess.Popen[str], home: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + _READY_WITHIN
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(timeout=max(0.0, deadline - time.monotonic())):
            line = process.stdout.readline()
            if not line:
                break
            if line.startswith(_UP):
                return line.removeprefix(_UP).strip()
    raise AssertionError(f"it did not come up:\n{(home / 'stderr').read_text()[-5000:]}")


def _wait_until_ready(process: subprocess.Popen[str], http: httpx.Client, home: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while http.get("/readyz").status_code != 200:
        assert process.poll() is None, f"it ended:\n{(home / 'stderr').read_text()[-5000:]}"
        assert time.monotonic() < deadline, f"it is not ready:\n{(home / 'stderr').read_text()[-5000:]}"
        time.sleep(0.05)

"""`opsteward doctor`: is this installation sound, and if not, what mends it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from opsteward.cli import show
from opsteward.core.errors import OpsError
from opsteward.core.settings import Settings, load_settings


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `remedy` is empty when all is well."""

    check: str
    status: str
    detail: str
    remedy: str = ""


def run_doctor(*, as_json: bool) -> int:
    """Look at everything; exit code 1 when something is wrong."""
    findings = list(_examine())
    if as_json:
        show.as_json([asdict(finding) for finding in findings])
    else:
        show.table([asdict(f) for f in findings], ["check", "status", "detail", "remedy"], empty="")
    return 1 if any(f.status == "failed" for f in findings) else 0


def _examine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok" if sys.version_info >= (3, 11) else "failed", version, "")
    try:
        settings = load_settings()
    except OpsError as error:
        yield Finding("settings", "failed", error.detail, "set them right; see docs/reference/settings.md")
        return
    yield Finding("settings", "ok", f"home {settings.home}")
    yield from _attempt("home", lambda: _home(settings), "give this user a home it can write to: OPSTEWARD_HOME")
    yield from _attempt("database", lambda: _database(settings), "start Opsteward once, or see DATABASE_URL")
    yield from _attempt("instance", _instance, "start one with 'opsteward up', or set OPSTEWARD_URL")


def _attempt(name: str, look: Callable[[], str], remedy: str) -> Iterator[Finding]:
    import httpx
    import psycopg

    from opsteward.cli.client import CallFailed

    try:
        yield Finding(name, "ok", look())
    except OpsError as error:
        yield Finding(name, "failed", error.detail, error.remedy or remedy)
    except (CallFailed, OSError, psycopg.Error, httpx.TransportError) as error:
        yield Finding(name, "failed", str(error).splitlines()[0], remedy)


def _home(settings: Settings) -> str:
    from opsteward.core.embedded_postgres import prepare_home

    prepare_home(settings.home)
    probe = settings.home / ".doctor"
    probe.write_text("")
    probe.unlink()
    key = settings.home / "secret.key"
    return "writable" + (", holds the secret key" if key.exists() else ", no secret key yet")


def _database(settings: Settings) -> str:
    import psycopg

    from opsteward.core.crypto import SecretBox, load_secret
    from opsteward.core.database_setup import installed_state, urls_for

    secret = settings.secret_key.get_secret_value() if settings.secret_key else None
    urls = urls_for(settings, SecretBox(load_secret(secret, settings.home)))
    with psycopg.connect(urls.app, connect_timeout=5) as conn:
        row = conn.execute("select version()").fetchone()
    state = installed_state(urls.app)
    assert row is not None and state is not None
    kind = "embedded" if settings.database_url is None else "external"
    return f"{kind} {row[0].split(' on ')[0]}, tables {state[0]}, {state[1]}"


def _instance() -> str:
    from opsteward.cli.client import Client

    client = Client(timeout=5)
    me = client.get("/api/v1/me")
    return f"{client.url} answers; signed in as {me['operator']} of {me['tenant']}"

"""`opsteward doctor`: is this installation sound, and if not, what mends it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

from opsteward.app.settings import load_settings
from opsteward.cli import show
from opsteward.core.errors import Invalid, OpsError, Unavailable
from opsteward.core.settings import CoreSettings


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
        show.table([asdict(f) for f in findings], ["check", "status", "detail"], empty="", whole=("check", "status"))
        for one in findings:
            if one.remedy:
                show.say(f"{one.check}: {one.detail}; {one.remedy}")
    return 1 if any(f.status == "failed" for f in findings) else 0


def _examine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok" if sys.version_info >= (3, 11) else "failed", version, "")
    try:
        every = load_settings()
    except OpsError as error:
        yield Finding("settings", "failed", error.detail, "set them right; see docs/reference/settings.md")
        return
    settings = every.core
    yield Finding("settings", "ok", f"home {settings.home}")
    yield from _attempt("home", lambda: _home(settings), "give this user a home it can write to: OPSTEWARD_HOME")
    yield _secret_key(settings)
    for name in every.integrations.plugins:
        yield from _attempt("plug-in", partial(_plugin, name), "correct OPSTEWARD_PLUGINS")
    yield from _attempt("database", lambda: _database(settings), "start Opsteward once, or see DATABASE_URL")
    yield from _attempt("instance", _instance, "start one with 'opsteward up', or set OPSTEWARD_URL")
    yield from _standing_orders()


def _attempt(name: str, look: Callable[[], str], remedy: str) -> Iterator[Finding]:
    import psycopg

    from opsteward.cli.client import CallFailed, NoInstance

    try:
        yield Finding(name, "ok", look())
    except OpsError as error:
        yield Finding(name, "failed", error.detail, error.remedy or remedy)
    except (CallFailed, OSError, psycopg.Error, NoInstance) as error:
        yield Finding(name, "failed", str(error).splitlines()[0], remedy)


def _home(settings: CoreSettings) -> str:
    from opsteward.core.home import prepare_home

    prepare_home(settings.home)
    probe = settings.home / ".doctor"
    probe.write_text("")
    probe.unlink()
    return "writable"


def _secret_key(settings: CoreSettings) -> Finding:
    """Whether there is a usable key, that only we can read. Makes none."""
    from opsteward.core.secret_key import open_to_others, read_secret, was_used

    try:
        secret = read_secret(settings.given_secret, settings.home)
    except Invalid as error:
        return Finding("secret key", "failed", error.detail, error.problems[0].remedy)
    if secret is None:
        if was_used(settings.home):
            return Finding(
                "secret key", "failed", "is missing, though this home was in use", "restore it from a backup"
            )
        return Finding("secret key", "ok", "none yet; the first start makes it")
    if warning := open_to_others(settings.home):
        return Finding("secret key", "failed", warning, f"chmod 600 {settings.home / 'secret.key'}")
    return Finding("secret key", "ok", "from OPSTEWARD_SECRET_KEY" if settings.secret_key else "for its owner only")


def _database(settings: CoreSettings) -> str:
    import psycopg

    from opsteward.core.crypto import SecretBox
    from opsteward.core.database_setup import installed_state, urls_for
    from opsteward.core.secret_key import read_secret

    secret = read_secret(settings.given_secret, settings.home)
    if secret is None:
        raise Unavailable("there is no secret key to reach it with")
    box = SecretBox(secret)
    urls = urls_for(settings, box)
    with psycopg.connect(urls.app, connect_timeout=5) as conn:
        row = conn.execute("select version()").fetchone()
    state = installed_state(urls.app)
    assert row is not None and state is not None
    if state.key_fingerprint not in (None, box.fingerprint()):
        raise Unavailable("it belongs to another secret key", remedy="put back the secret.key of this installation")
    kind = "embedded" if settings.database_url is None else "external"
    return f"{kind} {row[0].split(' on ')[0]}, tables {state.migration}, {state.engine}"


def _plugin(name: str) -> str:
    from opsteward.app.plugins import load_plugin

    return f"{name} ({load_plugin(name).title})"


def _instance() -> str:
    from opsteward.cli.client import Client
    from opsteward.client.operations import administration

    client = Client(timeout=5)
    me = client.send(administration.me())
    return f"{client.url} answers; signed in as {me['operator']} of {me['tenant']}"


def _standing_orders() -> Iterator[Finding]:
    """Whether each standing order in force holds up; nothing where no instance answers, which is said already."""
    from opsteward.cli.client import CallFailed, Client, NoInstance
    from opsteward.client.operations import standing_orders

    try:
        found = Client(timeout=5).send(standing_orders.get_standing_orders())
    except (CallFailed, NoInstance, OSError, OpsError):
        return
    for one in found["problems"]:
        status = "failed" if found["faulty"] else "warning"
        words = f"line {one['line']}: {one['field']}: {one['problem']}"
        yield Finding("standing orders", status, words, f"{one['remedy']}, and apply the file again")
    if not found["problems"]:
        yield Finding("standing orders", "ok", f"version {found['version']}: {len(found['orders'])} hold")

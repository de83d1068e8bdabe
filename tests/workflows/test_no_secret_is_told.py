"""Credentials planted wherever one can be given, and a full round of checks, syncs and messages with a server that
repeats all it is sent: what the instance keeps, logs, traces, answers and exports holds none, in any encoding."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.live import Live, running_instance
from support.otlp import Receiver, otlp_receiver
from support.planted import Planted, telltale

pytestmark = pytest.mark.slow(reason="one instance goes through a full round of checks, syncs and messages")

#: What holds secrets by its purpose.
_KEYS = frozenset({"secret.key", "token"})


@dataclass
class Round:
    live: Live
    planted: Planted
    receiver: Receiver
    traced: Path
    port: int
    began: float

    def post(self, path: str, body: Any, *, method: str = "POST") -> Any:
        """What it answers, which holds none of them either."""
        answer = self.live.admin.http.request(method, path, json=body)
        assert self.planted.found_in(answer.content) == [], f"{method} {path}"
        return answer.json() if answer.content else None

    def system(self, name: str, kind: str, endpoint: str, credentials: Any, **settings: Any) -> str:
        made = self.post(
            "/api/v1/systems",
            {
                "name": name, "type": kind, "endpoint": endpoint, "credentials": credentials,
                "settings": {"check_interval": 1, **settings},
            },
        )  # fmt: skip
        assert "id" in made, made
        return str(made["id"])


@pytest.fixture(scope="module")
def a_round(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Round]:
    planted, folder = Planted(), tmp_path_factory.mktemp("secrets")
    file = folder / "of-a-system"
    file.write_text(planted.secret("file", signs=False))
    with telltale() as port, otlp_receiver() as receiver:
        settings = {
            "LOG_LEVEL": "DEBUG",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "CREDENTIAL_PLANTED": planted.secret("environment"),
            "OPSTEWARD_SECRET_FOLDERS": json.dumps([str(folder)]),
            "OPSTEWARD_SECRET_COMMANDS": json.dumps({"planted": ["cat", str(file)]}),
            "OPSTEWARD_NOTIFY_ADMIN": json.dumps(
                [f"json://u:{planted.secret('apprise', signs=False)}@127.0.0.1:{port}"]
            ),
            "OPSTEWARD_OIDC_CLIENT_SECRET": planted.secret("oidc"),
        }
        with running_instance(settings) as live:
            made = Round(live, planted, receiver, folder, port, time.time())
            register_systems(made)
            give_secrets_elsewhere(made)
            go_round(made)
            yield made


def register_systems(made: Round) -> None:
    planted, port = made.planted, made.port
    here = f"127.0.0.1:{port}"
    password = {"username": "ops", "password": planted.secret("web password", signs=False)}
    made.system("web", "api", f"http://{here}/", password)
    steps = [{"url": "/login", "form": {"u": "${username}", "p": "${password}"}, "headers": {"X-T": "${token}"}}]
    visit = {
        "username": "ops",
        "password": planted.secret("visit password"),
        "token": planted.secret("visit", signs=False),
    }
    made.system("visit", "api", f"http://{here}/", visit, steps=steps)
    made.system("by-token", "api", f"http://{here}/", {"token": planted.secret("token", signs=False)})
    made.system("by-env", "api", f"http://{here}/", {"username": "ops", "password": "env:CREDENTIAL_PLANTED"})
    made.system("by-file", "api", f"http://{here}/", {"token": f"file:{next(made.traced.iterdir())}"})
    made.system("by-command", "api", f"http://{here}/", {"token": "command:planted"})
    for scheme, kind in (("postgresql", "database"), ("mysql", "database"), ("redis", "service")):
        login = {"username": "ops", "password": planted.secret(scheme)}
        made.system(scheme, kind, f"{scheme}://{here}/{'' if scheme == 'redis' else 'shop'}", login)
    for name in ("users", "people"):
        made.system(
            f"scim-{name}", "scim", f"http://{here}/scim", {"token": planted.secret(f"scim {name}", signs=False)}
        )
    made.system("directory", "ldap", f"ldap://{here}/dc=org", {"username": "cn=x", "password": planted.secret("ldap")})
    made.system("hook", "webhook", f"http://{here}/hook", {"signing_secret": planted.base64_secret("webhook")})
    # where none may be, it is refused, and the refusal does not repeat it
    for endpoint in (
        "postgresql://ops:{}@127.0.0.1:1/shop",
        "http://ops:{}@127.0.0.1:1/",
        "ldap://x:{}@127.0.0.1/dc=o",
    ):
        secret = planted.secret(f"in {endpoint[:8]}", signs=False)
        made.post("/api/v1/systems", {"name": "bad", "type": "database", "endpoint": endpoint.format(secret)})
    wrong = {"name": "bad", "type": "database", "endpoint": "postgresql://127.0.0.1:1/x"}
    made.post("/api/v1/systems", wrong | {"credentials": {"pass word": planted.secret("unknown name")}})
    made.post("/api/v1/systems", wrong | {"credentials": [planted.secret("wrong form")]})


def give_secrets_elsewhere(made: Round) -> None:
    planted = made.planted
    made.post("/api/v1/sources", {"slug": "planted", "secret": planted.secret("source")})
    made.post("/api/v1/intake/planted", {"title": "signed by nobody"})
    urls = [f"json://ops:{planted.secret('route', signs=False)}@127.0.0.1:{made.port}/x"]
    route = made.post("/api/v1/notifications/routes/night", {"urls": urls}, method="PUT")
    made.post(f"/api/v1/notifications/routes/{route['id']}/test", {})
    broken = [f"nosuch://{planted.secret('broken route', signs=False)}"]
    made.post("/api/v1/notifications/routes/day", {"urls": broken}, method="PUT")
    old, new = planted.secret("old password"), planted.secret("new password")
    made.post("/api/v1/me/password", {"old_password": old, "new_password": new}, method="PUT")
    made.post("/sign-in", {"token": planted.secret("wrong token", signs=False)})
    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "eve",
            "password": planted.secret("scim user")}  # fmt: skip
    made.post("/scim/v2/Users", user)


def go_round(made: Round) -> None:
    """Every system is looked at, diagnosed and synced; what can be told is."""
    http = made.live.admin.http

    def systems() -> list[dict[str, Any]]:
        return list(http.get("/api/v1/systems", params={"limit": 1000}).json()["items"])

    ids = {one["name"]: one["id"] for one in systems()}
    assert len(ids) == 13
    fields = [{"target": name, "source": name} for name in ("userName", "active")]
    mapping = {
        "name": "people", "source_id": ids["scim-users"], "target_id": ids["scim-people"],
        "definition": {"source_resource": "Users", "target_resource": "Users", "key": "userName", "fields": fields},
    }  # fmt: skip
    kept = made.post("/api/v1/sync-mappings", mapping)
    made.post(f"/api/v1/sync-mappings/{kept['id']}/run", {"sync_type": "full"})
    for system_id in ids.values():
        made.post(f"/api/v1/systems/{system_id}/check", {})
        made.post(f"/api/v1/systems/{system_id}/access-check", {})
    until(lambda: all(one["health"]["checked_at"] for one in systems()))
    until(lambda: http.get("/api/v1/incidents").json()["items"])
    until(lambda: http.get("/api/v1/sync-operations").json()["items"][0]["status"] != "planning")
    until(lambda: len(made.receiver.spans) > 20)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_no_answer_of_the_api_or_the_console_holds_one(a_round: Round) -> None:
    http = a_round.live.admin.http
    paths = http.get("/api/schema/").json()["paths"]
    asked, leaks = 0, list[str]()
    ids: dict[str, list[str]] = {}
    for path in sorted(paths, key=len):  # lists come before what they list
        if "get" not in paths[path] or path.endswith(("/stream", "/live")):
            continue
        for address in _addresses(path, ids):
            answer = http.get(address, timeout=20)
            asked += 1
            leaks += [f"{address}: {found}" for found in a_round.planted.found_in(answer.content + _heads(answer))]
            _remember(path, answer, ids)
    for path in ("/", "/systems", "/incidents", "/syncs", "/audit", "/settings", "/operators", "/overview",
                 *(f"/systems/{each}" for each in ids.get("/api/v1/systems", ()))):  # fmt: skip
        leaks += [f"{path}: {found}" for found in a_round.planted.found_in(http.get(path).content)]
    assert leaks == []
    assert asked > 60


def _addresses(path: str, ids: dict[str, list[str]]) -> list[str]:
    if "{" not in path:
        return [path]
    before, _, rest = path.partition("/{")
    behind = rest.partition("}")[2]
    return [f"{before}/{each}{behind}" for each in ids.get(before, [])[:4]] if "{" not in behind else []


def _remember(path: str, answer: httpx.Response, ids: dict[str, list[str]]) -> None:
    if answer.headers.get("content-type", "").startswith("application/json") and isinstance(
        found := answer.json(), dict
    ):
        items = found.get("items") or []
        ids.setdefault(path, []).extend(str(one["id"]) for one in items if isinstance(one, dict) and "id" in one)


def _heads(answer: httpx.Response) -> bytes:
    return repr(answer.headers.raw).encode()


def test_no_row_of_the_database_holds_one(a_round: Round) -> None:
    live, rows, leaks, told = a_round.live, 0, list[str](), 0
    tables = live.sql(
        "select format('%I.%I', schemaname, tablename) from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )
    for (table,) in tables:
        for (row,) in live.sql(f"select t::text from {table} t"):
            rows += 1
            told += "you sent" in row
            leaks += [f"{table}: {found}" for found in a_round.planted.found_in(row.encode())]
    assert leaks == []
    assert rows > 200
    assert told > 3, "what the server repeats has been kept, without the credentials"


def test_no_file_of_its_home_holds_one(a_round: Round) -> None:
    """Its log, and the database's own files and log of changes, byte by byte."""
    a_round.live.sql("checkpoint")
    looked_at, leaks = 0, list[str]()
    for path in a_round.live.home.rglob("*"):
        # what was not written since can't hold one
        if path.is_file() and path.name not in _KEYS and path.stat().st_mtime >= a_round.began:
            content = path.read_bytes()
            looked_at += len(content)
            leaks += [f"{path.relative_to(a_round.live.home)}: {found}" for found in a_round.planted.found_in(content)]
    assert leaks == []
    assert looked_at > 1_000_000
    assert (a_round.live.home / "stderr").stat().st_size > 10_000, "it logged what it did"


def test_no_trace_holds_one(a_round: Round) -> None:
    assert a_round.planted.found_in(repr(a_round.receiver.spans).encode()) == []
    assert len(a_round.receiver.spans) > 20


def test_nothing_that_the_command_line_shows_holds_one(a_round: Round) -> None:
    for words in (["systems", "show", "web", "--json"], ["standing-orders", "export"], ["doctor"]):
        ran = a_round.live.admin.cli(*words)
        assert a_round.planted.found_in((ran.stdout + ran.stderr).encode()) == [], words
        assert ran.stdout


def test_the_search_finds_what_is_there_in_each_encoding() -> None:
    import base64
    from urllib.parse import quote

    planted = Planted()
    secret = planted.secret("it")
    inside = [base64.b64encode(b"x" * n + secret.encode()) for n in range(3)]
    plain = [secret, quote(secret), json.dumps(secret), secret.encode().hex()]
    for encoded in [*inside, *(each.encode() for each in plain)]:
        assert planted.found_in(b"before " + encoded + b" behind"), encoded
    assert planted.found_in(b"nothing") == []

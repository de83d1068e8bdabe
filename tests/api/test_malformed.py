"""Malformed input to every route of the OpenAPI document: a clear 4xx that names the field, and nothing done.

The routes and their fields are taken from the document itself, so a new one is covered by being there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from support.instance import Instance, Tenant
from support.openapi import SPECIMENS, Operation, example, operations, wrong_values
from support.problems import named_fields, problem_of, why_no_problem

JSON = "application/json"
EVENTS = "/api/v1/events"


class Complaints:
    """What did not go as it should, all of it, so that one run tells everything."""

    def __init__(self) -> None:
        self.asked = 0
        self._all: list[str] = []

    def judge(self, what: str, response: httpx.Response, *, field: str | None = None) -> None:
        """A refusal, that names `field` (or something inside of it) if one is given."""
        self.asked += 1
        why = why_no_problem(response)
        if why is None and field is not None:
            named = named_fields(response)
            if not any(name == field or name.startswith(f"{field}.") for name in named):
                why = f"names {sorted(named)}, not {field}: {response.text[:200]}"
        if why is not None:
            self._all.append(f"{what}: {why}")

    def settle(self, *, at_least: int) -> None:
        assert not self._all, "\n".join(self._all)
        assert self.asked >= at_least, f"only {self.asked} requests were made"


@pytest.fixture
async def everything(instance: Instance) -> list[Operation]:
    found = await operations(instance.client())
    assert len(found) > 35
    return found


@pytest.fixture
def with_bodies(everything: list[Operation]) -> list[Operation]:
    return [operation for operation in everything if operation.schema is not None]


@pytest.fixture
async def asker(instance: Instance) -> AsyncIterator[Tenant]:
    """A tenant whose owner may ask everything; after the test nothing was done for it."""
    one = await instance.tenant(roles=("owner", "platform"))
    before = {table: one.count(table) for table in ("audit_entries", "operators", "tokens")}
    yield one
    for table in ("action_runs", "events", "incidents", "systems", "troubleshooting_sessions"):
        assert one.count(table) == 0, f"malformed input left a row in {table}"
    for table, rows in before.items():
        assert one.count(table) == rows, f"malformed input left a row in {table}"


async def send(asker: Tenant, operation: Operation, body: bytes, kind: str | None = JSON) -> httpx.Response:
    headers = {} if kind is None else {"Content-Type": kind}
    return await asker.http.request(operation.method, operation.url(), content=body, headers=headers)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


async def test_each_missing_field_is_named(asker: Tenant, with_bodies: list[Operation]) -> None:
    complaints = Complaints()
    for operation in with_bodies:
        whole = example(operation.schema)
        for name in operation.schema.get("required", []):
            body = {key: value for key, value in whole.items() if key != name}
            complaints.judge(f"{operation} without {name}", await send(asker, operation, encoded(body)), field=name)
    complaints.settle(at_least=20)


async def test_each_unknown_field_is_named(asker: Tenant, with_bodies: list[Operation]) -> None:
    complaints = Complaints()
    for operation in with_bodies:
        for name in ("surprise", "tenant_id", "__proto__", "\x1b[2J", "ж" * 300, ""):
            body = {**example(operation.schema), name: "x"}
            response = await send(asker, operation, encoded(body))
            complaints.judge(f"{operation} with {name!r}", response, field=name or "body")
    complaints.settle(at_least=100)


async def test_each_wrong_value_is_named(asker: Tenant, with_bodies: list[Operation]) -> None:
    complaints = Complaints()
    for operation in with_bodies:
        fits = example(operation.schema)
        for name, schema in operation.schema["properties"].items():
            for wrong in wrong_values(schema):
                response = await send(asker, operation, encoded({**fits, name: wrong}))
                complaints.judge(f"{operation} with {name}={repr(wrong)[:60]}", response, field=name)
    complaints.settle(at_least=300)


def broken_bodies() -> dict[str, bytes]:
    """Bodies that are wrong whatever the route."""
    return {
        "no JSON": b"{not json",
        "cut off": b'{"message": "x"',
        "two values": b"{} {}",
        "trailing comma": b'{"message": "x",}',
        "single quotes": b"{'message': 'x'}",
        "a comment": b"{} // done",
        "spaces only": b"   ",
        "a raw NUL": b'{"message": "a\x00b"}',
        "a NUL alone": b"\x00",
        "an escaped NUL": b'{"message": "a\\u0000b"}',
        "an escaped NUL in a key": b'{"a\\u0000b": 1}',
        "an escaped NUL deep inside": b'{"context": {"a": [{"b": "\\u0000"}]}}',
        "a lone high surrogate": b'{"message": "\\ud800"}',
        "a lone low surrogate": b'{"message": "\\udc00x"}',
        "swapped surrogates": b'{"message": "\\udc00\\ud800"}',
        "a lone surrogate in a key": b'{"\\uD83D": 1}',
        "bad UTF-8": b'{"message": "\xff\xfe"}',
        "an overlong NUL": b'{"message": "\xc0\x80"}',
        "an encoded surrogate": b'{"message": "\xed\xa0\x80"}',
        "latin-1": '{"message": "é"}'.encode("latin-1"),
        "UTF-16": '{"message": "x"}'.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf{}",
        "10,000 lists deep": b"[" * 10_000 + b"]" * 10_000,
        "10,000 objects deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "100,000 deep and unclosed": b"[" * 100_000,
        "65 deep": b'{"context":' + b"[" * 64 + b"]" * 64 + b"}",
        "NaN": b'{"message": NaN}',
        "Infinity": b'{"message": Infinity}',
        "-Infinity": b'{"context": {"a": -Infinity}}',
        "1e999": b'{"context": {"a": 1e999}}',
        "-1E+400": b'{"context": {"a": -1E+400}}',
        "infinite without an exponent": b'{"context": {"a": ' + b"9" * 350 + b".0}}",
        "infinite by a short exponent": b'{"context": {"a": ' + b"9" * 350 + b"e9}}",
        "an integer of 399 digits": b'{"context": {"a": ' + b"9" * 399 + b"}}",
        "an integer of 5,000 digits": b'{"context": {"a": ' + b"9" * 5_000 + b"}}",
        "hexadecimal": b'{"context": {"a": 0x10}}',
        "a leading zero": b'{"context": {"a": 007}}',
    }


async def test_no_broken_body_is_taken_anywhere(asker: Tenant, everything: list[Operation]) -> None:
    complaints = Complaints()
    for operation in everything:
        if operation.method == "GET":
            continue
        for name, body in broken_bodies().items():
            response = await send(asker, operation, body)
            complaints.judge(f"{operation} with {name}", response)
            if response.status_code < 500 and not named_fields(response):
                complaints.judge(f"{operation} with {name} names nothing", response, field="any")
    complaints.settle(at_least=600)


async def test_a_body_must_be_an_object(asker: Tenant, with_bodies: list[Operation]) -> None:
    complaints = Complaints()
    for operation in with_bodies:
        for kind, value in {**SPECIMENS, "array": [1], "long": "x" * 10_000}.items():
            if kind == "object" or (kind == "null" and not operation.body_required):
                continue
            complaints.judge(f"{operation} with a {kind}", await send(asker, operation, encoded(value)))
        if operation.body_required:
            complaints.judge(f"{operation} with nothing", await send(asker, operation, b""))
            complaints.judge(f"{operation} with nothing of no kind", await send(asker, operation, b"", None))
    complaints.settle(at_least=100)


async def test_only_json_is_taken(asker: Tenant, with_bodies: list[Operation]) -> None:
    complaints = Complaints()
    kinds = (
        "text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "application/jsonx",
        "multipart/form-data", "multipart/form-data; boundary=x", "application/octet-stream", "nonsense", "", ";", "/",
    )  # fmt: skip
    for operation in with_bodies:
        fits = encoded(example(operation.schema, whole=True) or {"reason": "x"})
        for kind in kinds:
            complaints.judge(f"{operation} as {kind!r}", await send(asker, operation, fits, kind))
        for kind in ("text/plain", "", "application/xml"):  # the guard looks at JSON only: nothing may slip past it
            for name in ("an escaped NUL", "10,000 lists deep", "bad UTF-8", "1e999"):
                response = await send(asker, operation, broken_bodies()[name], kind)
                complaints.judge(f"{operation} with {name} as {kind!r}", response)
    complaints.settle(at_least=200)


async def test_a_body_over_the_limit_is_refused(asker: Tenant, everything: list[Operation]) -> None:
    settings = asker.instance.house.settings
    big = {EVENTS: settings.max_ingest_bytes}
    for operation in everything:
        if operation.method == "GET":
            continue
        limit = big.get(operation.path, settings.max_body_bytes)
        body = b'{"message": "' + b"x" * limit + b'"}'
        problem_of(await send(asker, operation, body), 413)

        async def in_parts(body: bytes = body) -> AsyncIterator[bytes]:
            for start in range(0, len(body), 65_536):
                yield body[start : start + 65_536]

        declared_nothing = await asker.http.request(
            operation.method, operation.url(), content=in_parts(), headers={"Content-Type": JSON}
        )
        problem_of(declared_nothing, 413)


async def test_bad_ids_in_the_path_are_named(asker: Tenant, everything: list[Operation]) -> None:
    complaints = Complaints()
    bad = ("nope", "1", "%00", "a%00b", "%FF%FE", "a" * 5_000, "..%2F..%2Fme", "'; drop table x;--", "%7B%7B7*7%7D%7D")
    for operation in everything:
        if not operation.path_parameters:
            continue
        body = encoded(example(operation.schema)) if operation.schema else b""
        for value in bad:
            path = operation.path
            for name in operation.path_parameters:
                path = path.replace(f"{{{name}}}", value if "%" in value else quote(value))
            response = await asker.http.request(operation.method, path, content=body, headers={"Content-Type": JSON})
            complaints.judge(f"{operation} with the id {value[:20]}", response)
        unknown = await asker.http.request(
            operation.method, operation.url(), content=body, headers={"Content-Type": JSON}
        )
        complaints.judge(f"{operation} with an unknown id", unknown)
        assert unknown.status_code in (403, 404), f"{operation}: {unknown.status_code} {unknown.text}"
    complaints.settle(at_least=100)


async def test_bad_query_values_are_named(asker: Tenant, everything: list[Operation]) -> None:
    complaints = Complaints()
    for operation in everything:
        body = encoded(example(operation.schema)) if operation.schema else b""
        for parameter in operation.parameters:
            if parameter["in"] != "query":
                continue
            for wrong in _bad_query_values(parameter["schema"]):
                response = await asker.http.request(
                    operation.method,
                    f"{operation.url()}?{parameter['name']}={wrong}",
                    content=body,
                    headers={"Content-Type": JSON},
                )
                complaints.judge(f"{operation}?{parameter['name']}={wrong[:30]}", response, field=parameter["name"])
        nul = await asker.http.request(operation.method, f"{operation.url()}?anything=a%00b", content=body)
        complaints.judge(f"{operation} with NUL in the query", nul, field="anything")
    complaints.settle(at_least=80)


def _bad_query_values(schema: dict[str, Any]) -> list[str]:
    choices = schema.get("anyOf") or [schema]
    found = ["%00", "x%00"]
    for choice in choices:
        kind = choice.get("type")
        if kind == "integer":
            found += ["abc", "1.5", "1e3", "0x10", "", "9" * 30, "9" * 5_000, str(choice["minimum"] - 1)]
            found.append(str(choice["maximum"] + 1))
        elif choice.get("format") == "uuid" or "enum" in choice or kind == "array":
            found += ["nope", "'; drop table x;--", "a" * 5_000, "%F0%28%8C%28"]
        elif "maxLength" in choice:
            found.append("x" * (choice["maxLength"] + 1))
    return found


async def test_a_header_out_of_bounds_is_named(asker: Tenant, everything: list[Operation]) -> None:
    complaints = Complaints()
    for operation in everything:
        for parameter in operation.parameters:
            if parameter["in"] == "header":
                response = await asker.http.request(
                    operation.method,
                    operation.url(),
                    json=example(operation.schema or {}),
                    headers={parameter["name"]: "x" * 201},
                )
                complaints.judge(f"{operation} with a long {parameter['name']}", response, field=parameter["name"])
    complaints.settle(at_least=2)


async def test_unknown_paths_and_methods_are_problems_too(asker: Tenant) -> None:
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/api/v1/nothing", 404),
        ("GET", "/api/v1/systems/a/b/c", 404),
        ("DELETE", "/api/v1/systems", 405),
        ("PATCH", "/api/v1/events", 405),
        ("TRACE", "/livez", 405),
        ("GET", "/api/v1/%00", 422),
        ("GET", "/api/schema/static/../../../../etc/passwd", 404),
        ("GET", "/api/schema/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd", 404),
    ):
        problem_of(await asker.http.request(method, path), status)


async def test_sign_in_takes_nothing_malformed(asker: Tenant) -> None:
    own_page = {"Origin": "http://instance.test"}
    bodies = [b"", b"token=", b"token=%00", b"\xff\xfe", b"token=%ED%A0%80", b"a=" * 50_000, b"&" * 100_000, b"{}"]
    for body in bodies:
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain", JSON):
            answer = await asker.http.post("/sign-in", content=body, headers={**own_page, "Content-Type": kind})
            assert 400 <= answer.status_code < 500, f"{body[:20]!r} as {kind}: {answer.status_code}"
            assert "set-cookie" not in answer.headers
    for query in ("code=", "code=%00", f"code={'x' * 201}", "code=%FF", "code=ops_unknown"):
        answer = await asker.http.get(f"/sign-in?{query}")
        assert answer.status_code in (200, 401, 422), query
        assert "set-cookie" not in answer.headers


async def test_bad_lines_of_ndjson_are_rejected_by_row(tenant: Tenant) -> None:
    bad = list(broken_bodies().values())
    lines = [b'{"message": "first"}', *bad, b"", b'{"message": 5}', b'{"surprise": 1}', b'{"message": "last"}']
    body = b"\n".join(lines)
    for kind in ("application/x-ndjson", "application/jsonl"):
        answer = await tenant.http.post(EVENTS, content=body, headers={"Content-Type": kind})
        assert answer.status_code == 202, answer.text
        told = answer.json()
        assert told["accepted"] == len(told["events"]) == 2
        rows = {rejected["row"] for rejected in told["rejected"]}
        blank = sum(not line.strip() for line in bad)  # blank lines are no rows
        last = 1 + len(bad) - blank + 2
        assert rows == set(range(2, last + 1))
        assert all(rejected["field"] and rejected["reason"] for rejected in told["rejected"])
        fields = {rejected["field"] for rejected in told["rejected"] if rejected["row"] >= last - 1}
        assert fields == {"message", "surprise"}
    assert tenant.count("events") == 4


async def test_ndjson_without_a_good_line_is_refused(asker: Tenant) -> None:
    kind = {"Content-Type": "application/x-ndjson"}
    for body in (b"", b"\n\n\n", b"nonsense\n", b"[]\n1\nnull\n", b'{"message": "\\u0000"}\n'):
        assert named_fields(await asker.http.post(EVENTS, content=body, headers=kind))
        problem_of(await asker.http.post(EVENTS, content=body, headers=kind), 422)


async def test_a_batch_with_bad_rows_is_taken_but_for_those(tenant: Tenant) -> None:
    batch = [
        {"message": "good"},
        {"message": "bad", "severity": "purple"},
        "no object",
        {"message": "also good", "severity": "P1"},
        {"message": "x", "occurred_at": "2026-01-01T00:00:00"},
        {"message": "x", "occurred_at": "0001-01-01T00:00:00+14:00"},
        {"message": "x", "occurred_at": "9999-12-31T23:59:59-14:00"},
        {"message": "x", "occurred_at": 0},
    ]
    answer = await tenant.http.post(EVENTS, json=batch)
    assert answer.status_code == 202
    told = answer.json()
    assert told["accepted"] == 2
    assert [(rejected["row"], rejected["field"]) for rejected in told["rejected"]] == [
        (2, "severity"), (3, "body"), *((row, "occurred_at") for row in (5, 6, 7, 8)),
    ]  # fmt: skip
    assert tenant.count("events") == 2


async def test_a_batch_without_a_good_row_is_refused(asker: Tenant) -> None:
    problem_of(await asker.http.post(EVENTS, json=[]), 422)
    answer = await asker.http.post(EVENTS, json=[{"message": 1}, {"text": "x"}])
    problem_of(answer, 422)
    assert named_fields(answer) == {"1.message", "2.message", "2.text"}


@pytest.mark.parametrize("kind", [JSON, "application/x-ndjson"])
async def test_too_many_events_at_once_are_refused(asker: Tenant, kind: str) -> None:
    most = asker.instance.house.settings.max_events_per_request
    one = b'{"message": "x"}'
    body = b"[" + b",".join([one] * (most + 1)) + b"]" if kind == JSON else b"\n".join([one] * (most + 1))
    answer = await asker.http.post(EVENTS, content=body, headers={"Content-Type": kind})
    problem_of(answer, 422)
    assert named_fields(answer) == {"body"}


async def test_a_crash_says_only_its_id(instance: Instance) -> None:
    """The one 5xx there may be, made on purpose: it is a problem document, and tells nothing of what happened."""
    from opsteward.api.app import build_app
    from opsteward.bootstrap.application import rooms_of

    def broken() -> dict[str, bool]:
        raise ZeroDivisionError("a secret detail")

    transport = httpx.ASGITransport(build_app(rooms_of(instance.house, broken)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://instance.test") as client:
        answer = await client.get("/readyz", headers={"X-Correlation-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlation_id"] == "find-me"
    assert "secret" not in answer.text

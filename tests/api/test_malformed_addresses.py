"""Malformed ids, queries and headers to every route, what is nowhere, and clients that leave: never a crash."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from opsteward.api.app import build_app
from opsteward.app.request_services import api_services_of
from support.instance import Instance, Tenant
from support.malformed import JSON, Complaints, encoded
from support.openapi import Operation, example
from support.problems import named_fields, problem_of


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
        if not any(name.endswith(("_id", "id")) for name in operation.path_parameters) and operation.method == "PUT":
            continue  # a name that is new is one to be given
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
        if operation.path == "/api/v1/help/documents":
            body = b"a text"
        for parameter in operation.parameters:
            if parameter["in"] != "query":
                continue
            for wrong in _bad_query_values(parameter["schema"]):
                path = operation.url() if not parameter.get("required") else operation.url().partition("?")[0]
                response = await asker.http.request(
                    operation.method,
                    f"{path}{'&' if '?' in path else '?'}{parameter['name']}={wrong}",
                    content=body,
                    headers={"Content-Type": JSON},
                )
                complaints.judge(f"{operation}?{parameter['name']}={wrong[:30]}", response, field=parameter["name"])
        nul = await asker.http.request(
            operation.method, f"{operation.url().partition('?')[0]}?anything=a%00b", content=body
        )
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
                    json=example(operation.schema),
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


async def test_a_crash_says_only_its_id(instance: Instance) -> None:
    """The one 5xx there may be, made on purpose: it is a problem document, and tells nothing of what happened."""

    def broken() -> dict[str, bool]:
        raise ZeroDivisionError("a secret detail")

    transport = httpx.ASGITransport(build_app(api_services_of(instance.services, broken)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://instance.test") as client:
        answer = await client.get("/readyz", headers={"X-Correlation-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlation_id"] == "find-me"
    assert "secret" not in answer.text


async def test_a_client_that_leaves_is_no_crash(asker: Tenant) -> None:
    """It hangs up in the middle of its body: nobody is left to answer, and nothing went wrong here."""
    parts = iter([{"type": "http.request", "body": b'{"message": "x', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/events", "raw_path": b"/api/v1/events", "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"authorization", f"Bearer {asker.owner.token}".encode())],
        "scheme": "http", "server": ("instance.test", 80),
        "client": ("127.0.0.1", 1), "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    await asker.instance.app(scope, receive, send)
    assert sent == []


async def test_an_endpoint_that_is_none_is_refused_by_name(asker: Tenant) -> None:
    web, database = {"type": "api", "endpoint": "http://127.0.0.1:9/"}, {"type": "database", "endpoint": ""}
    for system, field, value in (
        (web, "health_check_url", "http://[::1"),
        (web, "health_check_url", "http://\u2100/"),
        (database, "endpoint", "postgresql://h/db?port=%C2%B2"),
        (database, "endpoint", "postgresql://h/db?port=%D9%A1%D9%A2"),
        (database, "endpoint", "supervisor+unix:///etc/passwd"),
    ):
        answer = await asker.http.post(
            "/api/v1/systems", json={"name": "shop", "credentials": {"username": "u"}, **system, field: value}
        )
        problem_of(answer, 422)
        assert named_fields(answer) == {field}, value

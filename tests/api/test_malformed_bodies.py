"""Malformed bodies to every route of the OpenAPI document: a clear 4xx that names the field, and nothing done.

The routes and their fields are taken from the document itself, so a new one is covered by being there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.instance import Tenant
from support.malformed import JSON, Complaints, broken_bodies, encoded, headers_of, is_in_share, send
from support.openapi import SPECIMENS, Operation, example, wrong_values
from support.problems import named_fields, problem_of


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


@pytest.mark.slow(reason="sends every broken body to every route")
async def test_no_broken_body_is_taken_anywhere(asker: Tenant, everything: list[Operation]) -> None:
    complaints = Complaints()
    for number, operation in enumerate(one for one in everything if one.method != "GET"):
        for turn, (name, body) in enumerate(broken_bodies().items()):
            if not is_in_share(number, turn, of=3):
                continue
            if operation.path == "/api/v1/help/documents":
                continue  # any text is a document
            if name == "two values" and operation.path.endswith("/bulk-import"):
                continue  # two rows of a file: the next test
            response = await send(asker, operation, body)
            complaints.judge(f"{operation} with {name}", response)
            if response.status_code < 500 and not named_fields(response):
                complaints.judge(f"{operation} with {name} names nothing", response, field="any")
    complaints.settle(at_least=600)


async def test_two_objects_for_a_bulk_import_are_two_refused_rows(tenant: Tenant) -> None:
    response = await tenant.http.post(
        "/api/v1/users/bulk-import",
        content=broken_bodies()["two values"],
        headers={"Content-Type": "application/json"},
    )
    report = response.json()
    assert (report["successful_imports"], report["failed_imports"]) == (0, 2)
    assert {error["row"] for error in report["errors"]} == {1, 2}
    assert tenant.count("users") == 0


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
    # the guard looks at JSON only: nothing may slip past it
    slipping = [
        (name, kind)
        for kind in ("text/plain", "", "application/xml")
        for name in ("an escaped NUL", "10,000 lists deep", "bad UTF-8", "1e999")
    ]
    bodies = broken_bodies()
    for number, operation in enumerate(with_bodies):
        fits = encoded(example(operation.schema, whole=True) or {"reason": "x"})
        for turn, kind in enumerate(kinds):
            if is_in_share(number, turn, of=3):
                complaints.judge(f"{operation} as {kind!r}", await send(asker, operation, fits, kind))
        for turn, (name, kind) in enumerate(slipping):
            if is_in_share(number, turn, of=5):
                response = await send(asker, operation, bodies[name], kind)
                complaints.judge(f"{operation} with {name} as {kind!r}", response)
    complaints.settle(at_least=200)


async def test_a_body_over_the_limit_is_refused(asker: Tenant, everything: list[Operation]) -> None:
    settings = asker.instance.services.settings
    large = (
        "/api/v1/events",
        "/api/v1/tasks/bulk",
        "/api/v1/users/bulk-import",
        "/api/v1/intake/{source}",
        "/api/v2/alerts",
    )
    big = dict.fromkeys(large, settings.api.max_ingest_bytes)
    big["/api/v1/help/documents"] = settings.help.help_max_document_bytes
    for operation in everything:
        if operation.method == "GET":
            continue
        limit = big.get(operation.path, settings.api.max_body_bytes)
        body = b'{"message": "' + b"x" * limit + b'"}'
        problem_of(await send(asker, operation, body), 413)

        async def in_parts(body: bytes = body) -> AsyncIterator[bytes]:
            for start in range(0, len(body), 65_536):
                yield body[start : start + 65_536]

        declared_nothing = await asker.http.request(
            operation.method, operation.url(), content=in_parts(), headers=headers_of(operation, JSON)
        )
        problem_of(declared_nothing, 413)

"""What the guard spares the process: bodies of nobody, bodies that cost more than they weigh, and a held-up loop."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from opsteward.accounts.types import Identity
from opsteward.api.capacity import Capacity
from opsteward.api.middleware.json_limits import check_json
from opsteward.api.middleware.request_body import Guard
from opsteward.api.settings import ApiSettings
from opsteward.core.errors import Invalid
from opsteward.core.ids import uuid7
from opsteward.core.plain_json import VALUES_LIMIT
from support.instance import Instance, Tenant
from support.problems import named_fields, problem_of

DEPTH = 64
MANY_LISTS = b"[" + b"[]," * 5_000_000 + b"[]]"


async def unread() -> AsyncIterator[bytes]:
    """A body that nobody may ask for."""
    pytest.fail("the body was read")
    yield b""


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/systems", "/api/v1/nothing", "/agent/analyze-event/"])
async def test_a_body_without_a_credential_is_not_read(instance: Instance, path: str) -> None:
    client = instance.client()
    for headers in ({}, {"Cookie": "opsteward_session="}, {"Cookie": "other=x"}, {"Authorization": ""}):
        answer = await client.post(path, content=unread(), headers=headers)
        assert problem_of(answer, 401)["code"] == "unauthenticated"
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    ["/v2/enqueue", "/v2/alerts", "/v1/logs", "/integrations/generic/20131114/alert/ops_gone/all", "/webhook/x",
     "/generic/2010-04-15/create_event.json", "/api/7/envelope/", "/api/v1/intake/generic"],
)  # fmt: skip
async def test_a_program_that_accepts_pages_is_refused_all_the_same(instance: Instance, path: str) -> None:
    java = {"Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}
    for headers in ({}, {"Authorization": "Bearer ops_gone"}):
        answer = await instance.client().post(path, json={}, headers=java | headers)
        assert answer.status_code in (400, 401, 403), answer.headers


async def test_a_form_of_a_session_that_ended_leads_to_sign_in(instance: Instance) -> None:
    answer = await instance.client().post("/incidents", data={}, headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize("host", ["[::1", "a?b", "a#b", "a/agent/health", ""])
async def test_the_host_named_changes_nothing(instance: Instance, host: str) -> None:
    answer = await instance.client().post("/api/v1/events", content=unread(), headers={"Host": host})
    problem_of(answer, 401)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/agent/health/", "/sign-in", "/api/schema/"])
async def test_what_is_public_stays_so(instance: Instance, path: str) -> None:
    assert (await instance.client().get(path)).status_code == 200


async def test_too_many_values_are_refused(tenant: Tenant) -> None:
    answer = await tenant.http.post("/api/v1/events", content=MANY_LISTS, headers={"Content-Type": "application/json"})
    assert problem_of(answer, 422)["errors"][0]["remedy"]
    assert named_fields(answer) == {"body"}


@pytest.mark.parametrize(
    "body",
    [
        MANY_LISTS,
        b"[" + b"1," * VALUES_LIMIT + b"1]",
        b'{"a":[' + b'{"b":{}},' * VALUES_LIMIT + b"{}]}",
        b'["' + b"," * VALUES_LIMIT + b'"' + b'""' * 4_000_000,
        b"[" + b'"\\",",' * VALUES_LIMIT + b"1]",
    ],
    ids=["lists", "numbers", "objects", "strings without commas", "escaped quotes"],
)
def test_it_is_refused_before_anything_is_made_of_it(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="body: holds more than"):
            check_json(body, max_depth=DEPTH)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_commas_and_brackets_within_strings_are_no_values() -> None:
    event = {"message": 'a "quoted", [long] {line}\\, ' * 10_000, "context": {"ключ,": ["x,"] * 1000}}
    value = [event] * 10
    for ascii_only in (True, False):
        assert check_json(json.dumps(value, ensure_ascii=ascii_only).encode(), max_depth=DEPTH) == value
    assert check_json(b"[" + b"0," * (VALUES_LIMIT - 2) + b"0]", max_depth=DEPTH)


def test_a_problem_under_a_long_key_costs_no_more_than_the_body() -> None:
    body = b'{"' + b"k" * 100_000 + b'": [1e999' + b", 0, 1e999" * 10_000 + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(Invalid) as caught:
            check_json(body, max_depth=DEPTH)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert len(caught.value.problems) == 20
    assert {p.problem for p in caught.value.problems} == {"is no finite number"}
    assert max(len(p.field) for p in caught.value.problems) <= 200


def test_a_problem_is_named_by_its_path() -> None:
    for body, field in (
        (b'{"a": [0, {"b": "x\\u0000"}]}', "a.1.b"),
        (b'{"a": {"b\\u0000": 1}}', "a"),
        (b'[1, [2, "\\ud800"]]', "1.1"),
        (b'"\\u0000"', "body"),
        (b'{"n": [-1e999]}', "n.0"),
    ):
        with pytest.raises(Invalid) as caught:
            check_json(body, max_depth=DEPTH)
        assert [p.field for p in caught.value.problems] == [field]


def test_short_runs_of_digits_take_about_as_long_as_other_text() -> None:
    """Each digit of a run is looked at a few times, not once for every digit before it."""

    def seconds(filling: bytes) -> float:
        # behind a number of many digits, which keeps it from being read the fast way
        body = b'[1234567890123456789, "' + (filling * 199 + b"x") * 40_000 + b'"]'
        started = time.process_time()
        check_json(body, max_depth=DEPTH)
        return time.process_time() - started

    assert seconds(b"1") < 3 * seconds(b"a") + 0.1


async def test_a_large_body_is_parsed_on_a_thread(tmp_path: Path) -> None:
    """The loop turns while a large body is looked at."""
    looked_at = json.dumps({"message": "x" * 100_000, "n": [1] * 20_000}).encode()
    handed_on: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handed_on.append((await receive())["body"] == looked_at)

    async def receive() -> Any:
        return {"type": "http.request", "body": looked_at, "more_body": False}

    async def send(message: Any) -> None:
        pytest.fail(f"refused: {message}")

    concurrency_limit = 0

    async def turn() -> None:
        nonlocal concurrency_limit
        while True:
            concurrency_limit += 1
            await asyncio.sleep(0)

    identity = Identity(
        tenant_id=uuid7(), tenant_name="t", operator_id=uuid7(), operator_name="ada", roles=("owner",),
        token_id=uuid7(), kind="api",
    )  # fmt: skip
    turning = asyncio.create_task(turn())
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/systems", "query_string": b"", "scheme": "http",
        "headers": [(b"content-type", b"application/json"), (b"authorization", b"Bearer x")],
        "server": ("instance.test", 80),
    }  # fmt: skip

    async def recognise(_: Request) -> Identity:
        return identity

    settings = ApiSettings()
    await Guard(app, settings=settings, capacity=Capacity.of(settings, connections=20), recognise=recognise)(
        scope, receive, send
    )
    turning.cancel()
    assert handed_on == [True]
    assert concurrency_limit > 0


async def test_a_refused_method_says_which_are_allowed(tenant: Tenant) -> None:
    for method, path, allowed in (
        ("DELETE", "/api/v1/systems", "GET, POST"),
        ("GET", "/api/v1/controls/pause", "POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("POST", "/api/schema/static/swagger-ui.css", "GET, HEAD"),
    ):
        answer = await tenant.http.request(method, path, json={})
        problem_of(answer, 405)
        assert answer.headers["allow"] == allowed, path


async def test_liveness_may_be_asked_by_head(instance: Instance) -> None:
    assert (await instance.client().head("/livez")).status_code == 200


async def test_an_unusable_length_is_no_crash(tenant: Tenant) -> None:
    for length in (b"\xb2", b"9" * 5_000):
        answer = await tenant.http.post(
            "/api/v1/systems", content=b"{}", headers=[(b"content-length", length), (b"content-type", b"text/plain")]
        )
        assert 400 <= answer.status_code < 500

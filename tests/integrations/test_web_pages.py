"""Pages, their files, their TLS, APIs and operators' endpoints, on real servers of this process."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from real_parts import connector_for, free_port, system

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Timeout, Unreachable
from opsteward.integrations import web
from opsteward.lab import certificates
from opsteward.lab.folder import LabFolder

#: Path -> status, headers, body.
Site = Mapping[str, tuple[int, Mapping[str, str], str]]
HTML = {"Content-Type": "text/html"}
PAGE = (200, HTML, '<title>Shop</title><h1>Shop</h1><script src="/app.js"></script><img src="/logo.png">')
FILES: Site = {"/app.js": (200, {"Content-Type": "text/javascript"}, "1"), "/logo.png": (200, {}, "x")}
CHECKS = {check.slug: check for check in web.INTEGRATION.checks}


@asynccontextmanager
async def serving(site: Site, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        key = path if path in site else "*"
        status, headers, body = site.get(key, (404, {}, "no such path"))
        if "needs" in headers and f"Bearer {headers['needs']}" not in head:
            status, headers, body = 401, {}, "no"
        data = b"" if method == "HEAD" else body.encode()
        lines = [f"HTTP/1.1 {status} X", "Connection: close", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if name != "needs"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def look(slug: str, url: str, credentials: Mapping[str, str] | None = None, **settings: Any) -> CheckResult:
    target = system(url, **settings)
    assert CHECKS[slug].fits(target)
    via = connector_for(web.INTEGRATION, target, credentials or {})
    return await CHECKS[slug].run(via, target)


def types(result: CheckResult) -> list[str]:
    """Without what is only advice."""
    return [finding.type for finding in result.findings if finding.type != "security_headers"]


async def page(site: Site, **settings: Any) -> CheckResult:
    async with serving(site) as port:
        return await look("web.page", f"http://127.0.0.1:{port}/", **settings)


async def test_a_page_with_all_its_files_is_well() -> None:
    result = await page({"/": PAGE, **FILES})
    assert (result.status, types(result)) == (CheckStatus.PASS, [])


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ({"/": PAGE, "/logo.png": FILES["/logo.png"]}, ["asset_missing"]),
        ({"/": PAGE, "*": PAGE}, ["asset_missing"]),  # a start page in the place of a chunk that is gone
        ({"/": (200, HTML, "<title>Error</title><h1>Internal Server Error</h1>")}, ["error_page"]),
        ({"/": (200, HTML, "<h1>Welcome to nginx!</h1>")}, ["default_page"]),
        ({"/": (200, HTML, "")}, ["blank_page"]),
    ],
)
async def test_a_page_that_looks_well_by_its_status_alone(site: Site, expected: list[str]) -> None:
    result = await page(site)
    assert (result.status, types(result)) == (CheckStatus.FAIL, expected)


async def test_a_chunk_that_a_script_imports_is_missed_too() -> None:
    script = {"/app.js": (200, {"Content-Type": "text/javascript"}, 'import("./cart-1a.js")')}
    result = await page({"/": PAGE, **FILES, **script})
    (finding,) = (each for each in result.findings if each.type == "asset_missing")
    assert "cart-1a.js" in str(finding.evidence["files"])


async def test_what_a_page_must_show_is_looked_for() -> None:
    result = await page({"/": PAGE, **FILES}, page_contains=["Shop", "Basket"])
    assert types(result) == ["content_missing"]


async def test_what_is_no_page_is_not_judged() -> None:
    result = await page({"/": (200, {"Content-Type": "application/json"}, "{}")})
    assert result.status is CheckStatus.UNKNOWN


async def test_a_page_that_fails_while_its_health_page_is_well() -> None:
    async with serving({"/": (500, HTML, "x"), "/health": (200, {}, "ok")}) as port:
        target = system(f"http://127.0.0.1:{port}/", health_check_url="/health")
        via = connector_for(web.INTEGRATION, target, {})
        assert types(await CHECKS["web.page"].run(via, target)) == ["http_error"]
        assert (await CHECKS["web.http_status"].run(via, target)).status is CheckStatus.PASS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LabFolder:
    folder = LabFolder(tmp_path_factory.mktemp("authority"))
    certificates.make_authority(folder)
    return folder


def context(folder: LabFolder) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder.tls / "server.pem", folder.tls / "server.key")
    return made


@pytest.mark.parametrize(
    ("how", "expected", "status"),
    [
        ({}, [], CheckStatus.PASS),
        ({"days": -3}, ["certificate_expired"], CheckStatus.FAIL),
        ({"days": 40, "began_days_ago": -2}, ["certificate_not_yet_valid"], CheckStatus.FAIL),
        ({"days": 3}, ["certificate_ends"], CheckStatus.WARN),
        ({"names": ("other.example",)}, ["certificate_name"], CheckStatus.FAIL),
        ({"self_signed": True}, ["certificate_untrusted"], CheckStatus.FAIL),
        ({"with_chain": False}, ["certificate_chain"], CheckStatus.FAIL),
    ],
)
async def test_each_fault_of_a_certificate_is_told_by_name(
    authority: LabFolder, how: dict[str, Any], expected: list[str], status: CheckStatus
) -> None:
    certificates.issue(authority, **how)
    async with serving({"/": PAGE, **FILES}, context(authority)) as port:
        url = f"https://localhost:{port}/"
        result = await look("web.tls", url, certificate_authority=certificates.root(authority))
    assert (types(result), result.status) == (expected, status)


async def test_a_server_without_tls_is_told_from_one_with_a_bad_certificate(authority: LabFolder) -> None:
    async with serving({"/": PAGE}) as port:
        assert types(await look("web.tls", f"https://localhost:{port}/")) == ["tls_not_spoken"]


async def test_many_servers_that_do_not_answer_keep_no_other_work_from_a_thread() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        silent.setblocking(False)
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        looks = [asyncio.create_task(look("web.tls", url, timeout_seconds=2.0)) for _ in range(40)]
        reached = [(await asyncio.get_running_loop().sock_accept(silent))[0] for _ in range(32)]
        began = time.monotonic()
        await in_thread(len, "work")
        assert time.monotonic() - began < 0.5
    ends = await asyncio.gather(*looks, return_exceptions=True)
    for connection in reached:
        connection.close()
    # those that were reset when it closed are told as what does not speak TLS
    assert {type(end) for end in ends} <= {Timeout, Unreachable, CheckResult}


async def test_parts_over_plain_http_are_told_of_a_secure_page(authority: LabFolder) -> None:
    certificates.issue(authority)
    mixed = (200, HTML, '<h1>Shop</h1><script src="http://cdn.example/a.js"></script>')
    async with serving({"/": mixed}, context(authority)) as port:
        url = f"https://localhost:{port}/"
        result = await look("web.page", url, certificate_authority=certificates.root(authority))
    assert (types(result), result.status) == (["mixed_content"], CheckStatus.WARN)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((200, {}, '{"id": 1}'), []),
        ((200, {}, '{"id": "1"}'), ["api_contract_drift"]),
        ((200, {}, "<h1>hello</h1>"), ["api_contract_drift"]),
        ((401, {"WWW-Authenticate": 'Bearer error_description="The token has expired"'}, ""), ["credential_expired"]),
        ((401, {}, "who are you"), ["credential_refused"]),
        ((403, {}, "no"), ["right_missing"]),
        ((429, {"Retry-After": "30"}, "slow down"), ["rate_limited"]),
        ((500, {}, "oops"), ["api_error"]),
    ],
)
async def test_an_api_is_held_against_what_it_promises(answer: tuple[int, Any, str], expected: list[str]) -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    responses = {"200": {"content": {"application/json": {"schema": schema}}}}
    document = json.dumps({"paths": {"/v1/me": {"get": {"responses": responses}}}})
    async with serving({"/v1/me": answer, "/openapi.json": (200, {}, document)}) as port:
        api = {"openapi": "/openapi.json", "paths": ["/v1/me"]}
        result = await look("web.api", f"http://127.0.0.1:{port}/", {"token": "secret-token-1"}, api=api)
    assert types(result) == expected
    assert "secret-token-1" not in repr(result)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ((404, {}, "no"), "it is no OpenAPI document in JSON (status 404)"),
        ((200, {}, "openapi: 3.1.0"), "it is no OpenAPI document in JSON (status 200)"),
        ((200, {}, json.dumps({"paths": {}, "info": "x" * 1_100_000})), "it is too large to be held against"),
    ],
)
async def test_a_promise_that_can_t_be_read_is_said_to_be_unseen(document: tuple[int, Any, str], why: str) -> None:
    async with serving({"/v1/me": (200, {}, "{}"), "/openapi.json": document}) as port:
        api = {"openapi": "/openapi.json", "paths": ["/v1/me"]}
        result = await look("web.api", f"http://127.0.0.1:{port}/", api=api)
    assert (types(result), list(result.unseen)) == ([], [f"/openapi.json: {why}"])


async def test_an_operators_endpoint_says_what_the_health_page_does_not() -> None:
    site: Site = {"/ops/queue": (200, {"needs": "operator-1"}, '{"oldest_seconds": 90}'), "/health": (200, {}, "ok")}
    operator = {"queue": {"url": "/ops/queue", "expect": "json.oldest_seconds < 10"}}
    async with serving(site) as port:
        url = f"http://127.0.0.1:{port}/"
        told = await look("web.operator_endpoints", url, {"operator_token": "operator-1"}, operator=operator)
        blind = await look("web.operator_endpoints", url, {"token": "another"}, operator=operator)
    assert [(finding.type, finding.component) for finding in told.findings] == [("operator_check_failed", "queue")]
    assert blind.status is CheckStatus.UNKNOWN


async def test_checks_fit_only_systems_that_ask_for_them() -> None:
    plain = system(f"http://127.0.0.1:{free_port()}/")
    assert {slug for slug, check in CHECKS.items() if check.fits(plain)} == {"web.http_status", "web.page"}


def test_a_certificate_authority_that_is_none_is_refused(tmp_path: Path) -> None:
    from opsteward.core.errors import Invalid

    with pytest.raises(Invalid, match="certificate_authority"):
        connector_for(web.INTEGRATION, system("https://h/", certificate_authority="no PEM"), {})

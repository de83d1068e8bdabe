"""What holds for every integration: cheap to import, errors that name the field, no secret told, right answers
to a closed port, a server that never answers and one that answers nonsense."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from real_parts import closed_port, connector_for, system, tcp_server

from opsteward.contracts.action import Action
from opsteward.contracts.check import Check, CheckResult, CheckStatus
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.integration import Integration
from opsteward.core.errors import BadReply, ConnectorError, Invalid, Timeout, Unreachable
from opsteward.integrations import apprise, network, postgresql, services, supervisor, web

INTEGRATIONS: list[Integration] = [
    module.INTEGRATION for module in (apprise, network, postgresql, services, supervisor, web)
]
CHECKS: list[tuple[Integration, Check[Any]]] = [(i, c) for i in INTEGRATIONS for c in i.checks]
CREDENTIALS = {"username": "ops", "password": "s3cret-password"}

# One endpoint per kind of client; {port} is filled in by the test.
ENDPOINTS = {
    "web": "http://127.0.0.1:{port}/health",
    "services": "redis://127.0.0.1:{port}",
    "network": "http://127.0.0.1:{port}/",
    "postgresql": "postgresql://127.0.0.1:{port}/shop",
    "supervisor": "supervisor+http://127.0.0.1:{port}",
}
# What a check has to be told before it looks at anything.
SETTINGS: dict[str, dict[str, Any]] = {
    "web": {"api": {"paths": ["/"]}, "operator": {"health": {"url": "/"}}},
}


def check_ids(pair: tuple[Integration, Check[Any]]) -> str:
    return pair[1].slug


async def outcome(
    integration: Integration,
    check: Check[Any],
    target: SystemRef,
    credentials: Mapping[str, str] = CREDENTIALS,
) -> CheckResult | ConnectorError:
    via = connector_for(integration, target, credentials)
    try:
        async with asyncio.timeout(check.timeout):
            return await check.run(via, target)
    except ConnectorError as exc:
        return exc
    finally:
        await via.close()


def told(answer: CheckResult | ConnectorError) -> str:
    """Everything a caller could show or log of it."""
    if isinstance(answer, CheckResult):
        return repr(answer)
    chain: list[str] = []
    link: BaseException | None = answer
    while link is not None:
        chain.append(f"{link!r} {link} {getattr(link, 'extra', '')}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return " ".join(chain)


def test_slugs_are_unique_and_every_part_describes_itself() -> None:
    parts: list[Check[Any] | Action[Any, Any, Any]] = []
    for integration in INTEGRATIONS:
        parts += [*integration.checks, *integration.actions]
    slugs = [part.slug for part in parts]
    assert len(slugs) == len(set(slugs)) > 20
    assert all(part.title and part.__doc__ for part in parts)
    assert all(part.timeout <= 10 for part in parts if isinstance(part, Check))
    assert all((i.connector is None) == (not i.schemes) for i in INTEGRATIONS)


def test_importing_all_integrations_loads_no_heavy_library() -> None:
    script = (
        "import sys\n"
        "from opsteward.integrations import apprise, network, postgresql, services, supervisor, web\n"
        "heavy = ['psycopg', 'aiohttp', 'apprise', 'psutil', 'structlog', 'supervisor', 'sqlalchemy']\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("integration", "endpoint", "settings", "credentials", "field"),
    [
        (web.INTEGRATION, "http://", {}, {}, "endpoint"),
        (web.INTEGRATION, "ftp://shop", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://shop:99999/", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://shop:0/", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://[::1/", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://sh op/", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://shop/\x00", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://ops:s3cret-password@shop/", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://ops@shop/", {}, {}, "endpoint"),
        (web.INTEGRATION, "http://shop", {"response_time_seconds": -1}, {}, "settings.response_time_seconds"),
        (web.INTEGRATION, "http://shop", {"response_time_seconds": "x"}, {}, "settings.response_time_seconds"),
        (web.INTEGRATION, "http://shop", {"expect_status": "2xx"}, {}, "settings.expect_status"),
        (web.INTEGRATION, "http://shop", {"expect": "state == 200"}, {}, "settings.expect"),
        (services.INTEGRATION, "tcp://shop", {}, {}, "endpoint"),
        (services.INTEGRATION, "redis://", {}, {}, "endpoint"),
        (services.INTEGRATION, "redis://ops@shop", {}, {}, "endpoint"),
        (services.INTEGRATION, "redis://shop", {"expect": "latency <"}, {}, "settings.expect"),
        (services.INTEGRATION, "redis://shop", {"timeout_seconds": 60}, {}, "settings.timeout_seconds"),
        (web.INTEGRATION, "http://shop", {"expect_status": []}, {}, "settings.expect_status"),
        (web.INTEGRATION, "http://shop", {}, {"password": ["s3cret-password"]}, "credentials.password"),
        (network.INTEGRATION, "ldap://shop", {}, {}, "endpoint"),
        (network.INTEGRATION, "http:///x", {}, {}, "endpoint"),
        (postgresql.INTEGRATION, "postgresql://db/shop", {}, {}, "credentials.username"),
        (postgresql.INTEGRATION, "postgresql:///shop", {}, CREDENTIALS, "endpoint"),
        (postgresql.INTEGRATION, "postgresql://u:s3cret-password@db/shop", {}, CREDENTIALS, "endpoint"),
        (postgresql.INTEGRATION, "postgresql://a,b/shop", {}, CREDENTIALS, "endpoint"),
        (postgresql.INTEGRATION, "postgresql://db/shop?passfile=/etc/x", {}, CREDENTIALS, "endpoint"),
        (postgresql.INTEGRATION, "postgresql://db/shop?sslmode=maybe", {}, CREDENTIALS, "endpoint"),
        (postgresql.INTEGRATION, "postgresql://db/shop?port=0", {}, CREDENTIALS, "endpoint"),
        (postgresql.INTEGRATION, "postgresql://db/%00", {}, CREDENTIALS, "endpoint"),
        (
            postgresql.INTEGRATION,
            "postgresql://db/shop",
            {"lock_wait_seconds": 0},
            CREDENTIALS,
            "settings.lock_wait_seconds",
        ),
        (supervisor.INTEGRATION, "supervisor+unix://relative.sock", {}, {}, "endpoint"),
        (supervisor.INTEGRATION, "supervisor+unix://", {}, {}, "endpoint"),
        (supervisor.INTEGRATION, "supervisor+http:///x", {}, {}, "endpoint"),
        (supervisor.INTEGRATION, "http://shop", {}, {}, "endpoint"),
        (
            supervisor.INTEGRATION,
            "supervisor+unix:///s.sock",
            {"processes": ["a:*"]},
            {},
            "settings.processes.0",
        ),
    ],
)
def test_a_wrong_configuration_names_its_field(
    integration: Integration,
    endpoint: str,
    settings: dict[str, Any],
    credentials: dict[str, Any],
    field: str,
) -> None:
    with pytest.raises(Invalid) as caught:
        connector_for(integration, system(endpoint, **settings), credentials)
    assert [p.field for p in caught.value.problems] == [field]
    assert "s3cret" not in told(caught.value)  # type: ignore[arg-type]


def test_settings_of_other_plugins_are_no_trouble_and_secrets_are_hidden() -> None:
    target = system("postgresql://127.0.0.1/shop", processes=["x"], password="no", host="elsewhere")
    via = connector_for(postgresql.INTEGRATION, target, CREDENTIALS)
    assert via.config.host == "127.0.0.1"
    assert "s3cret" not in repr(via.config)


def test_a_health_page_may_be_relative_and_gets_no_credentials_of_another_origin() -> None:
    def config(health: str | None) -> Any:
        target = system("http://shop:81/a/", health_check_url=health)
        return connector_for(web.INTEGRATION, target, CREDENTIALS).config

    assert config("/up").url == "http://shop:81/up"
    assert config(None).url == "http://shop:81/a/"
    assert config("/up").credentials.username == "ops"
    assert config("http://other/up").credentials.username == ""


# What each check says when its server is not there, silent, or talks nonsense. An error means UNKNOWN.
_CLOSED: dict[str, CheckStatus | type[ConnectorError]] = {
    "services.answers": CheckStatus.FAIL,
    "web.http_status": CheckStatus.FAIL,
    "network.dns": CheckStatus.PASS,
    "network.tcp": CheckStatus.FAIL,
    "network.latency": CheckStatus.UNKNOWN,
    "postgresql.connect": CheckStatus.FAIL,
}
_SILENT: dict[str, CheckStatus | type[ConnectorError]] = {
    "services.answers": CheckStatus.FAIL,
    "web.http_status": CheckStatus.FAIL,
    "network.dns": CheckStatus.PASS,
    "network.tcp": CheckStatus.PASS,
    "network.latency": CheckStatus.PASS,
    "postgresql.connect": CheckStatus.FAIL,
}


#: HTTP, and no page.
_ANSWERED = {
    "web.http_status": CheckStatus.PASS,
    "web.page": CheckStatus.UNKNOWN,
    "web.page_watch": CheckStatus.UNKNOWN,
    "web.api": CheckStatus.PASS,
    "web.operator_endpoints": CheckStatus.PASS,
}


def _target(integration: Integration, port: int, **settings: object) -> SystemRef:
    return system(ENDPOINTS[integration.slug].format(port=port), **SETTINGS.get(integration.slug, {}), **settings)


def assert_answer(answer: CheckResult | ConnectorError, expected: CheckStatus | type[ConnectorError]) -> None:
    if isinstance(expected, CheckStatus):
        assert isinstance(answer, CheckResult), answer
        assert answer.status is expected
        assert bool(answer.findings) == (expected in {CheckStatus.FAIL, CheckStatus.WARN})
    else:
        assert isinstance(answer, expected), answer
    assert "s3cret" not in told(answer)


@pytest.mark.parametrize("pair", CHECKS, ids=check_ids)
async def test_a_closed_port(pair: tuple[Integration, Check[Any]]) -> None:
    integration, check = pair
    with closed_port() as port:
        answer = await outcome(integration, check, _target(integration, port))
    assert_answer(answer, _CLOSED.get(check.slug, Unreachable))


@pytest.fixture(scope="module")
async def silent_port() -> AsyncIterator[int]:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with tcp_server(never) as port:
        yield port


@pytest.mark.parametrize("pair", CHECKS, ids=check_ids)
async def test_a_server_that_never_answers(pair: tuple[Integration, Check[Any]], silent_port: int) -> None:
    integration, check = pair
    target = _target(integration, silent_port, timeout_seconds=0.3, connect_timeout_seconds=0.3)
    answer = await outcome(integration, check, target)
    assert_answer(answer, _SILENT.get(check.slug, Timeout))


@pytest.mark.parametrize("pair", CHECKS, ids=check_ids)
@pytest.mark.parametrize("nonsense", [b"", b"\x00\xff\xfe nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n<no-rpc>"])
async def test_a_server_that_talks_nonsense(pair: tuple[Integration, Check[Any]], nonsense: bytes) -> None:
    integration, check = pair

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(nonsense)
        writer.write_eof()
        await reader.read()  # not closed before the client does, else it may see a reset instead

    async with tcp_server(answer) as port:
        result = await outcome(integration, check, _target(integration, port))
    if check.slug in _ANSWERED and nonsense.startswith(b"HTTP"):
        assert_answer(result, _ANSWERED[check.slug])
    elif check.slug == "web.tls":
        assert_answer(result, CheckStatus.FAIL)
    elif check.slug in _SILENT:
        assert_answer(result, _SILENT[check.slug])
    else:
        assert isinstance(result, (Unreachable, BadReply)), result
        assert "s3cret" not in told(result)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (supervisor.INTEGRATION, "supervisor+unix:///nonexistent/s.sock"),
        lambda: (postgresql.INTEGRATION, "postgresql:///shop?host=/nonexistent"),
    ],
)
async def test_a_socket_that_does_not_exist(make: Callable[[], tuple[Integration, str]]) -> None:
    integration, endpoint = make()
    via = connector_for(integration, system(endpoint), CREDENTIALS)
    with pytest.raises(Unreachable) as caught:
        await via.probe()
    assert caught.value.extra["kind"] == "tcp"
    await via.close()


async def test_network_checks_leave_unix_sockets_alone() -> None:
    for check in network.INTEGRATION.checks:
        answer = await outcome(network.INTEGRATION, check, system("postgresql:///shop?host=/tmp"))
        assert isinstance(answer, CheckResult)
        assert answer.status is CheckStatus.UNKNOWN


async def test_a_name_that_does_not_resolve() -> None:
    target = system("http://a..b/")  # refused by the resolver here, no server is asked
    dns, tcp, _ = [await outcome(network.INTEGRATION, check, target) for check in network.INTEGRATION.checks]
    assert isinstance(dns, CheckResult)
    assert [f.type for f in dns.findings] == ["dns_failure"]
    assert isinstance(tcp, Unreachable)  # TCP could not be looked at: unknown


@pytest.mark.parametrize("pair", CHECKS, ids=check_ids)
async def test_metadata_addresses_are_never_looked_at(pair: tuple[Integration, Check[Any]]) -> None:
    integration, check = pair
    endpoint = ENDPOINTS[integration.slug].format(port=80).replace("127.0.0.1", "169.254.169.254")
    answer = await outcome(integration, check, system(endpoint, **SETTINGS.get(integration.slug, {})))
    assert isinstance(answer, Unreachable)
    assert answer.extra["kind"] == "policy"

"""Names asked of real resolvers (dnsmasq): record types, expected values, resolvers that differ, are slow or gone."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from real_parts import connector_for, free_port, system
from record_servers import require, wait_for_port

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.errors import Invalid, Unreachable
from opsteward.integrations.dns import INTEGRATION
from opsteward.integrations.dns.client import as_written

RECORDS = (
    "--host-record=www.test,192.0.2.10,2001:db8::10",
    "--cname=alias.test,www.test",
    "--mx-host=test,mail.test,10",
    "--txt-record=test,v=spf1 -All",
    "--srv-host=_ldap._tcp.test,ldap.test,389",
)


@contextmanager
def resolver(*records: str) -> Iterator[int]:
    port = free_port()
    command = [require("dnsmasq"), "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"]
    command += [f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/", "--user=root"]
    process = subprocess.Popen([*command, "--pid-file", *records], stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def dns() -> Iterator[int]:
    with resolver(*RECORDS) as port:
        yield port


@pytest.fixture(scope="module")
def other_dns() -> Iterator[int]:
    with resolver("--host-record=www.test,192.0.2.99") as port:
        yield port


async def check(endpoint: str, **settings: Any) -> CheckResult:
    target = system(endpoint, **settings)
    return await INTEGRATION.checks[0].run(connector_for(INTEGRATION, target, {}), target)


@pytest.mark.parametrize(
    ("name", "record_type", "values"),
    [
        ("www.test", "A", ["192.0.2.10"]),
        ("WWW.Test.", "AAAA", ["2001:DB8::10"]),
        ("alias.test", "A", ["192.0.2.10"]),
        ("alias.test", "CNAME", ["www.test."]),
        ("test", "mx", ["10 MAIL.test"]),
        ("test", "TXT", ['"v=spf1 -All"']),
        ("_ldap._tcp.test", "SRV", ["0 0 389 ldap.test"]),
    ],
)
async def test_each_record_type_is_asked_and_held_against_what_is_expected(
    dns: int, name: str, record_type: str, values: Sequence[str]
) -> None:
    where = f"dns://127.0.0.1:{dns}/{name}"
    good = await check(where, record_type=record_type, expected=values, expect="latency < 5")
    assert (good.status, good.findings) == (CheckStatus.PASS, ())
    assert (await check(f"{where}?type={record_type}")).status is CheckStatus.PASS
    wrong = await check(where, record_type=record_type, expected=["192.0.2.77"])
    assert (wrong.status, wrong.findings[0].type) == (CheckStatus.FAIL, "dns_unexpected")


async def test_a_name_without_records_and_one_that_is_not_there_fail(dns: int) -> None:
    gone = await check(f"dns://127.0.0.1:{dns}/nobody.test")
    assert (gone.status, gone.findings[0].type) == (CheckStatus.FAIL, "dns_error")
    assert "NXDOMAIN" in gone.summary
    empty = await check(f"dns://127.0.0.1:{dns}/www.test?type=MX")
    assert (empty.status, empty.findings[0].type) == (CheckStatus.FAIL, "dns_no_record")
    refused = await check(f"dns://127.0.0.1:{dns}/elsewhere.invalid")
    assert refused.status is CheckStatus.FAIL


async def test_resolvers_must_agree_and_one_that_is_gone_is_a_warning(dns: int, other_dns: int) -> None:
    both = [f"127.0.0.1:{dns}", f"127.0.0.1:{other_dns}"]
    differ = await check("dns:www.test", resolvers=both)
    assert (differ.status, differ.findings[0].type) == (CheckStatus.FAIL, "dns_resolvers_differ")
    wrong = await check("dns:www.test", resolvers=both, expected=["192.0.2.10"])
    assert (wrong.status, str(other_dns) in wrong.summary) == (CheckStatus.FAIL, True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{silent.getsockname()[1]}"
        one = await check("dns:www.test", resolvers=[both[0], gone], timeout_seconds=0.3)
        assert (one.status, one.findings[0].type) == (CheckStatus.WARN, "dns_resolver_gone")
        none = await check(f"dns://{gone}/www.test", timeout_seconds=0.2)
    assert (none.status, none.findings[0].type) == (CheckStatus.FAIL, "dns_unanswered")


class _Odd(asyncio.DatagramProtocol):
    """Answers with bytes that are no DNS, or after a while."""

    def connection_made(self, transport: Any) -> None:
        self.line = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for answer in (b"", b"\x00", b"\xff" * 600, data[:2] + b"\x85\x80" + b"\x00" * 4000):
            self.line.sendto(answer, addr)


async def test_answers_that_are_no_dns_end_with_the_time_limit() -> None:
    line, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Odd, local_addr=("127.0.0.1", 0))
    try:
        port = line.get_extra_info("sockname")[1]
        result = await check(f"dns://127.0.0.1:{port}/www.test", timeout_seconds=0.3)
    finally:
        line.close()
    assert (result.status, result.findings[0].type) == (CheckStatus.FAIL, "dns_unanswered")


async def test_a_resolver_at_a_metadata_address_is_never_asked() -> None:
    for address in ("169.254.169.254", "[::ffff:169.254.169.254]:53", "[64:ff9b::a9fe:a9fe]:53"):
        with pytest.raises(Unreachable):
            await check("dns:www.test", resolvers=[address])


@pytest.mark.parametrize(
    ("endpoint", "settings"),
    [
        ("dns:", {}),
        ("dns://192.0.2.1:53/", {"record_type": "WKS"}),
        ("dns:a..b", {}),
        ("dns:" + "a" * 64 + ".test", {}),
        ("dns:www.test", {"resolvers": ["host:70000"]}),
        ("dns:www.test", {"resolvers": ["user@host"]}),
        ("dns:www.test", {"expect": "status == 200"}),
        ("dns://user@192.0.2.1/www.test", {}),
    ],
)
def test_what_can_not_be_asked_is_refused_at_registration(endpoint: str, settings: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        connector_for(INTEGRATION, system(endpoint, **settings), {})
    assert refused.value.problems[0].field.startswith(("endpoint", "settings."))


def test_values_are_compared_in_one_form() -> None:
    assert as_written('"v=DKIM1; k=rsa" "more"', "TXT") == as_written("v=DKIM1; k=rsamore", "TXT")
    assert as_written("10 Mail.Example.ORG.", "MX") == as_written("10 mail.example.org", "MX")
    assert as_written("257 3 13 AbCd", "DNSKEY") != as_written("257 3 13 abcd", "DNSKEY")

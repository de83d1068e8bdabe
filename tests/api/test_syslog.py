"""Syslog from real clients, unchanged: what was sent is what stands in the event."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import logging.handlers
import os
import shutil
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsteward.core.errors import Invalid
from support.instance import Tenant
from support.syslog import free_udp_port, listening, stored


def program(name: str, package: str) -> str:
    """Its path. Where tests are to leave nothing out it must be there; elsewhere the test is skipped."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        assert not os.environ.get("CI"), f"{name} is not installed"
        pytest.skip(f"no {name} is installed (Debian: apt-get install {package})")
    return found


async def run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await asyncio.wait_for(process.wait(), 20) == 0, command


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("form", ["--rfc3164", "--rfc5424"])
async def test_logger_of_util_linux(tenant: Tenant, transport: str, form: str) -> None:
    logger = program("logger", "bsdutils")
    async with listening(tenant) as listener:
        host, port = listener.addresses[f"syslog_{transport}"]
        common = [
            logger,
            f"--{transport}",
            "--server",
            host,
            "--port",
            str(port),
            form,
            "-p",
            "auth.crit",
            "-t",
            "shop",
        ]
        await run(*common, "--id=4711", "out of memory: käse")
        await run(*common, "second")
        if form == "--rfc5424":
            await run(*common, "--sd-id", "a@1", "--sd-param", 'k="v\\]"', "third")
        if transport == "tcp":
            await run(*common, "--octet-count", "counted")
        first, *others = await stored(tenant, 2 + (form == "--rfc5424") + (transport == "tcp"))
    assert (first["source"], first["message"], first["severity"]) == ("shop", "out of memory: käse", "high")
    assert first["context"]["host"].partition(".")[0] == socket.gethostname().partition(".")[0]
    detail = first["context"]["syslog"]
    assert (detail["facility"], detail["severity"], detail["process"]) == ("auth", "crit", "4711")
    assert abs((datetime.now(UTC) - first["occurred_at"]).total_seconds()) < 60
    assert {"second"} <= {other["message"] for other in others}
    if form == "--rfc5424":
        [third] = [other for other in others if other["message"] == "third"]
        assert third["context"]["syslog"]["structured_data"]["a@1"] == {"k": "v]"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_pythons_handler(tenant: Tenant, transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    async with listening(tenant) as listener:
        handler = logging.handlers.SysLogHandler(listener.addresses[f"syslog_{transport}"], socktype=kind)
        handler.ident = "billing: "
        log = logging.Logger("billing")
        log.addHandler(handler)
        try:
            log.warning("card %s refused", 7)
            try:
                {}["rate"]
            except KeyError:
                log.exception("no rate")
        finally:
            handler.close()
        warning, error = await stored(tenant, 2)
    assert (warning["source"], warning["message"], warning["severity"]) == ("billing", "card 7 refused", "medium")
    assert error["message"].startswith("no rate\nTraceback (most recent call last):\n")
    assert error["message"].endswith("KeyError: 'rate'")
    assert error["severity"] == "medium" and error["incident_id"]


_RSYSLOG = """
global(workDirectory="{home}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
       net.ipprotocol="ipv4-only")
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{port}")
{actions}
"""
_ACTION = 'action(type="omfwd" target="127.0.0.1" port="{port}" protocol="{transport}" {more})'


async def test_rsyslog_forwards_in_each_of_its_forms(tenant: Tenant, tmp_path: Path) -> None:
    rsyslogd = program("rsyslogd", "rsyslog")
    async with listening(tenant) as listener:
        forms = [
            ("udp", ""),
            ("udp", 'template="RSYSLOG_SyslogProtocol23Format"'),
            ("tcp", ""),
            ("tcp", 'template="RSYSLOG_SyslogProtocol23Format" TCP_Framing="octet-counted"'),
            ("tcp", 'template="RSYSLOG_TraditionalForwardFormat"'),
        ]
        actions = "\n".join(
            _ACTION.format(port=listener.addresses[f"syslog_{transport}"][1], transport=transport, more=more)
            for transport, more in forms
        )
        own = free_udp_port()
        config = tmp_path / "rsyslog.conf"
        config.write_text(_RSYSLOG.format(home=tmp_path, port=own, actions=actions))
        process = await asyncio.create_subprocess_exec(
            rsyslogd, "-n", "-f", str(config), "-i", str(tmp_path / "pid"), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            message = "<27>Mar  1 10:00:00 web1 shop[7]: payment gateway timed out after 30 s"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
                async with asyncio.timeout(20):
                    while tenant.count("events") == 0:  # until it listens
                        sending.sendto(message.encode(), ("127.0.0.1", own))
                        await asyncio.sleep(0.1)
            events = await stored(tenant, 5)
        finally:
            process.terminate()
            await process.wait()
    year = datetime.now(UTC).year
    for event in events:
        assert event["message"] == "payment gateway timed out after 30 s", event
        assert (event["source"], event["severity"], event["context"]["host"]) == ("shop", "medium", "web1")
        assert event["context"]["syslog"]["process"] == "7"
        assert event["occurred_at"].replace(year=year) == datetime(year, 3, 1, 10).astimezone().astimezone(UTC)
    assert len({event["incident_id"] for event in events}) == 1


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    at = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(at - dt.timedelta(days=1)).not_valid_after(at + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return paths


async def test_tls_with_a_certificate_of_files(tenant: Tenant, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    files = {"syslog_tls_certificate": cert, "syslog_tls_key": key}
    async with listening(tenant, syslog_tls="0", **files) as listener:
        context = ssl.create_default_context(cafile=str(cert))
        host, port = listener.addresses["syslog_tls"]
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
        writer.write(b"33 <11>1 - web1 shop - - - it failed")
        await writer.drain()
        [event] = await stored(tenant, 1)
        writer.close()
        assert (event["message"], event["source"]) == ("it failed", "shop")
        _, plain = await asyncio.open_connection(host, port)
        plain.write(b"<11>not by TLS\n")
        assert await plain_end(plain)
    with pytest.raises(Invalid, match="CERTIFICATE"):
        async with listening(tenant, syslog_tls="0", syslog_tls_certificate=tmp_path, syslog_tls_key=key):
            pass


async def plain_end(writer: asyncio.StreamWriter) -> bool:
    try:
        await asyncio.wait_for(writer.drain(), 5)
        await asyncio.wait_for(writer.wait_closed(), 5) if writer.is_closing() else None
    except OSError:
        return True
    writer.close()
    return True


async def test_who_may_not_send_is_counted_and_nothing_is_taken(tenant: Tenant, other_tenant: Tenant) -> None:
    networks = {"127.0.0.0/8": tenant.name, "127.0.0.9/32": other_tenant.name}
    async with listening(tenant, syslog_senders=networks) as listener:
        address = listener.addresses["syslog_udp"]
        for sender in ("127.0.0.1", "127.0.0.9"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
                sending.bind((sender, 0))
                sending.sendto(b"<11>shop: it failed", address)
        [event] = await stored(other_tenant, 1)
        assert event["context"]["host"] == "127.0.0.9"
        assert len(await stored(tenant, 1)) == 1
    async with listening(tenant, syslog_senders={"10.0.0.0/8": tenant.name}) as listener:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(b"<11>shop: it failed", listener.addresses["syslog_udp"])
        async with asyncio.timeout(10):
            while not listener.refused:
                await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*listener.addresses["syslog_tcp"])
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert listener.refused == {("sender", "127.0.0.1"): 2}
    assert tenant.count("events") == 1
    with pytest.raises(Invalid, match="no tenant"):
        async with listening(tenant, syslog_senders={"10.0.0.0/8": "nobody"}):
            pass


async def test_many_lines_are_taken_by_tcp_without_loss_and_in_their_order(tenant: Tenant) -> None:
    async with listening(tenant, syslog_buffer=1_000_000, syslog_message_limit=480) as listener:
        _, writer = await asyncio.open_connection(*listener.addresses["syslog_tcp"])
        for number in range(1500):
            writer.write(f"<14>shop: request {number} was served\n".encode())
        await writer.drain()
        writer.close()
        events = await stored(tenant, 1500)
    assert [event["message"] for event in events] == [f"request {number} was served" for number in range(1500)]

"""No spelling of a refused address is connected to: not by checks, webhooks, REST connectors or sign-in by OpenID."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from real_parts import connector_for, system, tcp_server
from refused_addresses import ADDRESSES, HOSTS

from opsteward.accounts.oidc_provider import Provider, Refused
from opsteward.contracts.records import Change, Operation
from opsteward.core.errors import ConnectorError, Invalid
from opsteward.core.http_client import refuse_networks
from opsteward.integrations import dns, ldap, rest, services, web, webhook

METADATA, LOOPBACK, PRIVATE = "169.254.169.254", "127.0.0.1", "10.11.12.13"
SECRET = "d" * 43 + "="


async def by_check(url: str) -> None:
    await connector_for(web.INTEGRATION, system(url, timeout_seconds=2), {}).fetch()  # type: ignore[attr-defined]


async def by_webhook(url: str) -> None:
    target = replace(system(url), type="webhook")
    via: Any = connector_for(webhook.INTEGRATION, target, {"signing_secret": SECRET})
    await via.write("changes", [Change(key="k", operation=Operation.UPDATE, native_id="1", values={})])


async def by_rest(url: str) -> None:
    resources = {"people": {"path": "people", "key": "id"}}
    via: Any = connector_for(rest.INTEGRATION, replace(system(url, resources=resources), type="api"), {})
    async for _ in via.read("people"):
        pass


async def by_openid(url: str) -> None:
    provider = Provider(issuer=url, client_id="c", client_secret="s")
    await provider.authorize_url(state="s", nonce="n", challenge="c", redirect_uri="https://ops.example.org/")


WAYS: dict[str, Callable[[str], Awaitable[None]]] = {
    "check": by_check,
    "webhook": by_webhook,
    "rest": by_rest,
    "openid": by_openid,
}


async def refusal(way: str, url: str) -> str:
    """Of which kind the refusal is: `input`, `policy`, `dns` (it is no name), `reply` (it is no address)."""
    try:
        await WAYS[way](url)
    except Invalid:
        return "input"
    except (ConnectorError, Refused) as error:
        cause = error.__cause__ if isinstance(error, Refused) else error
        assert isinstance(cause, ConnectorError)
        return str(cause.extra.get("kind") or "reply")
    return "reached"


@pytest.fixture
def closed_networks() -> Iterator[None]:
    refuse_networks([ipaddress.ip_network(block) for block in ("127.0.0.0/8", "10.0.0.0/8")])
    yield
    refuse_networks([])


REFUSED = {"input", "policy", "dns", "reply"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spelling", HOSTS)
async def test_no_spelling_of_a_refused_host_is_connected_to(way: str, spelling: str, closed_networks: None) -> None:
    visitors: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(spelling)

    async with tcp_server(answer) as port:
        for address in (METADATA, LOOPBACK, PRIVATE):
            told = await refusal(way, f"http://{HOSTS[spelling](address)}:{port}/")
            assert told in REFUSED, (spelling, address)
    assert visitors == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", ADDRESSES)
async def test_no_form_of_an_address_leads_to_a_refused_host(way: str, form: str, closed_networks: None) -> None:
    visitors: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(form)

    async with tcp_server(answer) as port:
        for address in (METADATA, LOOPBACK, PRIVATE):
            assert await refusal(way, ADDRESSES[form](address, port)) in REFUSED, address
    assert visitors == []


@pytest.mark.parametrize("way", WAYS)
async def test_loopback_that_is_refused_is_refused_by_all_its_names(way: str, closed_networks: None) -> None:
    visitors: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append("here")

    names = ["localhost", "LOCALHOST.", "0.0.0.0", "0", "0x0", "127.1", "127.255.255.254", "[::]", "[::1]", "[0::0:1]"]
    names += ["[::ffff:0:0]", "[::ffff:0.0.0.0]", "[::ffff:7f00:1]", "[64:ff9b::]", "[2002::]", socket.gethostname()]
    async with tcp_server(answer) as port:
        for name in names:
            assert await refusal(way, f"http://{name}:{port}/") in REFUSED, name
    assert visitors == []


METADATA_ADDRESSES = (
    "169.254.0.23",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fd00:42::42]",
    "[fe80::a9fe:a9fe]",
    "[fe80::1%25lo]",
)


@pytest.mark.parametrize("way", WAYS)
async def test_metadata_addresses_of_all_clouds_are_refused_without_any_setting(way: str) -> None:
    for address in METADATA_ADDRESSES:
        assert await refusal(way, f"http://{address}/latest/meta-data/") in REFUSED, address


@pytest.mark.parametrize("way", WAYS)
async def test_a_name_that_changes_its_mind_leads_nowhere(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public or loopback at the first look-up, metadata at every later one: what was looked up is what is used."""
    looked: list[str] = []
    plain = socket.getaddrinfo

    def look_up(host: str, *args: Any, **options: Any) -> Any:
        looked.append(host)
        address = LOOPBACK if len(looked) == 1 else METADATA
        return plain(address, *args, **options)

    answered: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered.append(await reader.readuntil(b"\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with tcp_server(answer) as port:
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        assert await refusal(way, f"http://rebinding.test:{port}/") in REFUSED
    assert len(answered) == 1, "one look-up, one connection"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spelling", HOSTS)
async def test_no_redirect_leads_to_a_refused_host(way: str, spelling: str) -> None:
    location = f"http://{HOSTS[spelling](METADATA)}/".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with tcp_server(answer) as port:
        assert await refusal(way, f"http://127.0.0.1:{port}/") in REFUSED


@pytest.fixture
def public_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`public.test` has a public address, at which this machine answers; all other names are what they are."""
    from opsteward.core.http_client import exchange

    plain, resolve = socket.getaddrinfo, exchange._PinnedAddresses.resolve

    def look_up(host: str, *args: Any, **options: Any) -> Any:
        return plain("8.8.8.8" if host.startswith("public.test") else host, *args, **options)

    async def pinned(self: Any, host: str, port: int = 0, family: int = 0) -> Any:
        return [each | {"host": each["host"].replace("8.8.8.8", LOOPBACK)} for each in await resolve(self, host, port)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(exchange._PinnedAddresses, "resolve", pinned)


@pytest.mark.parametrize("way", WAYS)
async def test_a_public_server_leads_nobody_into_private_space(way: str, public_names: None) -> None:
    inside: list[bytes] = []

    async def private(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside.append(await reader.readuntil(b"\r\n"))

    for private_host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "10.11.12.13", "[fd00::1]"):
        async with tcp_server(private) as private_port:

            async def public(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                location: bytes = f"http://{private_host}:{private_port}/".encode(),
            ) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()

            async with tcp_server(public) as port:
                assert await refusal(way, f"http://public.test:{port}/") in REFUSED
    assert inside == []


async def test_a_public_provider_names_no_private_endpoints(public_names: None) -> None:
    """Its document decides where the code and our secret are sent."""
    inside: list[bytes] = []

    async def private(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside.append(await reader.readuntil(b"\r\n"))

    async with tcp_server(private) as private_port:

        async def public(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            issuer, there = f"http://public.test:{port}", f"http://127.0.0.1:{private_port}"
            body = (
                f'{{"issuer": "{issuer}", "authorization_endpoint": "{issuer}/a", "token_endpoint": "{there}/t", '
                f'"jwks_uri": "{there}/k"}}'
            ).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
            await writer.drain()

        async with tcp_server(public) as port:
            provider = Provider(issuer=f"http://public.test:{port}", client_id="c", client_secret="s3cret")
            with pytest.raises(Refused):
                await provider.claims_for(code="c", verifier="v", redirect_uri="https://x/", nonce="n", wanted=[])
    assert inside == []


@pytest.mark.parametrize("spelling", HOSTS)
async def test_checks_that_speak_other_protocols_refuse_the_same(spelling: str, closed_networks: None) -> None:
    host = HOSTS[spelling](METADATA)
    endpoints = [(services, f"{scheme}://{host}:6379") for scheme in ("tcp", "redis", "grpc", "smtp")]
    endpoints += [(services, f"icmp://{host}"), (dns, f"dns://{host}/www.test"), (ldap, f"ldap://{host}/dc=x")]
    for module, endpoint in endpoints:
        try:
            via = connector_for(module.INTEGRATION, system(endpoint), {})
            result = await module.INTEGRATION.checks[0].run(via, system(endpoint))
        except (Invalid, ConnectorError):
            continue
        assert result.status.value == "fail", (endpoint, result.summary)

"""HTTP to outside systems: bounded in time, size and hops, guarded against server-side request forgery.

aiohttp sits behind this small face (`core.http_client.exchange`) and is loaded with the first request. Every hop
resolves its host itself, holds each address against a `NetworkPolicy` and connects only to the addresses that
passed, so a name that changes its mind between look-up and connect (DNS rebinding) gains nothing. Each fetch
opens a new connection: a probe must see the real handshake and certificate. Addresses are read as browsers
read them (the WHATWG standard), and cookies go along as in a browser, for the hops of one fetch.

What does not belong here: judging a reply (a 500 is an answer), retries, and our own API.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import BadReply, ConnectorError, Timeout
from opsteward.core.http_client.reply import HttpReply, safe_url, unreachable

if TYPE_CHECKING:
    from ada_url import URL
    from aiohttp import CookieJar

__all__ = [
    "REGISTERED_SYSTEMS",
    "HttpClient",
    "HttpReply",
    "NetworkPolicy",
    "failure_kind",
    "refuse_networks",
    "resolve_host",
    "safe_url",
    "unreachable",
]

# Where cloud machines keep their own credentials. No operator registers these; refused under every policy.
_METADATA = tuple(
    ip_network(block)
    for block in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "fd00:42::42/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_ISATAP = 0x00005EFE
_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))
_REDIRECTABLE_METHODS = frozenset({"GET", "HEAD"})


def failure_kind(error: ConnectorError) -> str:
    """At which step a connection failed: the error's own kind, else its code."""
    return str(error.extra.get("kind") or error.code)


@dataclass(frozen=True, kw_only=True)
class NetworkPolicy:
    """Which addresses may be connected to.

    Public addresses always may; loopback, private, shared and unique-local ones only with
    `allow_private` or when the host, as written, is in `allowed_hosts` (lower case). Link-local and
    cloud metadata addresses, multicast and reserved ones never may.
    """

    allow_private: bool = False
    allowed_hosts: frozenset[str] = field(default_factory=frozenset)

    def refusal(self, host: str, address: str) -> str | None:
        """Why this address of this host may not be used; None when it may."""
        for ip in _meant_addresses(ip_address(address)):
            if any(ip in block for block in _METADATA if block.version == ip.version):
                return "link-local and metadata addresses are never allowed"
            if any(ip in block for block in _refused_networks if block.version == ip.version):
                return "this installation connects to no address of that network"
            # ::1 lies in a reserved block, and an unspecified address connects to this very machine.
            if ip.is_multicast or (ip.is_reserved and not (ip.is_loopback or ip.is_unspecified)):
                return "multicast and reserved addresses are never allowed"
            private = not ip.is_global
            if private and not (self.allow_private or host.lower().rstrip(".") in self.allowed_hosts):
                return "private addresses are not allowed"
        return None

    def beyond(self, addresses: Sequence[tuple[socket.AddressFamily, str]]) -> NetworkPolicy:
        """The policy for where the servers at these addresses lead: to private ones only if each of them is private."""
        meant = [ip for _, address in addresses for ip in _meant_addresses(ip_address(address))]
        if self.allow_private and any(ip.is_global for ip in meant):
            return replace(self, allow_private=False)
        return self


#: Networks that this installation connects to under no policy; set once at start, by `refuse_networks`.
_refused_networks: list[IPv4Network | IPv6Network] = []


def refuse_networks(networks: Sequence[IPv4Network | IPv6Network]) -> None:
    """From now on nothing in this process connects to addresses of these networks, whatever its policy."""
    _refused_networks[:] = networks


# Systems that an operator registered normally live on private networks.
REGISTERED_SYSTEMS = NetworkPolicy(allow_private=True)


def _meant_addresses(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, or the IPv4 address that it is another spelling of, plus what it tunnels to. This machine is one,
    whichever of its addresses is named: the unspecified ones lead to it too."""
    if ip.is_loopback or ip.is_unspecified:
        return [ip, *_LOOPBACK]
    if isinstance(ip, IPv4Address):
        return [ip]
    low = IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.ipv4_mapped is not None or ip in _NAT64:
        return _meant_addresses(low)
    inner = [ip.sixtofour, ip.teredo[1] if ip.teredo else None]
    if int(ip) >> 32 & 0xFDFFFFFF == _ISATAP:  # the bit that differs says whether the IPv4 address is unique
        inner.append(low)
    return [ip, *(meant for each in inner if each is not None for meant in _meant_addresses(each))]


async def resolve_host(host: str, port: int, policy: NetworkPolicy) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses of `host` that the policy lets us use, in the resolver's order, never empty.

    Raises Unreachable with kind `dns` (no such name, no resolver) or `policy` (all addresses refused).
    """
    try:
        # not by the loop: its default executor is the engine's small pool
        found = await in_thread(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a valid name"
        raise unreachable("dns", f"The name {host} can't be resolved: {reason}") from exc
    addresses: list[tuple[socket.AddressFamily, str]] = []
    refused = "it has no usable address"
    for family, _, _, _, sockaddr in found:
        address = str(sockaddr[0])
        refusal = policy.refusal(host, address)
        if refusal:
            refused = refusal
        elif (family, address) not in addresses:
            addresses.append((family, address))
    if not addresses:
        raise unreachable("policy", f"{host} is refused: {refused}")
    return addresses


class HttpClient:
    """Fetches URLs under one policy; holds no connection between calls, so there is nothing to close."""

    def __init__(
        self,
        policy: NetworkPolicy,
        *,
        timeout: float = 10.0,
        max_bytes: int = 256 * 1024,
        max_redirects: int = 20,
        user_agent: str = "opsteward",
        authority: str = "",
    ) -> None:
        """`timeout` is in seconds and holds for the whole fetch with all its hops. `authority`: certificates, as PEM,
        that are trusted beside those of this machine."""
        self._authority = authority
        self._policy = policy
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects
        # Encodings are not asked for: a small compressed body may unpack to any size.
        self._defaults = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        cookies: CookieJar | None = None,
        named_by: str | None = None,
    ) -> HttpReply:
        """The reply to one request, whatever its status. GET and HEAD follow redirects, hop by hop.

        User info in the URL becomes an Authorization header; no header of ours goes to another origin. Cookies
        that a hop sets go along on the later hops whose host, path and scheme they are for, and nowhere else, but for
        a jar that is handed in: it is used and filled.
        A public server leads nobody to private addresses, by a redirect or (`named_by`, its address) by naming one.
        Raises Timeout, Unreachable (kind dns | tcp | tls | policy) or BadReply (not HTTP, redirect loop).
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._follow(url, method, dict(headers or {}), body, cookies, named_by)
                return replace(reply, seconds=time.monotonic() - started)
        except TimeoutError as exc:
            raise Timeout(f"{safe_url(url)} did not answer within {self._timeout:g} s") from exc

    async def _follow(
        self,
        url: str,
        method: str,
        headers: dict[str, str],
        body: bytes | None,
        cookies: CookieJar | None,
        named_by: str | None,
    ) -> HttpReply:
        from opsteward.core.http_client.exchange import cookie_header, cookies_of_one_fetch, exchange

        cookies = cookies if cookies is not None else cookies_of_one_fetch()
        target = _parsed(url)
        origin = target.origin
        seen: set[tuple[str, str]] = set()
        hops: list[str] = []
        policy = self._policy
        if named_by is not None and _parsed(named_by).origin != origin:
            policy = policy.beyond(await self._addresses(_parsed(named_by), policy))
        while True:
            login = _login(target)
            target.username = target.password = target.hash = ""
            where = target.href
            state = (where, cookie_header(cookies, where))
            if state in seen:
                circle = f"{safe_url(url)} redirects in a circle: {_chain(url, hops)}"
                raise BadReply(circle, extra={"kind": "redirects"})
            seen.add(state)
            addresses = await self._addresses(target, policy)
            policy = policy.beyond(addresses)
            reply = await exchange(
                where,
                method=method,
                headers=self._defaults | headers | ({"Authorization": login} if login else {}),
                body=body,
                addresses=addresses,
                cookies=cookies,
                max_bytes=self._max_bytes,
                authority=self._authority,
                skip_redirect_body=method in _REDIRECTABLE_METHODS,
            )
            location = reply.redirects_to
            if method not in _REDIRECTABLE_METHODS or not location:
                return replace(reply, redirects=tuple(hops))
            if len(hops) >= self._max_redirects:
                many = f"{safe_url(url)} redirects more than {self._max_redirects} times: {_chain(url, hops)}"
                raise BadReply(many, extra={"kind": "redirects"})
            target = _parsed(location, base=where)
            if target.origin != origin:
                headers = {}
            hops.append(safe_url(target.href))

    @staticmethod
    async def _addresses(target: URL, policy: NetworkPolicy) -> list[tuple[socket.AddressFamily, str]]:
        port = int(target.port or (443 if target.protocol == "https:" else 80))
        return await resolve_host(target.hostname.strip("[]"), port, policy)


def _parsed(url: str, *, base: str = "") -> URL:
    """The address as a browser reads it; `base` is where the redirect to it came from. Raises BadReply."""
    from ada_url import URL

    try:
        parsed = URL(url, base=base) if base else URL(url)
    except (ValueError, UnicodeError):
        what = (
            f"{safe_url(base)} redirects to something that is no URL"
            if base
            else f"{safe_url(url)} is not a usable URL"
        )
        raise BadReply(what) from None
    if parsed.protocol not in {"http:", "https:"} or not parsed.hostname:
        raise BadReply(f"{safe_url(parsed.href)} is not an http or https URL")
    return parsed


def _login(target: URL) -> str:
    """The user info of the address as an Authorization header; empty without one."""
    if not target.username and not target.password:
        return ""
    login = unquote_to_bytes(target.username) + b":" + unquote_to_bytes(target.password)
    return f"Basic {base64.b64encode(login).decode()}"


def _chain(url: str, hops: Sequence[str]) -> str:
    """The way that the redirects went, long ones by their first and last stations."""
    stations = [safe_url(url), *hops]
    if len(stations) > 6:
        stations = [*stations[:3], "...", *stations[-2:]]
    return " -> ".join(stations)

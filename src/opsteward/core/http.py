"""HTTP to outside systems: bounded in time, size and hops, guarded against server-side request forgery.

aiohttp sits behind this small face and is loaded with the first request. Every hop resolves its host
itself, holds each address against a `NetworkPolicy` and connects only to the addresses that passed, so a
name that changes its mind between look-up and connect (DNS rebinding) gains nothing. Each fetch opens a
new connection: a probe must see the real handshake and certificate.

What does not belong here: judging a reply (a 500 is an answer), retries, and our own API.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

from opsteward.core.blocking import in_thread
from opsteward.core.errors import BadReply, ConnectorError, Timeout, Unreachable

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver
    from yarl import URL

# Where cloud machines keep their own credentials. No operator registers these; refused under every policy.
_METADATA = tuple(
    ip_network(block)
    for block in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTABLE_METHODS = frozenset({"GET", "HEAD"})


def unreachable(kind: str, detail: str) -> Unreachable:
    """An `Unreachable` whose `extra["kind"]` says at which step it failed: dns, tcp, tls or policy."""
    return Unreachable(detail, extra={"kind": kind})


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
            # ::1 lies in a reserved block, and an unspecified address connects to this very machine.
            if ip.is_multicast or (ip.is_reserved and not (ip.is_loopback or ip.is_unspecified)):
                return "multicast and reserved addresses are never allowed"
            private = not ip.is_global
            if private and not (self.allow_private or host.lower().rstrip(".") in self.allowed_hosts):
                return "private addresses are not allowed"
        return None


# Systems that an operator registered normally live on private networks.
REGISTERED_SYSTEMS = NetworkPolicy(allow_private=True)


def _meant_addresses(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, or the IPv4 address that it is another spelling of, plus what it tunnels to."""
    if isinstance(ip, IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if ip in _NAT64:
        return [IPv4Address(int(ip) & 0xFFFFFFFF)]
    inner: list[IPv4Address | IPv6Address] = [ip]
    if ip.sixtofour is not None:
        inner.append(ip.sixtofour)
    if ip.teredo is not None:
        inner.append(ip.teredo[1])
    return inner


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


def safe_url(url: str) -> str:
    """The URL without user info, query and fragment: fit for messages and logs."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
    except ValueError:
        return "(unreadable URL)"


@dataclass(frozen=True, kw_only=True)
class HttpReply:
    """What came back. `seconds` runs from the first hop to the last byte; `url` is the final one, safe."""

    url: str
    status: int
    headers: Mapping[str, str]  # lower-case names; of repeated headers the first
    body: bytes
    truncated: bool
    seconds: float = 0.0
    redirects: Sequence[str] = ()

    def text(self, limit: int = 100_000) -> str:
        """The body as text, at most `limit` bytes of it; empty when it came compressed."""
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            return ""
        charset = self.headers.get("content-type", "").lower().partition("charset=")[2].split(";")[0].strip("\"' ")
        try:
            return self.body[:limit].decode(charset or "utf-8", errors="replace")
        except (LookupError, UnicodeError):
            return self.body[:limit].decode("utf-8", errors="replace")


class HttpClient:
    """Fetches URLs under one policy; holds no connection between calls, so there is nothing to close."""

    def __init__(
        self,
        policy: NetworkPolicy,
        *,
        timeout: float = 10.0,
        max_bytes: int = 256 * 1024,
        max_redirects: int = 5,
        user_agent: str = "opsteward",
    ) -> None:
        """`timeout` is in seconds and holds for the whole fetch with all its hops."""
        self._policy = policy
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects
        self._user_agent = user_agent

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpReply:
        """The reply to one request, whatever its status. GET and HEAD follow redirects, hop by hop.

        User info in the URL becomes an Authorization header; no header of ours goes to another origin.
        Raises Timeout, Unreachable (kind dns | tcp | tls | policy) or BadReply (not HTTP, redirect loop).
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._follow(url, method, dict(headers or {}), body)
                return replace(reply, seconds=time.monotonic() - started)
        except TimeoutError as exc:
            raise Timeout(f"{safe_url(url)} did not answer within {self._timeout:g} s") from exc

    async def _follow(self, url: str, method: str, headers: dict[str, str], body: bytes | None) -> HttpReply:
        from yarl import URL

        current = _parsed(URL, url)
        if current.user is not None:
            login = f"{current.user}:{current.password or ''}".encode()
            headers.setdefault("Authorization", f"Basic {base64.b64encode(login).decode()}")
        origin = current.origin()
        hops: list[str] = []
        while True:
            current = current.with_user(None).with_fragment(None)
            reply = await self._hop(current, method, headers, body)
            location = reply.headers.get("location")
            if method not in _REDIRECTABLE_METHODS or reply.status not in _REDIRECTS or not location:
                return replace(reply, redirects=tuple(hops))
            if len(hops) >= self._max_redirects:
                raise BadReply(f"{safe_url(url)} redirects more than {self._max_redirects} times")
            try:
                current = _parsed(URL, str(current.join(URL(location))))
            except ValueError:
                raise BadReply(f"{safe_url(str(current))} redirects to something that is no URL") from None
            if current.origin() != origin:
                headers = {}
            hops.append(safe_url(str(current)))

    async def _hop(self, url: URL, method: str, headers: dict[str, str], body: bytes | None) -> HttpReply:
        import aiohttp

        host, port = str(url.host), int(url.port or 0)
        pinned = _PinnedAddresses(await resolve_host(host, port, self._policy))
        connector = aiohttp.TCPConnector(
            resolver=cast("AbstractResolver", pinned), use_dns_cache=False, force_close=True
        )
        # Encodings are neither asked for nor undone: a small compressed body may unpack to any size.
        defaults = {"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    auto_decompress=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                ) as session,
                session.request(
                    method, url, headers={**defaults, **headers}, data=body, allow_redirects=False
                ) as response,
            ):
                content, truncated = await _read_bounded(response.content, self._max_bytes)
                seen: dict[str, str] = {}
                for name, value in response.headers.items():
                    seen.setdefault(name.lower(), value)
                return HttpReply(
                    url=safe_url(str(url)),
                    status=response.status,
                    headers=seen,
                    body=content,
                    truncated=truncated,
                )
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            if isinstance(exc, TimeoutError):
                raise
            # Not chained: aiohttp's own text can hold the whole URL, and with it a token.
            raise _mapped(exc, safe_url(str(url))) from None


class _PinnedAddresses:
    """A resolver for aiohttp that knows only the addresses which passed the policy."""

    def __init__(self, addresses: Sequence[tuple[socket.AddressFamily, str]]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
            for kind, address in self._addresses
            if family in (0, kind)
        ]

    async def close(self) -> None:
        return None


def _parsed(url_class: type[URL], url: str) -> URL:
    try:
        parsed = url_class(url)
    except ValueError:
        raise BadReply(f"{safe_url(url)} is not a usable URL") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise BadReply(f"{safe_url(url)} is not an http or https URL")
    return parsed


async def _read_bounded(content: aiohttp.StreamReader, max_bytes: int) -> tuple[bytes, bool]:
    """At most `max_bytes` of the body, and whether there was more."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            return b"".join(chunks)[:max_bytes], True
    return b"".join(chunks), False


def _mapped(exc: Exception, where: str) -> ConnectorError:
    """Our error for one of aiohttp's."""
    import aiohttp

    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        reason = getattr(exc.certificate_error, "verify_message", "") or "the certificate is not trusted"
        return unreachable("tls", f"TLS to {where} failed: {reason}")
    if isinstance(exc, aiohttp.ClientSSLError):
        reason = getattr(exc.os_error, "reason", "") or "the handshake failed"
        return unreachable("tls", f"TLS to {where} failed: {reason}")
    if isinstance(exc, aiohttp.ClientConnectorError):
        return unreachable("tcp", f"No connection to {where}: {exc.os_error.strerror or 'connection failed'}")
    if isinstance(exc, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError)):
        return unreachable("tcp", f"{where} closed the connection without an answer")
    return BadReply(f"{where} did not answer in valid HTTP")

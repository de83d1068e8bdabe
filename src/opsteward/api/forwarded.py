"""Where a request really comes from, when proxies that are trusted handed it on.

The address is the right-most hop of `X-Forwarded-For` that is no trusted proxy: what stands left of it anybody may
have written. Without trusted proxies these headers mean nothing, and this is no part of the application.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Forwarded:
    """Pure ASGI: sets the scope's client and scheme."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope.get("client"):
            peer = _address(scope["client"][0])
            if peer is not None and self._is_trusted(peer):
                scope["client"] = (str(self._origin(peer, _values(scope, b"x-forwarded-for"))), 0)
                self._set_scheme(scope)
        await self._app(scope, receive, send)

    def _origin(self, peer: IPv4Address | IPv6Address, hops: Sequence[str]) -> IPv4Address | IPv6Address:
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:  # no proxy writes this: nothing beyond it is believed
                return peer
            peer = address
            if not self._is_trusted(peer):
                break
        return peer

    def _set_scheme(self, scope: Scope) -> None:
        told = _values(scope, b"x-forwarded-proto")
        scheme = _SCHEMES.get(told[-1].lower()) if told else None
        if scheme is not None:
            scope["scheme"] = scheme if scope["type"] == "http" else {"http": "ws", "https": "wss"}[scheme]

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def _values(scope: Scope, name: bytes) -> list[str]:
    """All values of a header that is a list, in their order."""
    given = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [part.strip() for part in ",".join(given).split(",") if part.strip()]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address with or without port, brackets and zone."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None else ip

"""Senders that show no credential: from which networks something is taken, each with its tenant, and where it is
listened for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from uuid import UUID

from pydantic import IPvAnyNetwork

from opsteward.accounts.tenants import DEFAULT_TENANT, list_tenants
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, Unavailable
from opsteward.events.sources.listen_address import host_and_port

_LEARN_AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0, *[5.0] * 13)
_KERNEL_BUFFER = 4_194_304


class NetworkSenders:
    """Which tenant a sender is of, by the network that it is in: of several, the narrowest."""

    def __init__(self, networks: Mapping[IPvAnyNetwork, str], *, setting: str) -> None:
        """Networks with names of tenants, and the setting that they come from."""
        self._networks = sorted(networks.items(), key=lambda pair: -pair[0].prefixlen)
        self._setting = setting
        self._tenants: dict[str, UUID] = {}

    async def learn_tenants(self, db: Database) -> None:
        """Look up the tenants; waits while the database is away. Raises Invalid for one that does not exist."""
        for seconds in _LEARN_AGAIN_AFTER:
            with suppress(Unavailable):
                async with db.unit_of_work(None) as session:
                    self._tenants = {tenant.name: tenant.id for tenant in await list_tenants(session)}
                unknown = sorted({name for _, name in self._networks} - set(self._tenants))
                if not unknown:
                    return
                if self._tenants:
                    raise Invalid.field(
                        self._setting, f"there is no tenant {unknown[0]!r}", "name a tenant that exists"
                    )
            await asyncio.sleep(seconds)

    def tenant_of(self, sender: str) -> UUID | None:
        """None for who may not send."""
        try:
            address = ip_address(sender.partition("%")[0])
        except ValueError:
            return None
        name = next((name for network, name in self._networks if address in network), None)
        return self._tenants.get(name) if name is not None else None

    @property
    def first_tenant(self) -> UUID | None:
        """Whose the installation is: what is of no tenant is told to it."""
        return self._tenants.get(DEFAULT_TENANT)


def plain_address(address: str) -> str:
    """An IPv4 address that came over an IPv6 socket is itself again."""
    with suppress(ValueError):
        found = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            return str(found.ipv4_mapped)
    return address


def bound_socket(given: str, kind: socket.SocketKind, setting: str) -> socket.socket:
    """A socket that processes of one machine may share. Raises Invalid."""
    host, port = host_and_port(given)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)[0]
        endpoint = socket.socket(family, kind)
        try:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
            if hasattr(socket, "SO_REUSEPORT"):
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if kind == socket.SOCK_DGRAM:
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER)
            if family == socket.AF_INET6:
                endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            endpoint.setblocking(False)
            endpoint.bind(address)
        except OSError:
            endpoint.close()
            raise
    except OSError as error:
        remedy = "choose another one; ports below 1024 are for root or CAP_NET_BIND_SERVICE"
        raise Invalid.field(setting, f"can't listen on {given}: {error.strerror or error}", remedy) from None
    return endpoint

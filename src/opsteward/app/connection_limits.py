"""How many connections the server holds: a ceiling below the limit of descriptors, and one for each address.

At a ceiling, who keeps us waiting is let go for who comes: of the address that has the most, the connection of which we
have waited longest for something (a request, more of its body, that it reads its answer). Only when all are at work is
the newcomer refused.

What answers that nobody reads take up in memory has a bound of its own.
"""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from opsteward.core.errors import Unavailable

_DESCRIPTORS_LIMIT = 65_536  # more is not asked for
_OTHER_DESCRIPTORS = 256  # for the database, files and outside systems; at least so many, and a quarter of all
_TOLD_LIMIT = 32  # connections beyond the ceiling that are told so at once; others are cut
_IPV6_NETWORK = 64  # bits: what one subscriber is given
UNREAD_BYTES_LIMIT = 64 * 1024 * 1024  # of answers that wait to be read, over all connections


class TooManyConnections(Unavailable):
    """All connections that the server holds are at work; nothing was read from this one."""

    code = "too_many_connections"
    title = "Too many connections at once; try again in a moment"


def raise_descriptor_limit() -> int:
    """Let this process have as many descriptors as the system allows; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS_LIMIT if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS_LIMIT)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft if soft != resource.RLIM_INFINITY else _DESCRIPTORS_LIMIT


def connections_within(descriptors: int, wanted: int) -> int:
    """How many connections fit beside all else that needs a descriptor."""
    return max(16, min(wanted, descriptors - max(_OTHER_DESCRIPTORS, descriptors // 4)))


class Held(Protocol):
    """A connection as the ceiling sees it."""

    address: str

    def let_go(self) -> None:
        """Close it at once: somebody else needs its place."""


@dataclass
class _Address:
    open: int = 0
    waiting: dict[Held, None] = field(default_factory=dict)  # in the order in which we began to wait for them
    unread: dict[Held, int] = field(default_factory=dict)  # bytes that wait for their reader, in the order of time

    @property
    def unread_bytes(self) -> int:
        return sum(self.unread.values())


class ConnectionLimits:
    """The connections of one server; for one event loop."""

    def __init__(self, *, total: int, per_address: int, trusted: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """`trusted` proxies bring many people's connections: for them the total alone counts."""
        self._total = total
        self._per_address = min(per_address, max(1, total * 3 // 4))
        self._trusted = tuple(trusted)
        self._addresses: dict[str, _Address] = {}
        self._told: set[Held] = set()
        self.open = 0
        self.unread = 0  # bytes

    def may_say_why(self, connection: Held) -> bool:
        """Whether one that was not admitted may stay for the moment that it takes to say so."""
        if len(self._told) >= _TOLD_LIMIT:
            return False
        self._told.add(connection)
        return True

    def forget_refused(self, connection: Held) -> None:
        """One that was not admitted is gone."""
        self._told.discard(connection)

    def admit(self, connection: Held) -> bool:
        """Take it in as one that waits, for another's place if need be; False when there is none."""
        key = self._key(connection)
        own = self._addresses.get(key)
        if own and own.open >= self._per_address and not self._is_trusted(connection):
            if not self._make_room(own):
                return False
        elif self.open >= self._total:
            most = max(self._addresses.values(), key=lambda each: len(each.waiting))
            if not self._make_room(most):
                return False
        entry = self._addresses.setdefault(key, _Address())
        entry.open += 1
        entry.waiting[connection] = None
        self.open += 1
        return True

    def note_working(self, connection: Held) -> None:
        """A whole request has come, or it has read what there was: it keeps its place."""
        if entry := self._addresses.get(self._key(connection)):
            entry.waiting.pop(connection, None)

    def note_waiting(self, connection: Held) -> None:
        """The next step is the peer's: its request is answered, its body not all here, or its answer not read."""
        if entry := self._addresses.get(self._key(connection)):
            entry.waiting.pop(connection, None)
            entry.waiting[connection] = None

    def note_unread(self, connection: Held, size: int) -> None:
        """So many bytes wait for it to read them; 0: none any more. Where all together are too many, those are let go
        that have waited longest, of the address that has the most."""
        entry = self._addresses.get(self._key(connection))
        if entry is None:
            return
        self.unread += size - entry.unread.pop(connection, 0)
        if size:
            entry.unread[connection] = size
        while self.unread > UNREAD_BYTES_LIMIT:
            most = max(self._addresses.values(), key=lambda each: each.unread_bytes)
            oldest = next(iter(most.unread))
            if oldest is connection:
                return  # a large answer, and its reader the only one
            oldest.let_go()

    def release(self, connection: Held) -> None:
        """It is gone; to be told once."""
        key = self._key(connection)
        entry = self._addresses[key]
        entry.waiting.pop(connection, None)
        self.unread -= entry.unread.pop(connection, 0)
        entry.open -= 1
        self.open -= 1
        if entry.open == 0:
            del self._addresses[key]

    def _make_room(self, entry: _Address) -> bool:
        oldest = next(iter(entry.waiting), None)
        if oldest is None:
            return False
        oldest.let_go()
        return True

    def _is_trusted(self, connection: Held) -> bool:
        return bool(self._trusted) and is_within(connection.address, self._trusted)

    @staticmethod
    def _key(connection: Held) -> str:
        if ":" not in connection.address:
            return connection.address
        try:
            ip = ip_address(connection.address.partition("%")[0])
        except ValueError:
            return connection.address
        return str(int(ip) >> (128 - _IPV6_NETWORK)) if ip.version == 6 and ip.ipv4_mapped is None else str(ip)


def is_within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address, in whichever way it is written, lies in one of the networks."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip.version == network.version and ip in network for network in networks)

"""Questions to resolvers; the only user of dnspython. UDP first, TCP where the answer did not fit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import BadReply, ConnectorError, Timeout, Unreachable
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host
from opsteward.integrations.dns.config import DnsConfig

if TYPE_CHECKING:
    import dns.message

_VALUES_LIMIT = 100
_SHOWN = 500


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one resolver said. `status`: NOERROR, NXDOMAIN, SERVFAIL ...; `values` sorted; `ttl` in seconds."""

    resolver: str
    seconds: float
    status: str
    values: tuple[str, ...]
    ttl: int | None
    authoritative: bool


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """A resolver that gave none, and why."""

    resolver: str
    error: ConnectorError


async def ask_all(config: DnsConfig) -> list[Answer | NoAnswer]:
    """Every resolver at the same time. Raises Unreachable where none is known."""
    servers: Sequence[tuple[str, int]] = config.resolvers or await in_thread(_resolvers_of_this_machine)
    if not servers:
        raise Unreachable("This machine has no resolver", remedy="name some in settings.resolvers")
    # those of this machine are its operator's choice, and may be link-local
    given = bool(config.resolvers)
    return list(await asyncio.gather(*(_ask(config, host, port, guarded=given) for host, port in servers)))


async def _ask(config: DnsConfig, host: str, port: int, *, guarded: bool) -> Answer | NoAnswer:
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.rcode

    resolver = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    limit = config.settings.timeout_seconds
    error: ConnectorError
    try:
        query = dns.message.make_query(config.name, config.record_type)
        async with asyncio.timeout(limit):
            address = (await resolve_host(host, port, REGISTERED_SYSTEMS))[0][1] if guarded else host
            began = time.monotonic()
            reply, _ = await dns.asyncquery.udp_with_fallback(
                query, address, timeout=limit, port=port, ignore_unexpected=True, ignore_errors=True
            )
            seconds = time.monotonic() - began
        values, ttl = _values(reply, config.record_type)
    except ConnectorError as refused:
        error = refused
    except (TimeoutError, dns.exception.Timeout):
        error = Timeout(f"{resolver} did not answer within {limit:g} s")
    except (OSError, EOFError) as gone:
        error = Unreachable(f"{resolver} can't be reached: {getattr(gone, 'strerror', None) or 'connection failed'}")
    except dns.exception.DNSException as wrong:
        error = BadReply(f"{resolver} gave no usable answer ({type(wrong).__name__})")
    else:
        return Answer(
            resolver=resolver,
            seconds=seconds,
            status=dns.rcode.to_text(reply.rcode()),
            values=values,
            ttl=ttl,
            authoritative=bool(reply.flags & 0x0400),
        )
    return NoAnswer(resolver=resolver, error=error)


def _values(reply: dns.message.Message, record_type: str) -> tuple[tuple[str, ...], int | None]:
    """The records at the end of the chain of aliases, as people write them."""
    import dns.exception
    import dns.message

    if reply.rcode() != 0 or not isinstance(reply, dns.message.QueryMessage):
        return (), None
    try:
        chain = reply.resolve_chaining()
    except dns.message.NotQueryResponse:
        return (), None
    if chain.answer is None:
        return (), None
    texts = sorted(as_written(each.to_text()[:_SHOWN], record_type) for each in chain.answer)
    return tuple(texts[:_VALUES_LIMIT]), int(chain.answer.ttl)


_OF_NAMES = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV"})


def as_written(value: str, record_type: str) -> str:
    """One form of a value: names in lower case without the last dot; texts as they are, without quotes."""
    if record_type in _OF_NAMES:
        return " ".join(word.rstrip(".").lower() for word in value.split())
    if record_type == "TXT" and value.startswith('"'):
        return "".join(part for place, part in enumerate(value.split('"')) if place % 2)
    return value.strip()


def _resolvers_of_this_machine() -> list[tuple[str, int]]:
    import dns.resolver

    try:
        return [(str(each), 53) for each in dns.resolver.Resolver().nameservers][:3]
    except dns.resolver.NoResolverConfiguration:
        return []

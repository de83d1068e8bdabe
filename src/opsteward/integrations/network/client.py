"""Looks up names and opens TCP connections: one attempt each, bounded, under the address policy."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass

from opsteward.core.errors import Timeout
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host


@dataclass(frozen=True, kw_only=True)
class TcpAttempt:
    """One address tried. `error` is empty when the connection was made; `seconds` is the handshake.
    `refused`: somebody said that nobody listens; `silent`: nobody said anything."""

    address: str
    seconds: float
    error: str = ""
    refused: bool = False
    silent: bool = False


async def look_up(host: str, port: int, *, timeout_seconds: float) -> tuple[list[str], float]:
    """Addresses of the host and the seconds the look-up took. Raises Unreachable (dns, policy) or Timeout."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(timeout_seconds):
            found = await resolve_host(host, port, REGISTERED_SYSTEMS)
    except TimeoutError as exc:
        raise Timeout(f"The name {host} was not resolved within {timeout_seconds:g} s") from exc
    return [address for _, address in found], time.monotonic() - started


async def connect_each(addresses: list[str], port: int, *, timeout_seconds: float) -> list[TcpAttempt]:
    """Tries the addresses in order until one accepts; the time is shared evenly among them."""
    attempts: list[TcpAttempt] = []
    for address in addresses:
        started = time.monotonic()
        error, refused, silent = "", False, False
        try:
            async with asyncio.timeout(timeout_seconds / len(addresses)):
                _, writer = await asyncio.open_connection(address, port, family=socket.AF_UNSPEC)
            writer.close()
        except TimeoutError:
            error, silent = "no answer in time", True
        except OSError as exc:
            error, refused = exc.strerror or "connection failed", isinstance(exc, ConnectionRefusedError)
        seconds = time.monotonic() - started
        attempts.append(TcpAttempt(address=address, seconds=seconds, error=error, refused=refused, silent=silent))
        if not error:
            break
    return attempts

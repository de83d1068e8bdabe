"""ICMP echo over the kernel's unprivileged socket: no raw socket, no capability, no other program."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import struct
import time

from opsteward.core.errors import Unreachable
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host, unreachable

_REQUEST_V4, _REQUEST_V6 = 8, 128
_REPLIES = {socket.AF_INET: 0, socket.AF_INET6: 129}
_sequence = itertools.count(1)


async def echo(host: str) -> tuple[float, str]:
    """Seconds to the reply of the first address, and it in words. Raises Unreachable: of kind `local` where this
    machine does not let us ask; waits for ever where nothing comes back."""
    family, address = (await resolve_host(host, 0, REGISTERED_SYSTEMS))[0]
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    try:
        line = socket.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        raise unreachable(
            "local", "This machine lets nobody send an ICMP echo: see net.ipv4.ping_group_range"
        ) from None
    with line:
        line.setblocking(False)
        loop = asyncio.get_running_loop()
        sequence, token = next(_sequence) & 0xFFFF, os.urandom(16)
        kind = _REQUEST_V4 if family == socket.AF_INET else _REQUEST_V6
        head = struct.pack("!BBHHH", kind, 0, 0, 0, sequence)  # the kernel fills in identifier and checksum
        began = time.monotonic()
        await loop.sock_sendto(line, head + token, (address, 0))
        while True:
            data = await loop.sock_recv(line, 2048)
            if len(data) < 8:
                continue
            reply, _, _, _, number = struct.unpack("!BBHHH", data[:8])
            if reply == _REPLIES[family] and number == sequence and data[8:24] == token:
                return time.monotonic() - began, f"echo from {address}"
            if reply != _REPLIES[family] and reply != kind:
                raise Unreachable(f"{host} can't be reached: ICMP type {reply}")

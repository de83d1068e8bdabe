"""Loopback ports for the lab's servers."""

from __future__ import annotations

import random
import socket

from opsteward.core.errors import Unavailable

# Below the range from which kernels take ports for outgoing connections: while a server is down, its clients
# go on trying, and one of those attempts could otherwise be given the very port that the server needs again.
_FIRST, _LAST = 15000, 31999


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now. Raises Unavailable when none is found."""
    for _ in range(200):
        port = random.SystemRandom().randint(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unavailable(f"no free loopback port found between {_FIRST} and {_LAST}")

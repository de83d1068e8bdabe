"""No test talks to anybody but this machine.

An audit hook can't be taken off again, so it is switched; it sees every socket of this process that Python opens,
whichever library asks for it.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_switch = {"installed": False, "on": False}


class OutsideWorld(RuntimeError):
    """A test tried to reach another machine. No OSError: nobody may take it for an ordinary failure."""


@contextmanager
def loopback_only() -> Iterator[None]:
    """Within the block only loopback and unix sockets can be connected, and only local names have addresses."""
    if not _switch["installed"]:
        sys.addaudithook(_watch)
        _switch["installed"] = True
    _switch["on"] = True
    try:
        yield
    finally:
        _switch["on"] = False


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if not event.startswith("socket.") or not _switch["on"]:
        return
    if event in ("socket.connect", "socket.sendto"):
        if args[0].family != socket.AF_UNIX and not _is_local(args[1][0]):
            raise OutsideWorld(f"a test tried to reach {args[1]}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and not _has_address(args[0]):
        raise socket.gaierror(socket.EAI_NONAME, "no such name (tests ask no name server)")


def _is_local(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _has_address(host: Any) -> bool:
    """Local names, and addresses that need no name server."""
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError:
        return False
    return True

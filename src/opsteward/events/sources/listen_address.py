"""Addresses at which something is listened for, as settings say them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def host_and_port(value: str) -> tuple[str, int]:
    """Of "514", "0.0.0.0:514" or "[::]:514"; without a host, this machine alone. Raises ValueError."""
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise ValueError("is no port, nor an address with one as 0.0.0.0:514")
    return host, int(port)


def _checked(value: str) -> str:
    host_and_port(value)
    return value


#: Of a setting that says where something is listened for.
Address = Annotated[str, AfterValidator(_checked)]

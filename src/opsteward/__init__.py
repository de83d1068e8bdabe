"""Opsteward: an always-on operations agent for a company's backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsteward.core.version import __version__

if TYPE_CHECKING:
    from opsteward.client import AsyncOpsteward, CallFailed, Opsteward, Priority, SystemType

__all__ = ["AsyncOpsteward", "CallFailed", "Opsteward", "Priority", "SystemType", "__version__"]


def __getattr__(name: str) -> Any:
    """The Python client, imported when it is first asked for: the command line must start at once."""
    if name in __all__:
        import opsteward.client

        return getattr(opsteward.client, name)
    raise AttributeError(f"module 'opsteward' has no attribute {name!r}")

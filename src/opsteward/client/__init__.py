"""Opsteward from Python: the verbs of the API as methods, in a blocking and an async form.

    with Opsteward() as ops:
        task = ops.create_task("opsteward.echo", {"message": "hello"}, priority=Priority.HIGH)
        print(ops.wait_for_task(task["id"])["result_data"])

Each verb is one function of `calls`, `people`, `files` or `systems`, and both forms only send what it gives; answers
are the API's own objects, described in `types`. One way leads to an instance, HTTP, be it elsewhere, here, or
started for this program.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsteward.client.asynchronous import AsyncOpsteward
    from opsteward.client.blocking import Opsteward
    from opsteward.client.calls import Priority
    from opsteward.client.connection import CallFailed
    from opsteward.client.systems import SystemType

__all__ = ["AsyncOpsteward", "CallFailed", "Opsteward", "Priority", "SystemType"]

_HOMES = {
    "AsyncOpsteward": "asynchronous",
    "Opsteward": "blocking",
    "Priority": "calls",
    "CallFailed": "connection",
    "SystemType": "systems",
}


def __getattr__(name: str) -> Any:
    """Imported when it is first asked for: the command line uses the verbs, and not the HTTP library behind them."""
    if name in _HOMES:
        return getattr(import_module(f"opsteward.client.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'opsteward.client' has no attribute {name!r}")

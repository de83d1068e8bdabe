"""Opsteward from Python: the verbs of the API as methods, in a blocking and an async form.

    with Opsteward() as ops:
        task = ops.create_task("opsteward.echo", {"message": "hello"}, priority=Priority.HIGH)
        print(ops.wait_for_task(task["id"])["result_data"])

Every route has a verb. What each asks is a function of `operations` (written from the OpenAPI document), `calls` or
`files`, and both forms only send what it gives; answers are the API's own objects, described in `types`. One way
leads to an instance, HTTP, be it elsewhere, here, or started for this program.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsteward.client.asynchronous import AsyncOpsteward
    from opsteward.client.blocking import Opsteward
    from opsteward.client.choices import Priority, SystemType
    from opsteward.client.connection import CallFailed

__all__ = ["AsyncOpsteward", "CallFailed", "Opsteward", "Priority", "SystemType"]

_MODULES = {
    "AsyncOpsteward": "asynchronous",
    "Opsteward": "blocking",
    "Priority": "choices",
    "CallFailed": "connection",
    "SystemType": "choices",
}


def __getattr__(name: str) -> object:
    """Imported when it is first asked for: the command line uses the verbs, and not the HTTP library behind them."""
    if name in _MODULES:
        return getattr(import_module(f"opsteward.client.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'opsteward.client' has no attribute {name!r}")

"""Opsteward from Python: the verbs of the API as methods, in a blocking and an async form.

    with Opsteward() as ops:
        task = ops.create_task("opsteward.echo", {"message": "hello"}, priority=Priority.HIGH)
        print(ops.wait_for_task(task["id"])["result_data"])

Each verb is one function of `calls`, `people`, `files` or `systems`, and both forms only send what it gives; answers
are the API's own objects, described in `types`. One way leads to an instance, HTTP, be it elsewhere, here, or
started for this program.
"""

from __future__ import annotations

from opsteward.client.asynchronous import AsyncOpsteward
from opsteward.client.blocking import Opsteward
from opsteward.client.calls import Priority
from opsteward.client.connection import CallFailed
from opsteward.client.systems import SystemType

__all__ = ["AsyncOpsteward", "CallFailed", "Opsteward", "Priority", "SystemType"]

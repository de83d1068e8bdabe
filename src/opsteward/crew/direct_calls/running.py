"""Runs direct calls on the systems of who asks."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from opsteward.contracts.connector import Connector
from opsteward.contracts.lookups import ListSource, Looked, StatementSource
from opsteward.contracts.registry import Registry
from opsteward.core.blocking_calls import in_thread
from opsteward.core.db import Database
from opsteward.core.errors import ConnectorError, Invalid, NotFound
from opsteward.crew.direct_calls.call_file import load_calls
from opsteward.crew.direct_calls.types import CallFileProblem, CallRows, DirectCall
from opsteward.crew.direct_calls.values import typed_values
from opsteward.systems.circuit import note_failure, note_success, require_closed
from opsteward.systems.service import Inventory

_PLACE = re.compile(r"\{([^{}]*)\}")
_NOWHERE = "\x00"


class DirectCalls:
    """The calls of the installation, run on the systems of who asks."""

    def __init__(self, folder: Path | None, db: Database, inventory: Inventory, registry: Registry) -> None:
        """The files of the folder are read when a call is first asked for."""
        self._folder = folder
        self._db, self._inventory, self._registry = db, inventory, registry

    @property
    def calls(self) -> Mapping[str, DirectCall]:
        """By name."""
        return self._loaded[0]

    @property
    def problems(self) -> Sequence[CallFileProblem]:
        """What is wrong in the files; the calls concerned are left out."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[dict[str, DirectCall], list[CallFileProblem]]:
        return load_calls(self._folder) if self._folder is not None else ({}, [])

    async def run(self, tenant_id: UUID, name: str, values: Mapping[str, object]) -> CallRows:
        """The rows of one call. Raises NotFound for an unknown call or system, Invalid naming values, and
        ConnectorError."""
        calls = await in_thread(lambda: self.calls)  # the first to ask reads the files
        call = calls.get(name)
        if call is None:
            known = ", ".join(sorted(calls)[:20])
            remedy = f"the calls: {known}" if known else "declare it in a file of OPSTEWARD_DIRECT_CALLS"
            raise NotFound(f"there is no direct call {name!r:.80}", remedy=remedy)
        typed = typed_values(call, values)
        via, system_id = await self._open(tenant_id, call)
        began = time.monotonic()
        failure: ConnectorError | None = None
        try:
            found = await _looked(via, call, typed)
        except ConnectorError as error:
            failure = error
            raise
        finally:
            await via.close()
            async with self._db.unit_of_work(tenant_id) as session:
                if failure is not None and failure.retryable:
                    await note_failure(session, system_id=system_id, error=failure)
                elif failure is None:
                    await note_success(session, system_id=system_id)
        return CallRows(call=name, system=call.system, rows=found.rows, cut=found.cut, seconds=time.monotonic() - began)

    async def _open(self, tenant_id: UUID, call: DirectCall) -> tuple[Connector[Any], UUID]:
        wanted: type = StatementSource if call.statement else ListSource
        async with self._db.unit_of_work(tenant_id) as session:
            info = await self._inventory.find(session, name=call.system)
            if info is None:
                raise NotFound(f"there is no system {call.system!r:.80}", remedy=f"register it, or change {call.file}")
            if not info.enabled:
                raise Invalid.field("system", f"{info.name} is disabled", "enable it first")
            fitting = [
                kind for kind in self._registry.connectors_for(info.endpoint, info.type) if issubclass(kind, wanted)
            ]
            if not fitting:
                does = "answers no SQL here" if call.statement else "gives no lists here"
                raise Invalid.field("system", f"{info.name} {does}", f"change the system of {call.name} in {call.file}")
            target, secret = await self._inventory.ref_with_secret(session, system_id=info.id)
            await require_closed(session, system_id=info.id)
        via = fitting[0](fitting[0].config_for(target, await secret.followed()))
        via.own_server = target.own_server
        return via, info.id


async def _looked(via: Connector[Any], call: DirectCall, values: Mapping[str, object]) -> Looked:
    if isinstance(via, StatementSource):
        return await via.select(call.statement, values, max_rows=call.max_rows, seconds=call.seconds)
    assert isinstance(via, ListSource)
    return await via.list_items(_put(call.declared, values), max_rows=call.max_rows, seconds=call.seconds)


def _put(declared: Mapping[str, object], values: Mapping[str, object]) -> dict[str, object]:
    """Path and query with the values in their places; in a path they can't lead elsewhere."""
    made = dict(declared)
    made["path"] = _filled(str(declared["path"]), {name: _in_path(_said(one)) for name, one in values.items()})
    query = declared.get("query")
    if _NOWHERE in str(made["path"]):
        raise Invalid.field("values", "a value in the path is empty, '.' or '..'", "send the name of one thing")
    if isinstance(query, dict):
        told = {name: _said(one) for name, one in values.items()}
        made["query"] = {
            key: _filled(str(text), told) for key, text in query.items() if not _is_empty(str(text), values)
        }
    return made


def _filled(text: str, values: Mapping[str, str]) -> str:
    # In one go: what a value holds is no place for another one.
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), text)


def _is_empty(text: str, values: Mapping[str, object]) -> bool:
    """A parameter whose value is null is not sent."""
    return text.startswith("{") and text.endswith("}") and text[1:-1] in values and values[text[1:-1]] is None


def _in_path(text: str) -> str:
    if text.strip(".") == "" and len(text) < 3:  # nothing, or one that leads upwards
        return _NOWHERE
    return quote(text, safe="")


def _said(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(one) for one in value)
    return value.isoformat() if hasattr(value, "isoformat") else "" if value is None else str(value)

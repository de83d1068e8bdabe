"""A registered HTTP API: its declared lists read page by page, its records changed by the declared calls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from opsteward.contracts.attribute_paths import put_into, value_at
from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.contracts.distinct_records import DistinctRecords
from opsteward.contracts.lookups import ListSource, Looked
from opsteward.contracts.record_values import instant, same_values
from opsteward.contracts.records import (
    MAX_BATCH,
    Batch,
    Change,
    ChangeResult,
    Coverage,
    Cursor,
    Operation,
    Outcome,
    Record,
    RecordTarget,
    ResourceInfo,
)
from opsteward.core.clock import now
from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, Invalid, NotFound, RateLimited
from opsteward.core.http_client import REGISTERED_SYSTEMS
from opsteward.core.http_client.json_calls import JsonCalls, JsonReply
from opsteward.core.json_types import Json, JsonObject
from opsteward.integrations.rest.config import Call, RestConfig, RestResource, config_from
from opsteward.integrations.rest.lookups import list_items
from opsteward.integrations.rest.paging import at_way, pages_of

#: What changed shortly before a read is asked for again with the next: the API's clock may be behind ours.
_OVERLAP = timedelta(minutes=5)
_NO = frozenset({"0", "no", "false", "f", "n", "off", "disabled", "inactive"})
_SEEN = (404, 409, 410, 412)


class RestConnector(Connector[RestConfig], RecordTarget, ListSource):
    """Records by the id that the API gives them."""

    config_model: ClassVar[type[BaseModel]] = RestConfig

    def __init__(self, config: RestConfig) -> None:
        super().__init__(config)
        settings = config.settings
        self._calls = JsonCalls(
            config.base,
            config.login,
            REGISTERED_SYSTEMS,
            timeout=settings.timeout_seconds,
            calls_per_second=settings.calls_per_second,
        )

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> RestConfig:
        return config_from(target, credentials)

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        detail = "no lists are declared"
        for name, resource in sorted(self.config.settings.resources.items())[:1]:
            async for page in pages_of(self._calls, resource, None):
                detail = f"{name}: {len(page.items)} records on the first page"
                break
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, detail=detail)

    async def close(self) -> None:
        return None

    async def list_items(self, declared: Mapping[str, object], *, max_rows: int, seconds: float) -> Looked:
        return await list_items(self._calls, declared, max_rows=max_rows, seconds=seconds)

    async def resources(self) -> Sequence[ResourceInfo]:
        return [
            ResourceInfo(
                name=name,
                key=resource.key or resource.id,
                writable=any((resource.create, resource.update, resource.delete)),
                incremental=bool(resource.since_param),
                tells_deletions=bool(resource.since_param and resource.deleted),
            )
            for name, resource in sorted(self.config.settings.resources.items())
        ]

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._read(resource, since)

    async def _read(self, name: str, since: Cursor | None) -> AsyncIterator[Batch]:
        resource = self._resource(name)
        started = Cursor((now() - _OVERLAP).isoformat())
        asked = str(since) if since and resource.since_param else None
        distinct = DistinctRecords(without_key=f"a record has no {resource.id}")
        total: int | None = None
        async for page in pages_of(self._calls, resource, asked):
            total = page.total
            for at in range(0, len(page.items), MAX_BATCH):
                part = page.items[at : at + MAX_BATCH]
                batch = distinct.batch((record_of(item, resource), _is_gone(item, resource)) for item in part)
                if batch.upserts or batch.deleted_ids:
                    yield batch
        note = distinct.problems[0] if distinct.problems else ""
        if total is not None and total != len(distinct):
            note = f"the API says that there are {total} records and gave {len(distinct)}"
        if note:
            yield Batch(coverage=Coverage.PARTIAL, note=note, problems=distinct.problems)
            return
        told = Coverage.CHANGES if resource.deleted else Coverage.UPDATES
        yield Batch(cursor=started if resource.since_param else None, coverage=Coverage.FULL if asked is None else told)

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        declared = self._resource(resource)
        found: dict[str, Record] = {}
        for native_id in native_ids:
            if (record := await self._one(declared, native_id)) is not None:
                found[native_id] = record
        return found

    async def _one(self, resource: RestResource, native_id: str) -> Record | None:
        path = resource.one or f"{resource.path}/{{id}}"
        reply = await self._calls.call("GET", self._calls.address(_filled(path, native_id)), expect=(404, 410))
        return None if reply.status in {404, 410} else record_of(reply.data, resource)

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        declared = self._resource(resource)
        results: list[ChangeResult] = []
        for change in changes:
            try:
                results.append(await self._apply(declared, change))
            except Invalid as error:
                results.append(change.result(Outcome.REFUSED, problem=error.detail))
            except ConnectorError as error:
                refused = isinstance(error, BadReply | AuthFailed) and (
                    "status" in error.extra or error.extra.get("kind") == "permission"
                )
                if not results and not refused:
                    raise
                wait = error.extra.get("retry_after") if isinstance(error, RateLimited) else None
                outcome = Outcome.REFUSED if refused else Outcome.FAILED
                results.append(change.result(outcome, problem=error.detail, retry_after=wait))
        return results

    async def _apply(self, resource: RestResource, change: Change) -> ChangeResult:
        call: Call | None = getattr(resource, change.operation.value)
        if call is None:
            raise Invalid.field(change.operation.value, "is not declared for this list", "add it to settings.resources")
        native_id = change.native_id or ""
        there: Record | None = None
        values: JsonObject = {**put_into({}, change.values), **call.body}
        if change.operation in {Operation.UPDATE, Operation.DISABLE}:
            there = await self._one(resource, native_id)
            if there is None:
                return change.result(Outcome.MISSING, problem="there is no such record")
            values = {**put_into(there.values, change.values), **call.body}
            if same_values(values, there.values):
                return change.result(Outcome.UNCHANGED, there)
            if call.method == "PUT":
                values = {**there.values, **values}
        headers = {"Idempotency-Key": change.key} | ({"If-Match": change.version} if change.version else {})
        reply = await self._calls.call(
            call.method,
            self._calls.address(_filled(call.path, native_id)),
            body=values if call.method != "DELETE" else None,
            headers=headers,
            expect=_SEEN,
        )
        return await self._judged(resource, change, reply, there)

    async def _judged(
        self, resource: RestResource, change: Change, reply: JsonReply, there: Record | None
    ) -> ChangeResult:
        if reply.status in {404, 410}:
            if change.operation is Operation.DELETE:
                return change.result(Outcome.UNCHANGED)
            return change.result(Outcome.MISSING, problem="there is no such record")
        if reply.status == 412:
            return change.result(Outcome.CONFLICT, there, "the record was changed since it was read")
        if reply.status == 409:
            if change.operation is not Operation.CREATE:
                return change.result(Outcome.CONFLICT, there, "the API says that this is in conflict")
            there = await self._by_key(resource, change)
            same = there is not None and same_values(put_into(there.values, change.values), there.values)
            return change.result(Outcome.UNCHANGED if same else Outcome.EXISTS, there, "" if there else "it exists")
        if change.operation is Operation.DELETE:
            return change.result(Outcome.DONE)
        return change.result(Outcome.DONE, record_of(reply.data, resource) or there)

    async def _by_key(self, resource: RestResource, change: Change) -> Record | None:
        """The record that a create met, looked for in the whole list: adopting is rare."""
        key = resource.key or resource.id
        wanted = value_at(put_into({}, change.values), key)
        if wanted is None:
            return None
        async for page in pages_of(self._calls, resource, None):
            for item in page.items:
                record = record_of(item, resource)
                if record is not None and at_way(dict(record.values), key) == wanted:
                    return record
        return None

    def _resource(self, name: str) -> RestResource:
        try:
            return self.config.settings.resources[name]
        except KeyError:
            raise NotFound(f"there is no list {name!r:.80} here", remedy="declare it in settings.resources") from None


def _is_gone(item: Json, resource: RestResource) -> bool:
    return bool(resource.deleted and _says_yes(at_way(item, resource.deleted)))


def record_of(item: Json, resource: RestResource) -> Record | None:
    """The record of one item; None without an id."""
    native_id = at_way(item, resource.id)
    if not isinstance(item, dict) or isinstance(native_id, bool) or not isinstance(native_id, str | int):
        return None
    return Record(
        native_id=str(native_id),
        values=item,
        changed_at=instant(at_way(item, resource.changed)) if resource.changed else None,
        active=_says_yes(at_way(item, resource.active)) if resource.active else None,
    )


def _says_yes(value: Json) -> bool | None:
    """Whether a value says yes, written as truth, number or text; None where it says nothing: a record without the
    attribute is not one that was switched off."""
    if value is None or value == "":
        return None
    return value.strip().casefold() not in _NO if isinstance(value, str) else bool(value)


def _filled(path: str, native_id: str) -> str:
    return path.replace("{id}", quote(native_id, safe=""))

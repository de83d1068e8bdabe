"""A registered SCIM server: its lists read by pages and counted, its records changed by PATCH or PUT."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from opsteward.contracts.attribute_paths import is_nested, put_into, steps_of, value_at
from opsteward.contracts.connector import Capability, Connector, ProbeReport, SystemRef
from opsteward.contracts.record_values import instant
from opsteward.contracts.records import (
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
from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, NotFound, RateLimited
from opsteward.core.http_client import REGISTERED_SYSTEMS
from opsteward.core.http_client.json_calls import JsonCalls, JsonReply
from opsteward.core.json_types import Json, JsonObject
from opsteward.integrations.scim.config import ScimConfig, ScimResource, config_from

_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_NOT_VALUES = frozenset({"id", "meta", "schemas"})
_NO_PATCH = frozenset({405, 501})
_PAGES_LIMIT = 100_000


class ScimConnector(Connector[ScimConfig], RecordTarget):
    """Records by the server's own id."""

    config_model: ClassVar[type[BaseModel]] = ScimConfig

    def __init__(self, config: ScimConfig) -> None:
        super().__init__(config)
        settings = config.settings
        self._calls = JsonCalls(
            config.base,
            config.login,
            REGISTERED_SYSTEMS,
            timeout=settings.timeout_seconds,
            calls_per_second=settings.calls_per_second,
            media_type="application/scim+json",
        )

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> ScimConfig:
        return config_from(target, credentials)

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        reply = await self._calls.call("GET", self._calls.address("ServiceProviderConfig"), expect=(404,))
        return ProbeReport(
            reachable=True, seconds=time.monotonic() - started, version="SCIM 2.0", detail=f"status {reply.status}"
        )

    async def service_provider_config(self) -> JsonObject:
        """What the server says it can do; empty where it has no such page. Raises BadReply for one that is none."""
        reply = await self._calls.call("GET", self._calls.address("ServiceProviderConfig"), expect=(404,))
        if reply.status == 404:
            return {}
        if not isinstance(reply.data, dict) or "schemas" not in reply.data:
            raise BadReply("ServiceProviderConfig is no SCIM resource")
        return reply.data

    async def total_of_first_list(self) -> int:
        """How many records the first list has. Raises BadReply for an answer that is no list."""
        page = await self._page(next(iter(sorted(self.config.resources.items())))[1], 1, count=1)
        return _list_of(page)[0]

    async def close(self) -> None:
        return None

    async def capabilities(self) -> Sequence[Capability]:
        found: list[Capability] = []
        for name, resource in sorted(self.config.resources.items()):
            problem = ""
            try:
                await self._page(resource, 1, count=1)
            except (AuthFailed, BadReply) as error:
                problem = error.detail
            remedy = f"give the client of Opsteward the right to read and write {resource.path}" if problem else ""
            found.append(Capability(name=f"{name}: read", works=not problem, problem=problem, remedy=remedy))
        return found

    async def resources(self) -> Sequence[ResourceInfo]:
        return [
            ResourceInfo(name=name, key=resource.key, writable=True, incremental=self.config.settings.incremental)
            for name, resource in sorted(self.config.resources.items())
        ]

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._read(resource, since)

    async def _read(self, name: str, since: Cursor | None) -> AsyncIterator[Batch]:
        resource = self._resource(name)
        started = Cursor(now().isoformat())
        query = f'meta.lastModified ge "{since}"' if since and self.config.settings.incremental else ""
        seen: set[str] = set()
        at, total = 1, 0
        for _ in range(_PAGES_LIMIT):
            try:
                page = await self._page(resource, at, query=query)
            except BadReply as error:
                if not query or error.extra.get("status") != 400:
                    raise
                query = ""  # the server can't tell what is new: read it all
                continue
            total, found = _list_of(page)
            records = [record for each in found if (record := record_of(each)) is not None]
            fresh = [record for record in records if record.native_id not in seen]
            seen |= {record.native_id for record in fresh}
            if fresh:
                yield Batch(upserts=fresh)
            at += len(found)
            if not found or at > total:
                break
        if len(seen) != total:
            note = f"the server says that there are {total} records and gave {len(seen)}"
            yield Batch(coverage=Coverage.PARTIAL, note=note)
            return
        yield Batch(
            cursor=started if self.config.settings.incremental else None,
            coverage=Coverage.UPDATES if query else Coverage.FULL,
        )

    async def _page(self, resource: ScimResource, at: int, *, query: str = "", count: int | None = None) -> JsonReply:
        asked: dict[str, object] = {"startIndex": at, "count": count or self.config.settings.page_size}
        if query:
            asked["filter"] = query
        return await self._calls.call("GET", self._calls.address(resource.path, asked))

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        declared = self._resource(resource)
        found: dict[str, Record] = {}
        for native_id in native_ids:
            if (record := await self._one(declared, native_id)) is not None:
                found[native_id] = record
        return found

    async def _one(self, resource: ScimResource, native_id: str) -> Record | None:
        reply = await self._calls.call("GET", self._where(resource, native_id), expect=(404,))
        return None if reply.status == 404 else record_of(reply.data)

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        declared = self._resource(resource)
        results: list[ChangeResult] = []
        for change in changes:
            try:
                results.append(await self._apply(declared, change))
            except RateLimited as error:
                if not results:
                    raise
                wait = error.extra.get("retry_after")
                results.append(change.result(Outcome.FAILED, problem=error.detail, retry_after=wait))
            except (BadReply, AuthFailed) as error:
                if error.extra.get("kind") == "auth" and not results:
                    raise
                unknown = isinstance(error, BadReply) and "status" not in error.extra
                outcome = Outcome.FAILED if unknown else Outcome.REFUSED
                results.append(change.result(outcome, problem=error.detail))
            except ConnectorError as error:
                if not results:
                    raise
                results.append(change.result(Outcome.FAILED, problem=error.detail))
        return results

    async def _apply(self, resource: ScimResource, change: Change) -> ChangeResult:
        if change.operation is Operation.CREATE:
            return await self._create(resource, change)
        native_id = change.native_id or ""
        condition = {"If-Match": change.version} if change.version else {}
        if change.operation is Operation.DELETE:
            reply = await self._calls.call(
                "DELETE", self._where(resource, native_id), headers=condition, expect=(404, 412)
            )
            if reply.status == 412:
                return change.result(Outcome.CONFLICT, problem="the record was changed since it was read")
            return change.result(Outcome.UNCHANGED if reply.status == 404 else Outcome.DONE)
        record = await self._one(resource, native_id)
        if record is None:
            return change.result(Outcome.MISSING, problem="there is no such record")
        values: Mapping[str, Json] = {"active": False} if change.operation is Operation.DISABLE else change.values
        if all(contains(value_at(record.values, name), value) for name, value in values.items()):
            return change.result(Outcome.UNCHANGED, record)
        if change.version is not None and record.version is not None and record.version != change.version:
            return change.result(Outcome.CONFLICT, record, "the record was changed since it was read")
        return await self._update(resource, change, record, values, condition)

    async def _create(self, resource: ScimResource, change: Change) -> ChangeResult:
        # a server need not keep names of groups apart: without a look first, a repeated create would make two
        there = None if resource.key == "userName" else await self._by_key(resource, change.values)
        if there is None:
            in_use: JsonObject = {"active": True} if _USER in resource.schemas else {}
            body: JsonObject = {"schemas": list(resource.schemas), **in_use, **put_into({}, change.values)}
            extensions = [name for name in body if name.startswith("urn:")]
            body["schemas"] = [*resource.schemas, *extensions]
            reply = await self._calls.call("POST", self._calls.address(resource.path), body=body, expect=(409,))
            if reply.status != 409:
                return change.result(Outcome.DONE, record_of(reply.data))
            there = await self._by_key(resource, change.values)
        same = there is not None and all(
            contains(value_at(there.values, name), value) for name, value in change.values.items()
        )
        problem = "" if there else "the server says that it exists, and does not show it"
        return change.result(Outcome.UNCHANGED if same else Outcome.EXISTS, there, problem)

    async def _by_key(self, resource: ScimResource, values: Mapping[str, Json]) -> Record | None:
        key = values.get(resource.key)
        if not isinstance(key, str) or not key:
            return None
        query = f"{resource.key} eq {json.dumps(key, ensure_ascii=False)}"
        try:
            _, found = _list_of(await self._page(resource, 1, query=query))
        except BadReply:
            return None
        records = [record for each in found if (record := record_of(each)) is not None]
        return next((r for r in records if str(r.values.get(resource.key)).casefold() == key.casefold()), None)

    async def _update(
        self,
        resource: ScimResource,
        change: Change,
        record: Record,
        values: Mapping[str, Json],
        condition: Mapping[str, str],
    ) -> ChangeResult:
        where = self._where(resource, record.native_id)
        new = {name: value for name, value in values.items() if not contains(value_at(record.values, name), value)}
        sent = _patched(record.values, new)
        operations: list[Json] = [
            {"op": "remove", "path": name} if value is None or value == [] else _replaced(name, value)
            for name, value in sent.items()
        ]
        body: Json = {"schemas": [_PATCH_SCHEMA], "Operations": operations}
        expect = (404, 409, 412, *_NO_PATCH)
        reply = await self._calls.call("PATCH", where, body=body, headers=condition, expect=expect)
        if reply.status in _NO_PATCH:
            changed = put_into(record.values, values)
            whole: JsonObject = {"schemas": list(resource.schemas), **record.values, **changed, "id": record.native_id}
            kept: Json = {name: value for name, value in whole.items() if value is not None}
            reply = await self._calls.call("PUT", where, body=kept, headers=condition, expect=(404, 409, 412))
        if reply.status == 404:
            return change.result(Outcome.MISSING, problem="there is no such record")
        if reply.status == 409:
            return change.result(Outcome.EXISTS, record, "another record has one of its unique values")
        if reply.status == 412:
            return change.result(Outcome.CONFLICT, record, "the record was changed since it was read")
        after = record_of(reply.data) or await self._one(resource, record.native_id)
        if change.operation is Operation.DISABLE and after is not None and after.active:
            return change.result(Outcome.REFUSED, after, "the server took it, and the account is still in use")
        return change.result(Outcome.DONE, after)

    def _where(self, resource: ScimResource, native_id: str) -> str:
        return self._calls.address(f"{resource.path}/{quote(native_id, safe='')}")

    def _resource(self, name: str) -> ScimResource:
        try:
            return self.config.resources[name]
        except KeyError:
            raise NotFound(f"there is no list {name!r:.80} here", remedy="declare it in settings.resources") from None


def record_of(found: Json) -> Record | None:
    """The record of one resource; None for what is none."""
    if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not found["id"]:
        return None
    meta = found.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    version, modified, active = meta.get("version"), meta.get("lastModified"), found.get("active")
    schemas = found.get("schemas")
    if active is None and isinstance(schemas, list) and _USER in schemas:
        active = True  # an account that nobody has switched off
    return Record(
        native_id=str(found["id"]),
        values={name: value for name, value in found.items() if name not in _NOT_VALUES},
        version=version if isinstance(version, str) else None,
        changed_at=instant(modified),
        active=active if isinstance(active, bool) else None,
    )


def contains(there: Json, wanted: Json) -> bool:
    """Whether the wanted value is there already; what the server adds to it (a type, a `$ref`) does not count."""
    if wanted in (None, "", []):
        return there in (None, "", [])
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(contains(there.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(there, list) or len(there) != len(wanted):
            return False
        left = list(there)
        for value in wanted:
            match = next((at for at, one in enumerate(left) if contains(one, value)), None)
            if match is None:
                return False
            left.pop(match)
        return True
    return type(there) is type(wanted) and there == wanted


def _patched(there: Mapping[str, Json], new: Mapping[str, Json]) -> JsonObject:
    """What is sent by PATCH for these. Of a list the whole is: on that servers agree, and not on what a choice among
    its elements does."""
    whole = put_into(there, new)
    sent: JsonObject = {}
    for path, value in new.items():
        steps = steps_of(path)
        top = steps[0].name
        if is_nested(path, there) and (any(step.by for step in steps) or isinstance(whole[top], list)):
            sent[top] = whole[top]
        else:
            sent.setdefault(path, value)
    return sent


def _replaced(name: str, value: Json) -> JsonObject:
    return {"op": "replace", "path": name, "value": value}


def _list_of(page: JsonReply) -> tuple[int, list[Json]]:
    data = page.data
    total = data.get("totalResults") if isinstance(data, dict) else None
    found = data.get("Resources", []) if isinstance(data, dict) else None
    if isinstance(total, bool) or not isinstance(total, int) or not isinstance(found, list):
        raise BadReply("the server answered something that is no list of SCIM")
    return total, found

"""Connections to systems that hold records: bounded in time, tried again by the kind of error, behind the breaker.

The one way to a `RecordTarget`. It also holds connectors to their contract: a full read that named nobody, or that
ended without saying what it covered, is never taken for whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TypeVar, cast
from uuid import UUID

from opsteward.contracts.connector import Connector
from opsteward.contracts.records import (
    MAX_BATCH,
    Batch,
    Change,
    ChangeResult,
    Coverage,
    Cursor,
    Record,
    RecordSource,
    RecordTarget,
    ResourceInfo,
)
from opsteward.contracts.registry import Registry
from opsteward.core.backoff import backoff, with_jitter
from opsteward.core.db import Database
from opsteward.core.errors import BadReply, ConnectorError, Invalid, RateLimited, Timeout, Unreachable
from opsteward.systems.circuit import note_failure, note_success, require_closed
from opsteward.systems.service import Inventory

T = TypeVar("T")
_TRIES = 3
_CALL_TIMEOUT = 300.0  # seconds, for one batch read or one write
#: The longest pause that is waited for here; a longer one opens the circuit.
_WAIT_LIMIT = 30.0


class RecordConnections:
    """Opens systems that hold records."""

    def __init__(self, db: Database, inventory: Inventory, registry: Registry) -> None:
        self._db = db
        self._inventory = inventory
        self._registry = registry

    @asynccontextmanager
    async def open(self, tenant_id: UUID, system_id: UUID) -> AsyncIterator[GuardedRecords]:
        """The records of a system. Raises NotFound, Invalid for a system without records or one that is not in use,
        Unreachable (kind `circuit`) while it is not to be asked."""
        async with self._db.unit_of_work(tenant_id) as session:
            info = await self._inventory.get(session, system_id=system_id)
            if not info.enabled:
                raise Invalid.field("system", f"{info.name} is disabled", "enable it first")
            kind = self._registry.records_connector(info.endpoint, info.type)
            if kind is None:
                raise Invalid.field("system", f"{info.name} holds no records", "name a system of another kind")
            target, credentials = await self._inventory.ref_with_secret(session, system_id=system_id)
            await require_closed(session, system_id=system_id)
        config = kind.config_for(target, await credentials.followed())

        def make() -> Connector[object]:  # type: ignore[type-var] # its configuration is its own
            via = kind(config)
            via.own_server = target.own_server
            return cast("Connector[object]", via)  # type: ignore[type-var]

        guarded = GuardedRecords(make)
        failure: ConnectorError | None = None
        try:
            yield guarded
        except ConnectorError as error:
            failure = error
            raise
        finally:
            await guarded.close()
            failure = failure or guarded.failure
            async with self._db.unit_of_work(tenant_id) as session:
                if failure is not None:
                    await note_failure(session, system_id=system_id, error=failure)
                elif guarded.was_used:
                    await note_success(session, system_id=system_id)


def check_holds_records(registry: Registry, endpoint: str, system_type: str, *, field: str, writable: bool) -> None:
    """Raises Invalid naming `field` where no connector of this endpoint holds records."""
    kind = RecordTarget if writable else RecordSource
    connector = registry.records_connector(endpoint, system_type)
    if connector is None or not issubclass(cast(type[object], connector), kind):
        does = "be changed" if writable else "be read"
        raise Invalid.field(field, f"is a system whose records can't {does} here", "see `opsteward plugins list`")


class GuardedRecords(RecordTarget):
    """A connector whose calls end in time and are tried again where that can help, each time on a new connection."""

    def __init__(
        self,
        make: Callable[[], Connector[object]],  # type: ignore[type-var]
        *,
        call_timeout: float = _CALL_TIMEOUT,
        tries: int = _TRIES,
    ) -> None:
        self._make = make
        self._timeout = call_timeout
        self._tries = tries
        self._via: Connector[object] | None = None  # type: ignore[type-var]
        #: The error that the last call ended with; None when it went well.
        self.failure: ConnectorError | None = None
        self.was_used = False
        #: Whether the last call was made more than once: what it did may have been done by the first time.
        self.tried_again = False

    async def resources(self) -> Sequence[ResourceInfo]:
        return await self._tried(lambda: self._source().resources())

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        return await self._tried(lambda: self._target().get(resource, native_ids))

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        results: list[ChangeResult] = []
        for at in range(0, len(changes), MAX_BATCH):
            part = changes[at : at + MAX_BATCH]
            results += await self._tried(lambda part=part: self._target().write(resource, part))  # type: ignore[misc]
        return results

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._read(resource, since)

    async def _read(self, resource: str, since: Cursor | None) -> AsyncIterator[Batch]:
        named = 0
        for attempt in range(1, self._tries + 1):
            begun = False
            try:
                async with aclosing(self._batches(resource, since)) as batches:  # type: ignore[type-var]
                    async for batch in batches:
                        begun = True
                        named += len(batch.upserts) + len(batch.unchanged_ids)
                        yield _checked(batch, named)
                return
            except ConnectorError as error:
                self.failure = error
                # what was handed on can't be taken back: from there on the reader starts anew
                if begun or not await self._may_try_again(error, attempt):
                    raise

    async def _batches(self, resource: str, since: Cursor | None) -> AsyncIterator[Batch]:
        source = self._source().read(resource, since)
        ended = False
        while True:
            batch = await self._bounded(lambda: anext(source, None))
            if batch is None:
                break
            ended = batch.coverage is not None
            yield batch
        if not ended:
            raise BadReply("the read ended without saying what it covered")

    async def digests(self, resource: str) -> AsyncIterator[bytes]:
        blocks = self._source().digests(resource)
        while (block := await self._bounded(lambda: anext(blocks, None))) is not None:
            yield block

    async def lines(self, resource: str, attributes: Sequence[str]) -> AsyncIterator[bytes]:
        blocks = self._source().lines(resource, attributes)
        while (block := await self._bounded(lambda: anext(blocks, None))) is not None:
            yield block

    async def mark(self, resource: str) -> str | None:
        return await self._tried(lambda: self._source().mark(resource))

    async def newer(self, resource: str, mark: str) -> AsyncIterator[Batch]:
        batches = self._source().newer(resource, mark)
        while (batch := await self._bounded(lambda: anext(batches, None))) is not None:
            yield batch

    async def close(self) -> None:
        """Give the connection back."""
        via, self._via = self._via, None
        if via is not None:
            await via.close()

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T:
        self.tried_again = False
        for attempt in range(1, self._tries + 1):
            try:
                return await self._bounded(call)
            except ConnectorError as error:
                self.failure = error
                if not await self._may_try_again(error, attempt):
                    raise
        raise AssertionError("unreachable")

    async def _bounded(self, call: Callable[[], Awaitable[T]]) -> T:
        self.was_used = True
        try:
            async with asyncio.timeout(self._timeout):
                result = await call()
        except TimeoutError:
            raise Timeout(f"the system did not finish within {self._timeout:g} s") from None
        self.failure = None
        return result

    async def _may_try_again(self, error: ConnectorError, attempt: int) -> bool:
        """Waits before another try on a new connection; False where none would help."""
        pause = retry_pause(error, attempt)
        if pause is None or attempt >= self._tries:
            return False
        self.tried_again = True
        await self.close()
        await asyncio.sleep(pause)
        return True

    def _source(self) -> RecordSource:
        self._via = self._via or self._make()
        return cast("RecordSource", self._via)

    def _target(self) -> RecordTarget:
        source = self._source()
        if not isinstance(source, RecordTarget):
            raise Invalid.field("system", "can only be read", "name a system that can be changed")
        return source


def retry_pause(error: ConnectorError, attempt: int) -> float | None:
    """Seconds to wait before the same call is tried again; None where it would fail again, or should wait for long."""
    if isinstance(error, RateLimited):
        asked = float(error.extra.get("retry_after") or 1.0)
        return asked if asked <= _WAIT_LIMIT else None
    if isinstance(error, Unreachable) and error.extra.get("kind") in {"policy", "circuit", "tls"}:
        return None
    if isinstance(error, Timeout | Unreachable):
        return with_jitter(backoff(attempt - 1, factor=2, limit=8.0))
    return None


def _checked(batch: Batch, named: int) -> Batch:
    if batch.coverage is Coverage.FULL and (named == 0 or batch.problems):
        note = batch.note or "the list came empty, which may be a fault: nothing is concluded from it"
        return replace(batch, coverage=Coverage.PARTIAL, cursor=None, note=note)
    return batch

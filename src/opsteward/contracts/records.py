"""Records of an outside system: read in batches, in full or since a cursor; written as changes with a result each.

A connector that holds records is a `Connector` and a `RecordSource`; one that can also change them is a `RecordTarget`.
A reader learns at the end of each read what may be concluded from an absence (`Coverage`): a list that came empty by a
fault, was cut off or shows only what the account may see never says that anything was deleted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from opsteward.core.json_types import Json

#: Where a read ended, in the connector's own words; given back to it unchanged, at most 8,000 characters.
Cursor = NewType("Cursor", str)

#: Most records of one batch, and most changes of one write.
MAX_BATCH = 1_000


class Coverage(StrEnum):
    """What a finished read covered, and so what the absence of a record means."""

    FULL = "full"  # every record was named, in `upserts` or `unchanged_ids`: what was not is gone
    CHANGES = "changes"  # every change since the cursor, deletions in `deleted_ids`: what was not named is as it was
    UPDATES = "updates"  # as CHANGES, but the system can't tell deletions: only a full read shows them
    PARTIAL = "partial"  # the list is or may be incomplete (see `note`): an absence means nothing


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record under the name the system itself knows it by, which outlives renames where the system offers that.

    Binary values are base64 text under `{"base64": "..."}`. `version` is what a conditional write compares (an ETag, an
    entryCSN); `changed_at` is the system's own time of the last change, for the policy "newest". `active` is False for
    an account that is switched off there, None where the system has no such thing. `place` is its number in a list that
    has an order, a file; `digest` what `RecordSource.digests` says of it.
    """

    native_id: str
    values: Mapping[str, Json]
    version: str | None = None
    changed_at: datetime | None = None
    active: bool | None = None
    place: int | None = None
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A part of a read, at most `MAX_BATCH` records. Only the last one of a read has a `coverage`.

    `cursor` in the last batch is where the next read starts; in an earlier one it lets a read that broke off go on
    behind it (None: it can't). `unchanged_ids` exist and are as they were at the cursor. `problems` are records that
    could not be read, one sentence each: a read that has some is never FULL.
    """

    upserts: Sequence[Record] = ()
    deleted_ids: Sequence[str] = ()
    unchanged_ids: Sequence[str] = ()
    cursor: Cursor | None = None
    coverage: Coverage | None = None
    note: str = ""  # why the coverage is PARTIAL, for people
    total: int | None = None  # in the last batch of `newer`: how many records the list holds
    problems: Sequence[str] = ()


class Operation(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"  # the record stays, its account can't be used
    DELETE = "delete"


class Outcome(StrEnum):
    """What became of one change."""

    DONE = "done"
    UNCHANGED = "unchanged"  # it was so already (a repeated write, too): nothing was written
    EXISTS = "exists"  # a create met a record with this key; `record` shows it where the system tells, to adopt
    CONFLICT = "conflict"  # the record is no longer at `Change.version`; `record` shows it where known
    MISSING = "missing"  # an update or disable of a record that is not there
    REFUSED = "refused"  # the system will not have it (a schema, a missing permission): trying again is useless
    FAILED = "failed"  # not done, or unknown whether: the same change may be sent again


@dataclass(frozen=True, kw_only=True)
class Change:
    """One wanted change. `key` is its idempotency key: the same change sent again has the same one.

    A create has no `native_id`; `values` are its attributes. In an update `values` are those to set (None or an empty
    list removes one), all others stay. `version`, where given, must still be the record's (else CONFLICT). A create
    with a `place` brings a record back to where it was in its list.
    """

    key: str
    operation: Operation
    native_id: str | None = None
    values: Mapping[str, Json] = field(default_factory=dict)
    version: str | None = None
    place: int | None = None

    def result(
        self, outcome: Outcome, record: Record | None = None, problem: str = "", retry_after: float | None = None
    ) -> ChangeResult:
        """What became of it; `record` as the system has it now."""
        native_id = record.native_id if record else self.native_id
        return ChangeResult(
            key=self.key, outcome=outcome, native_id=native_id, record=record, problem=problem, retry_after=retry_after
        )


@dataclass(frozen=True, kw_only=True)
class ChangeResult:
    """What became of the change with this `key`. `record` is as the system has it afterwards, where it tells."""

    key: str
    outcome: Outcome
    native_id: str | None = None
    record: Record | None = None
    problem: str = ""  # in our words, without a secret
    retry_after: float | None = None  # seconds, as the system asked


@dataclass(frozen=True, kw_only=True)
class ResourceInfo:
    """One list of records that a system offers ("users", a table, a branch): `key` names the unique attribute."""

    name: str
    key: str
    attributes: Sequence[str] = ()
    writable: bool = False
    incremental: bool = False  # a cursor saves reading it all
    tells_deletions: bool = False  # an incremental read has coverage CHANGES, not UPDATES


class RecordSource(ABC):
    """A connector that can read records. All methods raise only `ConnectorError` subclasses, and `Invalid`."""

    @abstractmethod
    async def resources(self) -> Sequence[ResourceInfo]:
        """What can be read here with the account given. At least one, or Denied by the system is raised as such."""

    @abstractmethod
    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        """All records (`since` None) or what happened since a cursor.

        A cursor the system no longer knows starts a full read, which its coverage says. What breaks off raises; what
        came before it is true but covers nothing. Raises NotFound for a resource that is not there.
        """

    def digests(self, resource: str) -> AsyncIterator[bytes]:
        """For each record of the list its native id and 32 hexadecimal digits that differ when anything in it does,
        as lines of PostgreSQL's COPY: what a later read need not send. Nothing at all from a system that can't tell,
        or whose list may not be whole."""
        return _nothing()

    def lines(self, resource: str, attributes: Sequence[str]) -> AsyncIterator[bytes]:
        """The whole list as lines of PostgreSQL's COPY, without an object for each record: for a list of which nothing
        is known yet. Each has the native id, the digest, the version, `active`, `changed_at` and then these attributes
        as text, where an empty one is none. Nothing at all from a system that can't, whose list may not be whole, or
        one of whose attributes is more than text."""
        return _nothing()

    async def mark(self, resource: str) -> str | None:
        """Where the list stands now, for `newer`; None from a system that can't tell."""
        return None

    def newer(self, resource: str, mark: str) -> AsyncIterator[Batch]:
        """The records that were made or changed since the mark was given; the last batch says the `total` by which the
        reader knows whether others are gone. Nothing at all where the mark is of no use any more."""
        return _nothing()


class RecordTarget(RecordSource):
    """A connector that can also change records."""

    @abstractmethod
    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        """Carry out the changes in order, one result each in the same order; sending one again is harmless.

        One change that fails does not keep the others from being tried. Raises only when nothing at all was sent
        (no connection, no authentication, an open circuit); afterwards each change not known to be done is FAILED.
        """

    @abstractmethod
    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        """These records as they are now, to verify a write or adopt; those that are not there are left out."""


async def _nothing() -> AsyncIterator[Any]:
    none: tuple[Any, ...] = ()
    for each in none:
        yield each

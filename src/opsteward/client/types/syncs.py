"""What the API takes and answers about syncs, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json


class Adoption(TypedDict):
    """Two records that are one."""

    source_native_id: str
    target_native_id: str


class ConflictDecision(TypedDict):
    """Whose value counts (`source`, `target`), or whether two records are one (`same`, `separate`)."""

    choice: Literal["source", "target", "same", "separate"]


class DormantAccount(TypedDict):
    """An account in the target that was last used at `used_at`, which is long ago. `is_owned`: somebody in the source
    stands for it."""

    native_id: str
    key: str | None
    fields: dict[str, Json]
    active: bool | None
    used_at: str
    is_owned: bool


class MappingIn(TypedDict):
    """A mapping to keep. A `definition` that is wrong is told field by field."""

    name: str
    source_id: str
    target_id: str
    definition: dict[str, Json]


class MappingView(TypedDict):
    """A mapping as it is shown."""

    id: str
    name: str
    source_id: str
    target_id: str
    definition: dict[str, Json]
    next_at: str | None
    created_at: str
    updated_at: str


class Orphan(TypedDict):
    """An account in the target that nobody in the source stands for."""

    native_id: str
    key: str | None
    fields: dict[str, Json]
    active: bool | None
    changed_at: str | None


class OrphansIn(TypedDict):
    """Accounts of the target that are to be disabled or deleted."""

    native_ids: list[str]
    how: NotRequired[Literal["disable", "delete"]]


class SyncBetween(TypedDict):
    """The other system."""

    sync_type: NotRequired[Literal["incremental", "full"]]
    dry_run: NotRequired[bool]
    max_deletions: NotRequired[int | None]
    target_id: str


class SyncChange(TypedDict):
    """One record that a sync changes: the fields before and after, and what came of it (None: not written yet)."""

    number: int
    side: str
    operation: str
    native_id: str | None
    key: str | None
    before: dict[str, Json] | None
    after: dict[str, Json] | None
    outcome: str | None
    problem: str


class SyncConflict(TypedDict):
    """What a person has to decide: a field that both sides changed, or (`kind` match) whether two records are one."""

    id: str
    mapping_id: str
    kind: str
    source_native_id: str
    target_native_id: str
    field: str
    source_value: str | None
    target_value: str | None
    choice: str | None
    decided_by: str | None
    found_at: str


class SyncOperation(TypedDict):
    """One sync of a mapping: its plan in numbers, and what came of it. `samples`: changes by field."""

    id: str
    mapping_id: str
    source_id: str
    target_id: str
    sync_type: str
    dry_run: bool
    status: str
    started_at: str
    ended_at: str | None
    counts: dict[str, int]
    samples: dict[str, list[dict[str, Json]]]
    notes: list[str]
    plan_hash: str | None
    action_id: str | None
    undo_of: str | None
    requested_by: str
    error: str | None


class SyncOptions(TypedDict):
    """How to sync. `max_deletions`: so many records may be removed this time, whatever the guard of the mapping says;
    all are never removed."""

    sync_type: NotRequired[Literal["incremental", "full"]]
    dry_run: NotRequired[bool]
    max_deletions: NotRequired[int | None]

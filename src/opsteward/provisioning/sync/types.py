"""What a sync mapping says, and what other rooms see of a sync."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opsteward.core.json_types import JsonObject
from opsteward.provisioning.sync.transforms import Transform

Name = Annotated[str, Field(min_length=1, max_length=200)]
Policy = Literal["source", "target", "newest", "manual"]
Side = Literal["source", "target"]
SyncType = Literal["incremental", "full"]


class FieldMap(BaseModel):
    """One field of the target, and the field of the source it comes from. `both`: a change of either side reaches the
    other; it needs a field without transforms. `type`: how the value is written, where the system wants no text."""

    model_config = ConfigDict(extra="forbid")

    target: Name
    source: Name | None = None
    transforms: Annotated[list[Transform], Field(max_length=20)] = []
    direction: Literal["to_target", "both"] = "to_target"
    policy: Policy | None = None
    type: Literal["text", "integer", "number", "boolean", "list"] = "text"
    ignore_case: bool = False

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.source is None and not any(each.makes_value for each in self.transforms):
            raise ValueError("name the source field, or give a template or a default")
        if self.direction == "both" and (self.source is None or self.transforms):
            raise ValueError("a field in both directions has a source field and no transforms")
        return self


class MatchRule(BaseModel):
    """How records that were never seen together are recognised as one. `normalised`: whatever the case and spaces."""

    model_config = ConfigDict(extra="forbid")

    field: Name
    how: Literal["exact", "normalised"] = "exact"


class Guard(BaseModel):
    """What one sync may do unasked. All are never deleted, whatever this says."""

    model_config = ConfigDict(extra="forbid")

    max_deletions_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    #: A number instead of the share; of a small list a share is less than one.
    max_deletions: Annotated[int | None, Field(ge=0)] = None
    max_changes_percent: Annotated[float | None, Field(ge=0, le=100)] = None
    max_changes: Annotated[int | None, Field(ge=0)] = None


class MappingDefinition(BaseModel):
    """Which list of the source is kept in step with which of the target, and how.

    `key` is the target field that names a record on both sides. `missing`: what is done in the target with a record
    that is gone from the source. `create`: `both` also creates in the source what is new in the target. `last_used` is
    the attribute of the target that says when an account was last used: one that was not for `dormant_days` is dormant,
    and `dormant` says what is done with it.
    """

    model_config = ConfigDict(extra="forbid")

    source_resource: Name
    target_resource: Name
    key: Name
    fields: Annotated[list[FieldMap], Field(min_length=1, max_length=200)]
    match: Annotated[list[MatchRule], Field(max_length=10)] = []
    policy: Policy = "source"
    missing: Literal["keep", "disable", "delete"] = "disable"
    create: Literal["none", "target", "both"] = "target"
    last_used: Name | None = None
    dormant_days: Annotated[int, Field(ge=1, le=3650)] = 90
    dormant: Literal["list", "disable"] = "list"
    approval: Literal["required", "auto"] = "required"
    guard: Guard = Guard()

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [each.target for each in self.fields]
        if len(set(names)) < len(names):
            raise ValueError("a target field is named twice")
        for named in (self.key, *(rule.field for rule in self.match)):
            if named not in names:
                raise ValueError(f"{named!r} is none of the target fields")
        one_way = [each.target for each in self.fields if each.direction != "both"]
        if self.create == "both" and self.key in one_way:
            raise ValueError("to create in the source, the key must go in both directions")
        if self.dormant == "disable" and self.last_used is None:
            raise ValueError("to disable dormant accounts, name the attribute with the time of last use: last_used")
        return self

    def policy_of(self, field: FieldMap) -> Policy:
        return field.policy or self.policy


#: The kind of the notice that says that a sync has come further; its id is the sync's.
SYNC_CHANGED = "sync"
#: How one asks for the changes that nothing has come of yet.
NOT_WRITTEN = "waiting"


class SyncStatus(StrEnum):
    """Where a sync stands. The last seven are ends."""

    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    APPLYING = "applying"
    PLANNED = "planned"  # a dry run
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"  # some changes were not taken by the system
    FAILED = "failed"
    REFUSED = "refused"  # by its guard
    CANCELLED = "cancelled"  # not approved
    SUPERSEDED = "superseded"


SYNC_ENDS = frozenset(SyncStatus) - {SyncStatus.PLANNING, SyncStatus.AWAITING_APPROVAL, SyncStatus.APPLYING}


@dataclass(frozen=True, kw_only=True)
class MappingView:
    """A mapping as it is shown."""

    id: UUID
    name: str
    source_id: UUID
    target_id: UUID
    definition: JsonObject
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class SyncOperation:
    """One sync of a mapping: its plan in numbers, and what came of it. `samples`: changes by field."""

    id: UUID
    mapping_id: UUID
    source_id: UUID
    target_id: UUID
    sync_type: str
    dry_run: bool
    status: str
    started_at: datetime
    ended_at: datetime | None
    counts: dict[str, int]
    samples: dict[str, list[JsonObject]]
    notes: list[str]
    plan_hash: str | None
    action_id: UUID | None
    undo_of: UUID | None
    requested_by: str
    error: str | None


@dataclass(frozen=True, kw_only=True)
class SyncChange:
    """One record that a sync changes: the fields before and after, and what came of it (None: not written yet)."""

    number: int
    side: str
    operation: str
    native_id: str | None
    key: str | None
    before: JsonObject | None
    after: JsonObject | None
    outcome: str | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class SyncConflict:
    """What a person has to decide: a field that both sides changed, or (`kind` match) whether two records are one."""

    id: UUID
    mapping_id: UUID
    kind: str
    source_native_id: str
    target_native_id: str
    field: str
    source_value: str | None
    target_value: str | None
    choice: str | None
    decided_by: str | None
    found_at: datetime


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """An account in the target that nobody in the source stands for."""

    native_id: str
    key: str | None
    fields: JsonObject
    active: bool | None
    changed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DormantAccount:
    """An account in the target that was last used at `used_at`, which is long ago. `is_owned`: somebody in the source
    stands for it."""

    native_id: str
    key: str | None
    fields: JsonObject
    active: bool | None
    used_at: datetime
    is_owned: bool

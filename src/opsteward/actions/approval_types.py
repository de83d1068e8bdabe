"""Approvals as a person decides on them: the compact card, the filter of a list, what became of each of many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Actor
from opsteward.actions.types import ApprovalView

#: So many approvals are decided in one request at most.
BULK_LIMIT = 100
#: A search for text looks at the newest so many.
SEARCHED_LIMIT = 20_000


@dataclass(frozen=True, kw_only=True)
class SystemRef:
    id: UUID
    name: str


@dataclass(frozen=True, kw_only=True)
class IncidentRef:
    id: UUID
    number: int
    title: str


#: Gives the incidents of these ids; incidents are another room's.
IncidentLookup = Callable[[AsyncSession, Collection[UUID]], Awaitable[Mapping[UUID, IncidentRef]]]


@dataclass(frozen=True, kw_only=True)
class ApprovalCard:
    """All that a decision needs, in short: what, on what, why, how dangerous, until when, for exactly which plan."""

    #: What would be done, in a sentence, and the action's title.
    what: str
    title: str
    system: SystemRef | None
    #: The first things that are touched, and how many there are.
    objects: list[str]
    object_count: int
    why: str
    incident: IncidentRef | None
    requester: Actor
    standing_order: str | None
    #: low, medium or high, and what that means.
    risk: str
    risk_meaning: str
    undoable: bool
    #: What can't be undone, in a sentence; null where all of it can.
    irreversible: str | None
    expires_at: datetime
    plan_hash: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who said yes or no, when and why; `by` is null where time or another event decided."""

    status: str
    by: Actor | None
    at: datetime | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class ApprovalInFull(ApprovalView):
    """An approval with its card, and who asked and decided by name."""

    card: ApprovalCard
    requester: Actor
    #: Null while it waits.
    decision: Decision | None


@dataclass(frozen=True, kw_only=True)
class ApprovalFilter:
    """Which approvals; all that is given must fit. `requesters` are references (`operator:ID`). `action` is one, or the
    beginning of some (`postgresql`)."""

    statuses: Sequence[str] = ()
    action: str | None = None
    risk: str | None = None
    system_id: UUID | None = None
    incident_id: UUID | None = None
    requesters: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None
    ref: str | None = None


@dataclass(frozen=True, kw_only=True)
class ApprovalCounts:
    """How many approvals there are of each status, and of each risk among those that wait."""

    by_status: dict[str, int]
    pending: int
    pending_by_risk: dict[str, int]


class Outcome(StrEnum):
    """What became of one approval of a set."""

    APPROVED = "approved"
    REFUSED = "refused"
    #: Its plan is not the one that was read.
    CHANGED = "changed"
    EXPIRED = "expired"
    #: Somebody else decided first, or it was withdrawn.
    ALREADY_DECIDED = "already_decided"
    #: Who decides may not decide on this one: they requested it, or are of the requester's making.
    DENIED = "denied"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, kw_only=True)
class ToDecide:
    """One approval of a set, bound to the plan that was read."""

    id: UUID
    plan_hash: str


@dataclass(frozen=True, kw_only=True)
class DecidedOne:
    """What became of one. `detail` says why nothing was decided, and what helps."""

    id: UUID
    outcome: Outcome
    detail: str | None
    #: What it was about, so that a person knows which one it is.
    what: str | None


@dataclass(frozen=True, kw_only=True)
class DecidedSet:
    """What became of each, in the order sent."""

    verdict: Literal["approve", "refuse"]
    decided: int
    not_decided: int
    items: list[DecidedOne]

"""A decision on enrolments: what is asked, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID

#: So many enrolments are decided in one request at most.
BULK_LIMIT = 200
Verdict = Literal["approve", "reject"]


class EnrollmentOutcome(StrEnum):
    """What became of one: `approved` of its stage (after the last one the user has access) and `rejected` are done;
    the others changed nothing."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGED = "changed"
    ALREADY_DECIDED = "already_decided"
    DENIED = "denied"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"


DONE = frozenset({EnrollmentOutcome.APPROVED, EnrollmentOutcome.REJECTED})


@dataclass(frozen=True, kw_only=True)
class ToDecide:
    """One enrolment, and the digest of what it would grant as it was shown; without one it is decided as it is."""

    id: UUID
    grants_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class DecidedEnrollment:
    """What became of one; `detail` says why nothing did. `status` is where it stands now."""

    id: UUID
    outcome: EnrollmentOutcome
    detail: str | None
    user: str | None
    enrollment_type: str | None
    status: str | None


@dataclass(frozen=True, kw_only=True)
class DecidedEnrollments:
    """Each that was named, in that order."""

    verdict: Verdict
    decided: int
    not_decided: int
    items: Sequence[DecidedEnrollment]

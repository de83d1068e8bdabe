"""What each route about enrollments is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def list_enrollments(
    *,
    status: types.EnrollmentStatus | None = None,
    enrollment_type: str | None = None,
    user_id: str | None = None,
    since: str | None = None,
    until: str | None = None,
    search: str | None = None,
    before: str | None = None,
    ref: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.EnrollmentInFull]]:
    """Newest first; those that wait say what they would grant."""
    return Call(
        "GET",
        "/api/v1/enrollments",
        params={
            "status": status,
            "enrollment_type": enrollment_type,
            "user_id": user_id,
            "since": since,
            "until": until,
            "search": search,
            "before": before,
            "ref": ref,
            "limit": limit,
        },
    )


def decide_enrollments(**fields: Unpack[types.DecideEnrollmentsIn]) -> Call[types.DecidedEnrollments]:
    """Approve the stage that each waits at, or reject each, up to 200. Each has its own answer; what can't be decided
    holds up no other. One that would by now grant something else than you have read is not decided."""
    return Call("POST", "/api/v1/enrollments/decide", fields)


def get_enrollment(enrollment_id: str | UUID) -> Call[types.EnrollmentInFull]:
    """One enrolment with its stages, and what it would grant."""
    return Call("GET", f"/api/v1/enrollments/{path_id(enrollment_id)}")


def approve_enrollment(
    enrollment_id: str | UUID, **fields: Unpack[types.EnrollmentsDecisionIn]
) -> Call[types.EnrollmentInfo]:
    """Approve the stage that it waits at; after the last one the user has its access."""
    return Call("POST", f"/api/v1/enrollments/{path_id(enrollment_id)}/approve", fields)


def reject_enrollment(
    enrollment_id: str | UUID, **fields: Unpack[types.EnrollmentsDecisionIn]
) -> Call[types.EnrollmentInfo]:
    """End it without access."""
    return Call("POST", f"/api/v1/enrollments/{path_id(enrollment_id)}/reject", fields)


def enrollment_rules() -> Call[dict[str, types.Rule]]:
    """The rules that hold, by name: the tenant's own, and those that ship."""
    return Call("GET", "/api/v1/enrollment-rules")


def update_enrollment_rules(**fields: Unpack[types.RulesIn]) -> Call[dict[str, types.Rule]]:
    """Set the rules that are named, all or none; null forgets the tenant's own, and one that ships holds again."""
    return Call("PUT", "/api/v1/enrollment-rules", fields)


def list_duty_conflicts() -> Call[types.DutyPairs]:
    """The pairs of permissions that nobody may have together."""
    return Call("GET", "/api/v1/segregation-of-duties")


def set_duty_conflicts(**fields: Unpack[types.DutiesIn]) -> Call[types.DutyPairs]:
    """Replace the pairs. Refused while a rule gives both of a pair."""
    return Call("PUT", "/api/v1/segregation-of-duties", fields)

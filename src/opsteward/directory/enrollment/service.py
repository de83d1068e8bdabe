"""Enrolments: what a user asks for by its role, who let it in, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.four_eyes import SecondPerson
from opsteward.accounts.types import Identity
from opsteward.core.bus import Bus
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Denied, NotFound, OpsError
from opsteward.core.ids import uuid7
from opsteward.core.name_keys import folded
from opsteward.core.references import called
from opsteward.directory.enrollment.decision_types import (
    DONE,
    DecidedEnrollment,
    DecidedEnrollments,
    ToDecide,
    Verdict,
)
from opsteward.directory.enrollment.decisions import Decided, decide, due
from opsteward.directory.enrollment_rules.rules import Rule
from opsteward.directory.models import Enrollment, User
from opsteward.directory.types import EnrollmentInfo, EnrollmentOverdue, EnrollmentStatus

#: An overdue stage is reported again after this long.
_AGAIN = timedelta(days=1)
#: A search for text looks at the newest so many.
SEARCHED_LIMIT = 20_000


def enrollment_row(
    *, tenant_id: UUID, user_id: UUID, enrollment_type: str, rule: Rule, actor: str, at: datetime
) -> dict[str, object]:
    """The row of a new enrolment: approved at once where the rule says so, else waiting at its first stage."""
    stages = rule.needed()
    approved = not stages
    return {
        "id": uuid7(),
        "tenant_id": tenant_id,
        "user_id": user_id,
        "enrollment_type": enrollment_type,
        "status": EnrollmentStatus.APPROVED if approved else EnrollmentStatus.PENDING,
        "automatic": approved,
        "stages": stages,
        "stage": 0,
        "requested_by": actor,
        "requested_at": at,
        "decided_at": at if approved else None,
        "approver": "rules" if approved else None,
        "reason": None,
        "due_at": due(stages, 0, at),
    }


class Enrollments:
    """Decides on enrolments; one per process."""

    def __init__(self, bus: Bus, second_person: SecondPerson | None = None) -> None:
        self._bus = bus
        self._second_person = second_person or SecondPerson()

    async def approve(
        self,
        session: AsyncSession,
        *,
        enrollment_id: UUID,
        by: Identity,
        approver: str | None = None,
        reason: str = "",
        grants_digest: str | None = None,
    ) -> EnrollmentInfo:
        """Approve the stage that it waits at; after the last one the user has access. Another operator must approve
        each further stage, not of the making of one before. With a digest exactly what was shown is granted.
        Raises NotFound, Conflict when it is decided or would grant something else, Denied for another's name."""
        return await self._decide_one(session, "approve", enrollment_id, by, approver, reason, grants_digest)

    async def reject(
        self,
        session: AsyncSession,
        *,
        enrollment_id: UUID,
        by: Identity,
        approver: str | None = None,
        reason: str = "",
        grants_digest: str | None = None,
    ) -> EnrollmentInfo:
        """End it without access; a user who waited for nothing else becomes inactive. Raises as `approve` does."""
        return await self._decide_one(session, "reject", enrollment_id, by, approver, reason, grants_digest)

    async def _decide_one(
        self,
        session: AsyncSession,
        verdict: Verdict,
        enrollment_id: UUID,
        by: Identity,
        approver: str | None,
        reason: str,
        grants_digest: str | None,
    ) -> EnrollmentInfo:
        if approver is not None and approver.casefold() not in {by.operator_name.casefold(), str(by.operator_id)}:
            raise Denied(
                "the approver is who bears the token", remedy="leave the approver out, or use that one's token"
            )
        item = ToDecide(id=enrollment_id, grants_digest=grants_digest)
        (found,) = await self._decide(session, verdict, [item], by, reason)
        if found.error is not None:
            raise found.error
        return await get_enrollment(session, enrollment_id=enrollment_id)

    async def decide(
        self,
        session: AsyncSession,
        *,
        verdict: Verdict,
        items: Sequence[ToDecide],
        by: Identity,
        reason: str = "",
    ) -> DecidedEnrollments:
        """Say yes or no to each of these as it was shown, in one transaction. What can't be decided is told and holds
        up no other."""
        found = await self._decide(session, verdict, items, by, reason)
        told = [
            DecidedEnrollment(
                id=one.id,
                outcome=one.outcome,
                detail=_in_words(one.error) if one.error is not None else None,
                user=(one.user.full_name or one.user.username) if one.user is not None else None,
                enrollment_type=one.row.enrollment_type if one.row is not None else None,
                status=one.row.status if one.row is not None else None,
            )
            for one in found
        ]
        decided = sum(one.outcome in DONE for one in told)
        return DecidedEnrollments(verdict=verdict, decided=decided, not_decided=len(told) - decided, items=told)

    async def _decide(
        self, session: AsyncSession, verdict: Verdict, items: Sequence[ToDecide], by: Identity, reason: str
    ) -> list[Decided]:
        return await decide(
            session,
            verdict=verdict,
            items=items,
            by=by,
            reason=reason,
            bus=self._bus,
            second_person=self._second_person,
        )

    async def escalate(self, session: AsyncSession) -> int:
        """Tell people of every enrolment of this tenant whose stage is overdue; returns how many."""
        rows = list(
            await session.scalars(
                sa.select(Enrollment)
                .where(Enrollment.tenant_id == tenant_of(session), Enrollment.due_at <= now())
                .order_by(Enrollment.due_at)
                .limit(500)
                .with_for_update(skip_locked=True)
            )
        )
        for row in rows:
            row.due_at = now() + _AGAIN
            await self._bus.publish(
                session,
                EnrollmentOverdue(
                    enrollment_id=row.id, enrollment_type=row.enrollment_type, stage=str(row.stages[row.stage]["name"])
                ),
            )
        return len(rows)


async def pending_changes(session: AsyncSession, rows: Iterable[Mapping[str, object]]) -> None:
    """Tell who follows of the enrolments that wait for a person."""
    waiting = [row for row in rows if row["status"] == EnrollmentStatus.PENDING]
    await record_changes(
        session,
        [
            Change(
                "enrollment_pending",
                {
                    "enrollment_data": {
                        "id": str(row["id"]),
                        "user_id": str(row["user_id"]),
                        "enrollment_type": str(row["enrollment_type"]),
                    }
                },
            )
            for row in waiting
        ],
    )


async def get_enrollment(session: AsyncSession, *, enrollment_id: UUID) -> EnrollmentInfo:
    """Raises NotFound."""
    found = (await session.execute(_SHOWN.where(Enrollment.id == enrollment_id, _own(session)))).first()
    if found is None:
        raise NotFound("no enrolment of this id")
    return _info(*found)


async def page(
    session: AsyncSession,
    *,
    status: EnrollmentStatus | None = None,
    enrollment_type: str | None = None,
    user_id: UUID | None = None,
    decided: bool = False,
    automatic: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    search: str | None = None,
    before: UUID | None = None,
    ref: str | None = None,
    limit: int = 50,
) -> list[EnrollmentInfo]:
    """Newest first. With `decided` none that waits; `automatic`: only those that a rule approved, or none of them.
    `since` and `until` are of the request; `search`: words in the user's names and address, among the newest
    SEARCHED_LIMIT of this status. `ref`: by its id or a part of it, or by the username or address of who waits."""
    query = _SHOWN.where(_own(session)).order_by(Enrollment.id.desc()).limit(limit)
    if status is not None:
        query = query.where(Enrollment.status == status)
    if enrollment_type is not None:
        query = query.where(Enrollment.enrollment_type == enrollment_type)
    if user_id is not None:
        query = query.where(Enrollment.user_id == user_id)
    if decided:
        query = query.where(Enrollment.status != EnrollmentStatus.PENDING)
    if automatic is not None:
        query = query.where(Enrollment.automatic == automatic)
    if since is not None:
        query = query.where(Enrollment.requested_at >= since)
    if until is not None:
        query = query.where(Enrollment.requested_at < until)
    if words := (search or "").split():
        query = query.where(*_searched(session, words, status))
    if before is not None:
        query = query.where(Enrollment.id < before)
    if ref is not None:
        held = sa.select(User.id).where(
            User.tenant_id == tenant_of(session),
            User.holds_names,
            sa.or_(User.username_key == folded(ref), User.email_key == folded(ref)),
        )
        waits = (Enrollment.status == EnrollmentStatus.PENDING) & Enrollment.user_id.in_(held)
        query = query.where(Enrollment.id.in_(await called(session, Enrollment, ref, names=[waits])))
    return [_info(*found) for found in await session.execute(query)]


async def waiting(
    session: AsyncSession,
    *,
    enrollment_type: str | None = None,
    search: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[EnrollmentInfo]:
    """Those that wait for a person, the longest first; `search` as of `page`."""
    query = _SHOWN.where(_own(session), Enrollment.status == EnrollmentStatus.PENDING)
    if enrollment_type is not None:
        query = query.where(Enrollment.enrollment_type == enrollment_type)
    if words := (search or "").split():
        query = query.where(*_searched(session, words, EnrollmentStatus.PENDING))
    if after is not None:
        query = query.where(Enrollment.id > after)
    return [_info(*found) for found in await session.execute(query.order_by(Enrollment.id).limit(limit))]


async def count_waiting(session: AsyncSession, *, most: int) -> int:
    """How many wait for a person; counted up to `most`."""
    some = sa.select(Enrollment.id).where(_own(session), Enrollment.status == EnrollmentStatus.PENDING).limit(most)
    return await session.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0


_SHOWN = sa.select(Enrollment, User.username, User.full_name, User.email).join(
    User, sa.and_(User.tenant_id == Enrollment.tenant_id, User.id == Enrollment.user_id)
)


def _searched(
    session: AsyncSession, words: Iterable[str], status: EnrollmentStatus | None
) -> list[sa.ColumnElement[bool]]:
    newest = sa.select(Enrollment.id).where(_own(session))
    if status is not None:
        newest = newest.where(Enrollment.status == status)
    found: list[sa.ColumnElement[bool]] = [
        Enrollment.id.in_(newest.order_by(Enrollment.id.desc()).limit(SEARCHED_LIMIT))
    ]
    somewhere = (User.username, User.full_name, User.email)
    found += [sa.or_(*(column.icontains(word, autoescape=True) for column in somewhere)) for word in words]
    return found


def _in_words(error: OpsError) -> str:
    return f"{error.detail}: {error.remedy}" if error.remedy else error.detail


def _own(session: AsyncSession) -> sa.ColumnElement[bool]:
    return Enrollment.tenant_id == tenant_of(session)


def _info(row: Enrollment, username: str, full_name: str, email: str | None) -> EnrollmentInfo:
    return EnrollmentInfo(
        id=row.id,
        user_id=row.user_id,
        enrollment_type=row.enrollment_type,
        status=row.status,
        automatic=row.automatic,
        stages=row.stages,
        stage=row.stage,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        decided_at=row.decided_at,
        approver=row.approver,
        reason=row.reason,
        due_at=row.due_at,
        username=username,
        full_name=full_name,
        email=email,
    )

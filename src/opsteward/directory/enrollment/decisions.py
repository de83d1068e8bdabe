"""Decides on enrolments: all are looked at first, then those that can be decided are written in sets.

As many statements for two hundred as for one, but for what the database writes row by row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.account_creators import Ancestry, ancestry_of
from opsteward.accounts.four_eyes import SecondPerson
from opsteward.accounts.types import Identity
from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import iso, now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Denied, NotFound, OpsError
from opsteward.core.json_types import JsonObject
from opsteward.directory import user_changes
from opsteward.directory.enrollment.decision_types import EnrollmentOutcome, ToDecide, Verdict
from opsteward.directory.enrollment.grants import Held, WillGrant, digest_of, will_grant
from opsteward.directory.enrollment_rules.rules import Grant, Rules
from opsteward.directory.enrollment_rules.service import duties_meet, rules_of
from opsteward.directory.models import Enrollment, User
from opsteward.directory.types import EnrollmentStatus, UsersEnrolled, UserStatus
from opsteward.directory.user_changes import PEOPLE, Edit
from opsteward.telemetry import audit

CHANGED = "what would be granted has changed: look again"


@dataclass(kw_only=True)
class Decided:
    """What became of one; `error` is why nothing did."""

    id: UUID
    outcome: EnrollmentOutcome
    row: Enrollment | None = None
    user: User | None = None
    error: OpsError | None = None
    detail: JsonObject = field(default_factory=dict)


async def decide(
    session: AsyncSession,
    *,
    verdict: Verdict,
    items: Sequence[ToDecide],
    by: Identity,
    reason: str,
    bus: Bus,
    second_person: SecondPerson,
) -> list[Decided]:
    """Approve the stage that each waits at, or end each without access. What can't be decided holds up no other."""
    seen = await _Seen.read(session, [item.id for item in items], by)
    approves = verdict == "approve"
    found = [_look_at(item, seen, by, second_person, approves=approves) for item in items]
    _one_each(found)
    done = [one for one in found if one.error is None and one.row is not None]
    at = now()
    for one in done:
        assert one.row is not None
        one.detail |= _write(one.row, by, reason, at, approves=approves)
    await session.flush()
    if approves:
        await _let_in(session, done, seen.rules, bus, actor=by.actor)
    else:
        await _turn_away(session, done, actor=by.actor, reason=reason)
    await _tell(session, done, verb="enrollment.approved" if approves else "enrollment.rejected", actor=by.actor)
    return found


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """All that the decisions rest on, held until the end of the transaction: users first, then their enrolments."""

    rows: Mapping[UUID, Enrollment]
    users: Mapping[UUID, User]
    grants: Mapping[UUID, Sequence[Grant]]
    rules: Rules
    ancestry: Ancestry | None

    @classmethod
    async def read(cls, session: AsyncSession, ids: Sequence[UUID], by: Identity) -> _Seen:
        wanted = (Enrollment.tenant_id == tenant_of(session), Enrollment.id.in_(ids))
        user_ids = set(await session.scalars(sa.select(Enrollment.user_id).where(*wanted)))
        users = await user_changes.locked_all(session, user_ids)
        rows = await session.scalars(sa.select(Enrollment).where(*wanted).order_by(Enrollment.id).with_for_update())
        by_id = {row.id: row for row in rows}
        return cls(
            rows=by_id,
            users=users,
            grants=await user_changes.grants_of(session, user_ids),
            rules=await rules_of(session),
            ancestry=await ancestry_of(session, by) if any(row.stage for row in by_id.values()) else None,
        )

    def grant(self, row: Enrollment) -> WillGrant:
        """What this one would give now."""
        held = Held.by(self.users[row.user_id])
        rule = self.rules.of(row.enrollment_type)
        return will_grant(row, held, rule, self.grants.get(row.user_id, ()), pairs=self.rules.duty_pairs)


def _look_at(item: ToDecide, seen: _Seen, by: Identity, second_person: SecondPerson, *, approves: bool) -> Decided:
    row = seen.rows.get(item.id)
    if row is None:
        return Decided(id=item.id, outcome=EnrollmentOutcome.NOT_FOUND, error=NotFound("no enrolment of this id"))
    outcome = EnrollmentOutcome.APPROVED if approves else EnrollmentOutcome.REJECTED
    found = Decided(id=item.id, outcome=outcome, row=row, user=seen.users[row.user_id])
    if row.status != EnrollmentStatus.PENDING:
        found.outcome = EnrollmentOutcome.ALREADY_DECIDED
        found.error = Conflict(f"this enrolment is {row.status} already")
        return found
    grant = seen.grant(row)
    if item.grants_digest is not None and item.grants_digest != digest_of(row, grant):
        found.outcome, found.error = EnrollmentOutcome.CHANGED, Conflict(CHANGED)
    elif approves:
        try:
            _may_approve(found, row, grant, seen, by, second_person)
        except Denied as error:
            found.outcome, found.error = EnrollmentOutcome.DENIED, error
        except Conflict as error:
            found.outcome, found.error = EnrollmentOutcome.CONFLICT, error
    return found


def _one_each(found: Sequence[Decided]) -> None:
    """Two of one user give each other's grants: the second must be looked at after the first."""
    users: set[UUID] = set()
    for one in found:
        if one.error is None and one.user is not None:
            if one.user.id in users:
                one.outcome, one.error = EnrollmentOutcome.CHANGED, Conflict(CHANGED)
            users.add(one.user.id)


def _may_approve(
    found: Decided, row: Enrollment, grant: WillGrant, seen: _Seen, by: Identity, second_person: SecondPerson
) -> None:
    """Raises Denied and Conflict; notes whose making who approves is."""
    earlier = [str(one) for stage in row.stages[: row.stage] if (one := stage.get("decided_by"))]
    if by.actor in earlier:
        raise Denied("one operator can't approve two stages", remedy="ask another one")
    if earlier and seen.ancestry is not None:
        making = second_person.judge(seen.ancestry, earlier, whose="earlier approver")
        if making is not None:
            found.detail["making"] = making["chain"]
    if grant.refused_for and row.stage == len(row.stages) - 1:
        first, second = grant.refused_for
        raise duties_meet((first, second))


def _write(row: Enrollment, by: Identity, reason: str, at: datetime, *, approves: bool) -> JsonObject:
    """The decision on its stage; returns what the audit log says of it."""
    status = "approved" if approves else "rejected"
    done = {**row.stages[row.stage], "status": status, "decided_by": by.actor, "at": iso(at), "reason": reason}
    row.stages = [*row.stages[: row.stage], done, *row.stages[row.stage + 1 :]]
    if approves:
        row.stage += 1
        row.due_at = due(row.stages, row.stage, at)
    else:
        row.due_at = None
    if not approves or row.stage == len(row.stages):
        row.status = EnrollmentStatus.APPROVED if approves else EnrollmentStatus.REJECTED
        row.decided_at, row.approver, row.reason = at, by.operator_name, reason
    return {"stage": done["name"]}


def due(stages: Sequence[JsonObject], stage: int, at: datetime) -> datetime | None:
    """When a stage that waits since `at` is overdue."""
    after = stages[stage]["escalate_after"] if stage < len(stages) else None
    return at + timedelta(seconds=float(str(after))) if after else None


async def _let_in(session: AsyncSession, done: Sequence[Decided], rules: Rules, bus: Bus, *, actor: str) -> None:
    edits: list[Edit] = []
    joining: dict[str, list[UUID]] = defaultdict(list)
    for one in done:
        if one.row is None or one.user is None or one.row.status != EnrollmentStatus.APPROVED:
            continue
        rule, fields = rules.of(one.row.enrollment_type), dict[str, object]()
        if one.user.status == UserStatus.PENDING:
            fields["status"] = UserStatus.ACTIVE
            if rule.access_days and one.user.expires_at is None:
                fields["expires_at"] = now() + timedelta(days=rule.access_days)
            joining[one.row.enrollment_type].append(one.user.id)
        edits.append(Edit(user=one.user, fields=fields, rule=rule))
    await user_changes.change_all(session, edits, what="enrolled", actor=actor)
    for name, user_ids in joining.items():
        template = rules.of(name).welcome_template
        await bus.publish(session, UsersEnrolled(user_ids=user_ids, enrollment_type=name, welcome_template=template))


async def _turn_away(session: AsyncSession, done: Sequence[Decided], *, actor: str, reason: str) -> None:
    """A user who waited for nothing else becomes inactive."""
    edits = [
        Edit(user=one.user, fields={"status": UserStatus.INACTIVE})
        for one in done
        if one.user is not None and one.user.status == UserStatus.PENDING
    ]
    await user_changes.change_all(session, edits, what="rejected", actor=actor, reason=reason)


async def _tell(session: AsyncSession, done: Sequence[Decided], *, verb: str, actor: str) -> None:
    await audit.record_all(
        session,
        [
            {
                "actor": actor,
                "verb": verb,
                "object_type": "enrollment",
                "object_id": str(one.id),
                "detail": one.detail,
            }
            for one in done
        ],
    )
    changes = [
        Change(
            "enrollment_changed",
            {"enrollment_id": str(one.id), "user_id": str(one.row.user_id), "status": one.row.status},
        )
        for one in done
        if one.row is not None
    ]
    await record_changes(session, changes)
    for one in done:
        if one.row is not None:
            await feed.announce(session, kind=PEOPLE, object_id=str(one.row.user_id))

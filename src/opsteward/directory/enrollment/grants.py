"""Enrolments as a person decides on them: what approval would grant, on which systems, and who asked and decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import Actors, actors_of
from opsteward.accounts.types import Actor
from opsteward.core.crypto import digest
from opsteward.core.db import tenant_of
from opsteward.core.json_types import JsonObject
from opsteward.directory.enrollment_rules.rules import Grant, Rule, due_access, meeting
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.models import Enrollment, User
from opsteward.directory.types import ALL_SYSTEMS, EnrollmentInfo, EnrollmentStatus, UserStatus
from opsteward.directory.user_changes import grants_of


class Held(NamedTuple):
    """What a user has before the decision."""

    permissions: Sequence[str]
    systems: Sequence[str]
    status: str
    expires_at: datetime | None

    @classmethod
    def by(cls, user: User) -> Held:
        """From its row."""
        return cls(user.permissions, user.system_access, user.status, user.expires_at)


@dataclass(frozen=True, kw_only=True)
class WillGrant:
    """What the user gets by the approval of the last stage, beyond what they have. `all_systems`: every system there is
    and will be."""

    permissions: list[str]
    systems: list[str]
    all_systems: bool
    #: Days after which the account ends; null for never.
    access_days: int | None
    #: Names of the stages that are still to be approved, the one that waits first.
    stages_left: list[str]
    #: Two permissions that nobody may have together, for which the approval would be refused.
    refused_for: list[str] | None


@dataclass(frozen=True, kw_only=True)
class EnrollmentInFull(EnrollmentInfo):
    """An enrolment with what it would grant (null once it is decided), and who asked and decided."""

    will_grant: WillGrant | None
    #: Of `will_grant` as shown here, to be sent with the decision: a decision on what has changed since is refused.
    grants_digest: str | None
    requester: Actor
    #: Who decided last; a rule, where it was let in without a person.
    decider: Actor | None


async def in_full(session: AsyncSession, found: Sequence[EnrollmentInfo]) -> list[EnrollmentInFull]:
    """All of them with a fixed number of queries; each decided stage gets its `decider`."""
    if not found:
        return []
    stages = [stage for one in found for stage in one.stages]
    actors = await actors_of(
        session,
        [*(one.requested_by for one in found), *(str(by) if (by := s.get("decided_by")) else None for s in stages)],
        about=[one for each in found for one in (each.id, each.user_id)],
    )
    waiting = {one.user_id for one in found if one.status == EnrollmentStatus.PENDING}
    if not waiting:
        return [_one(one, actors, None) for one in found]
    rules = await rules_of(session)
    rows = await session.execute(
        sa.select(User.id, User.permissions, User.system_access, User.status, User.expires_at).where(
            User.tenant_id == tenant_of(session), User.id.in_(waiting)
        )
    )
    held = {row.id: Held(*row[1:]) for row in rows}
    grants = await grants_of(session, waiting)
    return [
        _one(
            one,
            actors,
            will_grant(
                one,
                held[one.user_id],
                rules.of(one.enrollment_type),
                grants.get(one.user_id, ()),
                pairs=rules.duty_pairs,
            )
            if one.user_id in held and one.status == EnrollmentStatus.PENDING
            else None,
        )
        for one in found
    ]


def will_grant(
    enrollment: EnrollmentInfo | Enrollment,
    held: Held,
    rule: Rule,
    grants: Sequence[Grant],
    *,
    pairs: Sequence[tuple[str, str]] = (),
) -> WillGrant:
    """What this user has when all stages are approved, by the rule and by single grants and denials, without what
    the user has now. Pure."""
    permissions, systems = due_access(rule, grants, status=UserStatus.ACTIVE)
    everything = ALL_SYSTEMS in systems
    conflict = meeting(permissions, pairs)
    joins = held.status == UserStatus.PENDING
    return WillGrant(
        permissions=sorted(set(permissions).difference(held.permissions)),
        systems=[] if everything else sorted(set(systems).difference(held.systems)),
        all_systems=everything and ALL_SYSTEMS not in held.systems,
        access_days=rule.access_days if joins and held.expires_at is None else None,
        stages_left=[str(stage["name"]) for stage in enrollment.stages[enrollment.stage :]],
        refused_for=list(conflict) if conflict else None,
    )


def digest_of(enrollment: EnrollmentInfo | Enrollment, grant: WillGrant) -> str:
    """What a decision is bound to: this enrolment, the stage that it waits at, and what it would give."""
    return digest([str(enrollment.id), enrollment.enrollment_type, enrollment.stage, vars(grant)])


def _decider(enrollment_id: UUID, stage: JsonObject, actors: Actors) -> Actor | None:
    if not stage.get("decided_by"):
        return None
    return actors.doing(str(stage["decided_by"]), enrollment_id, datetime.fromisoformat(str(stage["at"])))


def _one(found: EnrollmentInfo, actors: Actors, grant: WillGrant | None) -> EnrollmentInFull:
    deciders = [_decider(found.id, stage, actors) for stage in found.stages]
    stages = [
        stage | {"decider": vars(by)} if by is not None else stage
        for stage, by in zip(found.stages, deciders, strict=True)
    ]
    last = next((by for by in reversed(deciders) if by is not None), None)
    decider = actors("rules") if found.automatic else last
    fields: dict[str, Any] = vars(found) | {"stages": stages}
    return EnrollmentInFull(
        **fields,
        will_grant=grant,
        grants_digest=digest_of(found, grant) if grant is not None else None,
        requester=actors.asking(found.requested_by, found.user_id, found.requested_at),
        decider=decider,
    )

"""Enrolments as a person decides on them: what approval would grant, on which systems, and who asked and decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import Actors, actors_of
from opsteward.accounts.types import Actor
from opsteward.core.db import tenant_of
from opsteward.directory.enrollment_rules.rules import Rule, meeting
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.models import User
from opsteward.directory.types import ALL_SYSTEMS, EnrollmentInfo, EnrollmentStatus


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
    )
    waiting = {one.user_id for one in found if one.status == EnrollmentStatus.PENDING}
    held: dict[Any, tuple[set[str], set[str]]] = {}
    pairs: Sequence[tuple[str, str]] = ()
    rules = None
    if waiting:
        rules = await rules_of(session)
        pairs = rules.duty_pairs
        rows = await session.execute(
            sa.select(User.id, User.permissions, User.system_access).where(
                User.tenant_id == tenant_of(session), User.id.in_(waiting)
            )
        )
        held = {row.id: (set(row.permissions), set(row.system_access)) for row in rows}
    return [
        _one(
            one,
            actors,
            will_grant(one, rules.of(one.enrollment_type), *held.get(one.user_id, (set(), set())), pairs=pairs)
            if rules is not None and one.status == EnrollmentStatus.PENDING
            else None,
        )
        for one in found
    ]


def will_grant(
    enrollment: EnrollmentInfo,
    rule: Rule,
    permissions: set[str],
    systems: set[str],
    *,
    pairs: Sequence[tuple[str, str]] = (),
) -> WillGrant:
    """Of a user who has these permissions and systems already. Pure."""
    everything = rule.all_systems and ALL_SYSTEMS not in systems
    conflict = meeting([*permissions, *rule.permissions], pairs)
    return WillGrant(
        permissions=sorted(set(rule.permissions) - permissions),
        systems=[] if rule.all_systems else sorted(set(rule.systems) - systems),
        all_systems=everything,
        access_days=rule.access_days,
        stages_left=[str(stage["name"]) for stage in enrollment.stages[enrollment.stage :]],
        refused_for=list(conflict) if conflict else None,
    )


def _one(found: EnrollmentInfo, actors: Actors, grant: WillGrant | None) -> EnrollmentInFull:
    stages = [
        stage | {"decider": vars(actors(str(stage["decided_by"])))} if stage.get("decided_by") else stage
        for stage in found.stages
    ]
    last = next((str(s["decided_by"]) for s in reversed(found.stages) if s.get("decided_by")), None)
    decider = actors("rules") if found.automatic else actors.maybe(last)
    fields: dict[str, Any] = vars(found) | {"stages": stages}
    return EnrollmentInFull(**fields, will_grant=grant, requester=actors(found.requested_by), decider=decider)

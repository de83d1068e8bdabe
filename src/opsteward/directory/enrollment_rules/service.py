"""A tenant's enrolment rules and its segregation of duties: read, change, and which of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.name_keys import name_problem
from opsteward.directory.enrollment_rules.rules import SHIPPED, Rule, Rules, meeting
from opsteward.directory.models import DutyConflict, EnrollmentRule
from opsteward.telemetry import audit

#: Both in one statement: every registration asks for them.
_RULES = sa.text("""
select name, rule, null as other from opsteward.enrollment_rules where tenant_id = :tenant
union all select first, null, second from opsteward.duty_conflicts where tenant_id = :tenant order by 1, 3
""").columns(name=sa.Text, rule=JSONB, other=sa.Text)


async def rules_of(session: AsyncSession) -> Rules:
    """The rules that hold in this tenant: its own, and those that ship where it has none of that name."""
    rows = (await session.execute(_RULES, {"tenant": tenant_of(session)})).all()
    own = {row.name: Rule.model_validate(row.rule) for row in rows if row.other is None}
    return Rules({**SHIPPED, **own}, duty_pairs=[(row.name, row.other) for row in rows if row.other is not None])


async def update_rules(session: AsyncSession, *, rules: Mapping[str, Rule | None], actor: str) -> None:
    """Set these rules; None forgets the tenant's own. Users who are enrolled keep what they have until they move.

    Raises Invalid for a bad name, NotFound for a rule to forget that is not the tenant's own, Conflict for one that
    gives permissions that must not meet.
    """
    pairs = (await rules_of(session)).duty_pairs
    for name, rule in rules.items():
        if problem := name_problem(name, most=100):
            raise Invalid.field("rules", f"has a name that {problem}", "use 1 to 100 printable characters")
        if rule is not None and (pair := meeting(rule.permissions, pairs)):
            raise duties_meet(pair)
    tenant_id = tenant_of(session)
    gone = {name for name, rule in rules.items() if rule is None}
    forgotten = await session.scalars(
        sa.delete(EnrollmentRule)
        .where(EnrollmentRule.tenant_id == tenant_id, EnrollmentRule.name.in_(gone))
        .returning(EnrollmentRule.name)
    )
    if unknown := sorted(gone.difference(forgotten)):
        raise NotFound(f"the tenant has no rule of its own by the name {unknown[0]}")
    rows = [
        {
            "id": uuid7(),
            "tenant_id": tenant_id,
            "name": name,
            "rule": rule.model_dump(mode="json"),
            "updated_by": actor,
            "updated_at": now(),
        }
        for name, rule in rules.items()
        if rule is not None
    ]
    if rows:
        added = insert(EnrollmentRule).values(rows)
        changed = {key: added.excluded[key] for key in ("rule", "updated_by", "updated_at")}
        await session.execute(added.on_conflict_do_update(index_elements=["tenant_id", "name"], set_=changed))
    await audit.record(
        session,
        actor=actor,
        verb="enrollment_rules.updated",
        object_type="tenant",
        object_id=str(tenant_id),
        detail={"set": sorted(set(rules) - gone), "forgotten": sorted(gone)},
    )


async def duty_pairs(session: AsyncSession) -> Sequence[tuple[str, str]]:
    """The permissions that must not meet in one user, in pairs."""
    return (await rules_of(session)).duty_pairs


async def set_duty_pairs(session: AsyncSession, *, pairs: Sequence[tuple[str, str]], actor: str) -> None:
    """Replace all pairs. Users who hold both already keep them and show in a review. Raises Invalid."""
    wanted = set()
    for number, (one, other) in enumerate(pairs):
        for name in (one, other):
            if problem := name_problem(name, most=100):
                raise Invalid.field(f"pairs.{number}", problem, "use names of permissions")
        if one == other:
            raise Invalid.field(f"pairs.{number}", "names the same permission twice", "name two different ones")
        wanted.add((min(one, other), max(one, other)))
    rules = await rules_of(session)
    for name, rule in sorted(rules.by_name.items()):
        if pair := meeting(rule.permissions, sorted(wanted)):
            raise Conflict(f"the rule {name} gives {pair[0]} and {pair[1]} together", remedy="change that rule first")
    tenant_id = tenant_of(session)
    await session.execute(sa.delete(DutyConflict).where(DutyConflict.tenant_id == tenant_id))
    rows = [
        {
            "id": uuid7(),
            "tenant_id": tenant_id,
            "first": one,
            "second": other,
            "created_by": actor,
            "created_at": now(),
        }
        for one, other in sorted(wanted)
    ]
    if rows:
        await session.execute(insert(DutyConflict), rows)
    await audit.record(
        session, actor=actor, verb="duty_conflicts.set", object_type="tenant", object_id=str(tenant_id),
        detail={"pairs": len(rows)},
    )  # fmt: skip


def duties_meet(pair: tuple[str, str]) -> Conflict:
    """The refusal of two permissions that must not meet."""
    return Conflict(
        f"{pair[0]} and {pair[1]} must not meet in one user (segregation of duties)",
        remedy="leave one of them out, or change the pairs that must not meet",
    )

"""Who made whom: the chain that leads from an operator's credential, roles and account back to others.

An operator makes another by creating them, giving them roles, or issuing a token, a sign-in link or a password link
for them; what stems from such a thing (the session of a link, a further token) is of the same making. Each step back
counts only from the time at which it gave power: who got hold of a maker later had no hand in what they made before.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.clock import iso
from opsteward.core.db import tenant_of
from opsteward.core.json_types import JsonObject

#: Clocks of several machines may differ by so much.
_SLACK = timedelta(minutes=5)
_HOW = {
    "created": "created",
    "roles": "given roles",
    "api": "issued a token",
    "session": "signed in",
    "link": "given a sign-in link",
    "password": "given a password link",
}

#: Every step from the asker back, through all operators at once: of themselves only the credential that they ask with.
_STEPS = sa.text("""
with recursive steps (made, maker, how, first_at, last_at) as (
    select 'operator:' || cast(:asker as uuid), s.maker, s.how, min(s.at), max(s.at)
    from (
        select created_by, 'created', created_at from opsteward.operators where tenant_id = :tenant and id = :asker
        union all
        select issued_by, kind, made_at from opsteward.tokens where tenant_id = :tenant and id = :token
        union all
        select actor, 'roles', at from opsteward.audit_entries
        where tenant_id = :tenant and object_id = cast(cast(:asker as uuid) as text) and verb = 'operator.changed'
            and not ((detail->'roles') <@ (detail->'roles_before') and detail->>'before' = 'active')
    ) s (maker, how, at)
    where s.maker ~ '^operator:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        and s.maker <> 'operator:' || cast(:asker as uuid)
    group by 2, 3
    union
    select s.made, s.maker, s.how, s.first_at, s.last_at
    from steps e cross join lateral (
        select e.maker as made, m.maker, m.how, min(m.at) as first_at, max(m.at) as last_at
        from (
            select created_by, 'created', created_at
            from opsteward.operators where tenant_id = :tenant and id = cast(substr(e.maker, 10) as uuid)
            union all
            select issued_by, kind, made_at
            from opsteward.tokens where tenant_id = :tenant and operator_id = cast(substr(e.maker, 10) as uuid)
            union all
            select actor, 'roles', at from opsteward.audit_entries
            where tenant_id = :tenant and object_id = substr(e.maker, 10) and verb = 'operator.changed'
                and not ((detail->'roles') <@ (detail->'roles_before') and detail->>'before' = 'active')
        ) m (maker, how, at)
        where m.maker ~ '^operator:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and m.maker <> e.maker
        group by m.maker, m.how
    ) s
)
select s.*, o.name as maker_name
from steps s left join opsteward.operators o on o.tenant_id = :tenant and o.id = cast(substr(s.maker, 10) as uuid)
""")


@dataclass(frozen=True, kw_only=True)
class Step:
    """`made` comes from `maker` by what `how` says (`created`, `roles`, `api`, `session`, `link` or `password`).
    What the asker uses has one time; of what others have, the first and the last."""

    made: str
    maker: str
    how: str
    first_at: datetime
    last_at: datetime

    def as_dict(self) -> JsonObject:
        """For the audit log: references only."""
        return {"made": self.made, "maker": self.maker, "how": self.how, "at": iso(self.last_at)}


@dataclass(frozen=True, kw_only=True)
class Making:
    """That an asker is of somebody's making: the steps back to them, the asker's own first."""

    steps: tuple[Step, ...]
    names: Mapping[str, str]

    @property
    def since(self) -> datetime:
        """When the asker got what they ask with."""
        return self.steps[0].last_at

    @property
    def told(self) -> str:
        """In one sentence, by name."""
        return ", ".join(
            f"{self._name(one.made)} was {_HOW.get(one.how, one.how)} by {self._name(one.maker)}"
            f" at {one.last_at:%Y-%m-%d %H:%M} UTC"
            for one in self.steps
        )

    def _name(self, actor: str) -> str:
        return self.names.get(actor) or actor


class Ancestry:
    """All steps back from one asker."""

    def __init__(self, asker: str, steps: Sequence[Step], names: Mapping[str, str]) -> None:
        self._asker = asker
        self._names = names
        self._back: dict[str, list[Step]] = defaultdict(list)
        for step in sorted(steps, key=lambda one: one.last_at, reverse=True):
            self._back[step.made].append(step)

    @property
    def own_steps(self) -> list[Step]:
        """The asker's own, newest first."""
        return list(self._back.get(self._asker, []))

    def making_of(self, others: Collection[str]) -> Making | None:
        """How the asker comes from one of these actors, by the newest of their own steps that leads there, or None."""
        for own in self.own_steps:
            found = self._from(own, others)
            if found is not None:
                return Making(steps=found, names=self._names)
        return None

    def _from(self, own: Step, others: Collection[str]) -> tuple[Step, ...] | None:
        """The shortest way on from the asker's own step. Of each actor the latest time is kept at which they may have
        acted: it allows all that an earlier one does, so that nobody is looked at twice for less."""
        latest = {own.maker: own.last_at}
        ways: deque[tuple[Step, ...]] = deque([(own,)])
        while ways:
            way = ways.popleft()
            maker = way[-1].maker
            if maker in others:
                return way
            for step in self._back.get(maker, []):
                until = latest[maker] + _SLACK
                at = min(step.last_at, until)
                if step.first_at <= until and (step.maker not in latest or latest[step.maker] < at):
                    latest[step.maker] = at
                    ways.append((*way, step))
        return None


async def ancestry_of(session: AsyncSession, by: Identity) -> Ancestry:
    """Every step back from who asks and the credential that they ask with, in one query."""
    found = await session.execute(_STEPS, {"tenant": tenant_of(session), "asker": by.operator_id, "token": by.token_id})
    rows = found.all()
    steps = [
        Step(made=row.made, maker=row.maker, how=row.how, first_at=row.first_at, last_at=row.last_at) for row in rows
    ]
    names = {str(row.maker): str(row.maker_name) for row in rows if row.maker_name is not None}
    return Ancestry(by.actor, steps, {**names, by.actor: by.operator_name})

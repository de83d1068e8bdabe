"""Who did something, by name: people, programs, and the parts of Opsteward that act by themselves.

Records keep references (`operator:ID`, `standing-order:NAME`, `system:PART`), never names. They are told by name here,
all of a page in one query. An operator's row and name stay for ever, so one who left is named as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import Operator
from opsteward.accounts.types import Actor, Identity
from opsteward.core.db import tenant_of

OPERATOR = "operator"
#: References that name no kind of their own.
_PLAIN = {"rules": ("rule", "enrolment rules"), "shipped": ("system", "Opsteward (as shipped)")}


class Actors:
    """The actors of some records, by their references."""

    def __init__(self, names: dict[str, str]) -> None:
        """`names` of operators, by id."""
        self._names = names

    def __call__(self, reference: str) -> Actor:
        """Who is meant by a reference."""
        kind, colon, rest = reference.partition(":")
        if kind == OPERATOR:
            name = self._names.get(rest) or f"a former operator ({rest[-8:]})"
            return Actor(id=rest, name=name, kind=OPERATOR, automatic=False)
        if not colon:
            known, name = _PLAIN.get(reference, ("system", reference))
            return Actor(id=reference, name=name, kind=known, automatic=True)
        if kind == "system":
            return Actor(id=rest, name=f"Opsteward ({rest})", kind=kind, automatic=True)
        return Actor(id=rest, name=rest, kind=kind.replace("-", "_"), automatic=True)

    def maybe(self, reference: str | None) -> Actor | None:
        """The same, or None where nobody acted."""
        return self(reference) if reference else None


async def actors_of(session: AsyncSession, references: Iterable[str | None]) -> Actors:
    """Those of all these references, in one query at most."""
    ids = {found for one in references if one and (found := operator_id(one)) is not None}
    if not ids:
        return Actors({})
    rows = await session.execute(
        sa.select(Operator.id, Operator.name).where(Operator.tenant_id == tenant_of(session), Operator.id.in_(ids))
    )
    return Actors({str(row.id): row.name for row in rows})


async def references_called(session: AsyncSession, name: str) -> list[str]:
    """The references that a person means by a name, an id or a reference; none for an unknown name."""
    if ":" in name:
        return [name]
    ids = await session.scalars(
        sa.select(Operator.id).where(
            Operator.tenant_id == tenant_of(session),
            sa.or_(Operator.name_key == name.casefold(), Operator.id == _uuid(name)),
        )
    )
    return [f"{OPERATOR}:{one}" for one in ids] + [f"standing-order:{name}", f"agent:{name}", f"schedule:{name}"]


def actor_of(identity: Identity) -> Actor:
    """Who asks now."""
    return Actor(id=str(identity.operator_id), name=identity.operator_name, kind=OPERATOR, automatic=False)


def operator_id(reference: str) -> UUID | None:
    """The id in `operator:ID`; None for every other reference."""
    kind, _, rest = reference.partition(":")
    return _uuid(rest) if kind == OPERATOR else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Who did something, by name: people, programs, and the parts of Opsteward that act by themselves.

Records keep references (`operator:ID`, `standing-order:NAME`, `system:PART`), never names. They are told by name here,
all of a page in one query. An operator's row and name stay for ever, and so do a token's: who left and what was
revoked are named as they were. By which API token an operator acted is known from the audit log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import Operator, Token
from opsteward.accounts.types import Actor, Identity
from opsteward.core.db import tenant_of
from opsteward.telemetry import audit
from opsteward.telemetry.audit import Deed

OPERATOR, BY_TOKEN = "operator", "token"
#: References that name no kind of their own.
_PLAIN = {"rules": ("rule", "enrolment rules"), "shipped": ("system", "Opsteward (as shipped)")}


class Actors:
    """The actors of some records, by their references."""

    def __init__(
        self, names: Mapping[str, str], tokens: Mapping[UUID, str] | None = None, deeds: Iterable[Deed] = ()
    ) -> None:
        """`names` of operators and of `tokens`, by id; `deeds`: what the audit log says of the records."""
        self._names = names
        self._tokens = tokens or {}
        self._deeds: dict[tuple[str, str], list[Deed]] = defaultdict(list)
        for deed in deeds:
            self._deeds[deed.object_id, deed.actor].append(deed)

    def __call__(self, reference: str, *, token_id: UUID | None = None) -> Actor:
        """Who is meant by a reference, and an API token of theirs."""
        kind, colon, rest = reference.partition(":")
        if kind == OPERATOR:
            name = self._names.get(rest) or f"a former operator ({rest[-8:]})"
            if token_id is None:
                return Actor(id=rest, name=name, kind=OPERATOR, automatic=False)
            token = self._tokens.get(token_id) or f"a former one, {str(token_id)[-8:]}"
            return Actor(id=rest, name=name, kind=BY_TOKEN, automatic=False, token=token)
        if not colon:
            known, name = _PLAIN.get(reference, ("system", reference))
            return Actor(id=reference, name=name, kind=known, automatic=True)
        if kind == "system":
            return Actor(id=rest, name=f"Opsteward ({rest})", kind=kind, automatic=True)
        return Actor(id=rest, name=rest, kind=kind.replace("-", "_"), automatic=True)

    def maybe(self, reference: str | None) -> Actor | None:
        """The same, or None where nobody acted."""
        return self(reference) if reference else None

    def asking(self, reference: str, object_id: object, at: datetime | None) -> Actor:
        """As `doing`, where somebody must have."""
        return self.doing(reference, object_id, at) or self(reference)

    def doing(self, reference: str | None, object_id: object, at: datetime | None) -> Actor | None:
        """Who did something to an object at about that time, with the token that the audit log knows of; None where
        nobody did."""
        if not reference:
            return None
        deeds = self._deeds.get((str(object_id), reference), ())
        if at is None or not deeds:
            return self(reference)
        return self(reference, token_id=min(deeds, key=lambda deed: abs(deed.at - at)).token_id)


async def actors_of(
    session: AsyncSession,
    references: Iterable[str | None],
    *,
    tokens: Iterable[UUID | None] = (),
    about: Iterable[object] = (),
) -> Actors:
    """Those of all these references, in one query; with `tokens`, or objects (ids) that they are `about`, in two or
    three."""
    told = [one for one in references if one]
    ids = {found for one in told if (found := operator_id(one)) is not None}
    if not ids:
        return Actors({})
    rows = await session.execute(
        sa.select(Operator.id, Operator.name).where(Operator.tenant_id == tenant_of(session), Operator.id.in_(ids))
    )
    names = {str(row.id): row.name for row in rows}
    deeds = await audit.deeds_of_operators(session, {str(one) for one in about})
    used = {one for one in (*tokens, *(deed.token_id for deed in deeds)) if one is not None}
    return Actors(names, await _token_names(session, used), deeds)


async def _token_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    rows = await session.execute(
        sa.select(Token.id, Token.name).where(Token.tenant_id == tenant_of(session), Token.id.in_(ids))
    )
    return {row.id: row.name for row in rows}


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

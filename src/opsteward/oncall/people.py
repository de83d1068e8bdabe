"""Operators by the names that people write, and by their references."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries as accounts
from opsteward.core.errors import Invalid

OPERATOR = "operator:"


async def reference_of(session: AsyncSession, name: str, *, field: str) -> str:
    """`operator:ID` of an active operator, by name, id or reference. Raises Invalid naming `field`."""
    found = await accounts.list_operators(session, ref=name.removeprefix(OPERATOR), limit=2)
    if len(found) != 1:
        raise Invalid.field(field, f"{name[:60]!r} is no operator's name or id", "see GET /api/v1/operators")
    if found[0].status != "active":
        raise Invalid.field(field, f"{found[0].name} may not sign in any more", "name another operator")
    return f"{OPERATOR}{found[0].id}"


async def references_of(session: AsyncSession, names: Iterable[str], *, field: str) -> list[str]:
    """The same of several, each once; `field` gets their places."""
    return [await reference_of(session, name, field=f"{field}.{place}") for place, name in enumerate(names)]


def operator_id(reference: str) -> UUID:
    """The id in `operator:ID`."""
    return UUID(reference.removeprefix(OPERATOR))

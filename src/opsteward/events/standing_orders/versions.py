"""The versions of a tenant's standing orders: who changed them when, what each said, and how two differ."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import Actors, actors_of
from opsteward.accounts.types import Actor
from opsteward.core.computing import compute
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.events.models import StandingOrderVersion
from opsteward.events.standing_orders import document

_DIFF_SECONDS = 3.0  # of processor time


@dataclass(frozen=True, kw_only=True)
class OrdersVersion:
    """One version. Version 0 is what ships; the highest is in force."""

    version: int
    applied_by: str
    author: Actor
    applied_at: datetime | None
    in_force: bool
    characters: int


@dataclass(frozen=True, kw_only=True)
class OrdersVersionInFull(OrdersVersion):
    text: str


@dataclass(frozen=True, kw_only=True)
class OrdersDifference:
    """How the text of one version becomes that of another; `diff` is empty where they are alike."""

    before: OrdersVersion
    after: OrdersVersion
    added: int
    removed: int
    diff: str


async def list_versions(session: AsyncSession, *, before: int | None = None, limit: int = 100) -> list[OrdersVersion]:
    """The newest first, what ships at the end; `before` is the last version of the previous page."""
    row = StandingOrderVersion
    query = sa.select(row.version, row.applied_by, row.applied_at, sa.func.length(row.text).label("characters")).where(
        row.tenant_id == tenant_of(session)
    )
    if before is not None:
        query = query.where(row.version < before)
    rows = (await session.execute(query.order_by(row.version.desc()).limit(limit))).all()
    newest = await _newest(session)
    actors = await actors_of(session, (one.applied_by for one in rows))
    found = [
        OrdersVersion(
            version=one.version,
            applied_by=one.applied_by,
            author=actors(one.applied_by),
            applied_at=one.applied_at,
            in_force=one.version == newest,
            characters=one.characters,
        )
        for one in rows
    ]
    if len(found) < limit and (before is None or before > 0):
        found.append(_shipped(in_force=newest == 0)[0])
    return found


async def get_version(session: AsyncSession, *, version: int | None = None) -> OrdersVersionInFull:
    """A version, or the one in force. Raises NotFound."""
    one, text = await _read(session, version)
    return OrdersVersionInFull(**vars(one), text=text)


async def compare(session: AsyncSession, *, before: int | None = None, after: int | None = None) -> OrdersDifference:
    """As a unified diff: `after` is the version in force unless it is given, `before` the one before that. Raises
    NotFound, TooExpensive."""
    new, new_text = await _read(session, after)
    old, old_text = await _read(session, max(0, new.version - 1) if before is None else before)
    added, removed, diff = await compute(
        _DIFF_SECONDS, unified_diff, old_text, new_text, before=f"version {old.version}", after=f"version {new.version}"
    )
    return OrdersDifference(before=old, after=new, added=added, removed=removed, diff=diff)


def unified_diff(old: str, new: str, *, before: str, after: str) -> tuple[int, int, str]:
    """(lines added, lines removed, the diff). Quadratic for some texts: not for the event loop."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), before, after, lineterm=""))
    body = lines[2:]
    added, removed = (sum(line.startswith(sign) for line in body) for sign in "+-")
    return added, removed, "\n".join([*lines, ""]) if lines else ""


async def _newest(session: AsyncSession) -> int:
    query = sa.select(sa.func.max(StandingOrderVersion.version))
    return await session.scalar(query.where(StandingOrderVersion.tenant_id == tenant_of(session))) or 0


async def _read(session: AsyncSession, given: int | None) -> tuple[OrdersVersion, str]:
    newest = await _newest(session)
    version = newest if given is None else given
    if version == 0:
        return _shipped(in_force=newest == 0)
    row = await session.scalar(
        sa.select(StandingOrderVersion).where(
            StandingOrderVersion.tenant_id == tenant_of(session), StandingOrderVersion.version == version
        )
    )
    if row is None:
        raise NotFound(f"there is no version {version} of the standing orders", remedy=f"the newest is {newest}")
    actors = await actors_of(session, [row.applied_by])
    one = OrdersVersion(
        version=row.version,
        applied_by=row.applied_by,
        author=actors(row.applied_by),
        applied_at=row.applied_at,
        in_force=row.version == newest,
        characters=len(row.text),
    )
    return one, row.text


def _shipped(*, in_force: bool) -> tuple[OrdersVersion, str]:
    text = document.shipped()
    one = OrdersVersion(
        version=0,
        applied_by="shipped",
        author=Actors({})("shipped"),
        applied_at=None,
        in_force=in_force,
        characters=len(text),
    )
    return one, text

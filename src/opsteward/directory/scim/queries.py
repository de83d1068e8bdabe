"""Users and groups as SCIM sees them: one by its id, or pages of what a search finds. Reads only, set by set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.directory.models import User
from opsteward.directory.scim.attributes import GroupRow, UserRow
from opsteward.directory.scim.filter_sql import Place, condition, order_of
from opsteward.directory.scim.models import ScimGroup, ScimGroupMember
from opsteward.directory.scim.types import (
    Found,
    GroupResource,
    Kind,
    Member,
    Membership,
    Resource,
    Search,
    UserResource,
)

Selected: TypeAlias = "sa.Select[str, UUID, str, Any]"
_USER_FIELDS = [name for name in UserResource.__dataclass_fields__ if name not in ("groups", "kind")]
_GROUP_FIELDS = [name for name in GroupResource.__dataclass_fields__ if name not in ("members", "kind")]


async def find(
    session: AsyncSession,
    searches: Sequence[Search],
    *,
    base: str,
    start: int,
    count: int,
    descending: bool = False,
    parts: Collection[str] = ("groups", "members"),
) -> Found:
    """A page from the `start`-th (from 1) on. `base`: where SCIM is served; `parts`: which memberships are wanted.

    Raises BadFilter.
    """
    selects = [_select(session, search, base, alone=len(searches) == 1) for search in searches]
    ids: list[tuple[str, UUID]] = []
    if count:
        query = _ordered(selects, searches, descending).offset(start - 1).limit(count)
        ids = [(row[0], row[1]) for row in await session.execute(query)]
    if count and len(ids) < count and (ids or start == 1):
        total = start - 1 + len(ids)
    else:
        counts = [sa.select(sa.func.count()).select_from(one.subquery()).scalar_subquery() for one in selects]
        total = int(await session.scalar(sa.select(sum(counts[1:], counts[0]))) or 0)
    users = await _users(session, [one for kind, one in ids if kind == Kind.USER], groups="groups" in parts)
    groups = await _groups(session, [one for kind, one in ids if kind == Kind.GROUP], members="members" in parts)
    known: dict[UUID, Resource] = {**users, **groups}
    return Found(total=total, resources=[known[one] for _, one in ids if one in known])


def _select(session: AsyncSession, search: Search, base: str, *, alone: bool) -> Selected:
    tenant_id = tenant_of(session)
    of_users = search.kind == Kind.USER
    place: Place = UserRow(tenant_id, base) if of_users else GroupRow(tenant_id, base)
    table = User if of_users else ScimGroup
    key = User.username_key if of_users else ScimGroup.display_key
    order = order_of(search.order, place) if search.order is not None else sa.null()
    if not alone:
        # columns of a union have one type
        order = sa.collate(sa.cast(order, sa.Text), "C")
    query = sa.select(sa.literal(search.kind.value).label("kind"), table.id, key.label("name"), order.label("place"))
    query = query.where(table.tenant_id == tenant_id)
    if of_users:
        query = query.where(User.holds_names)
    return query if search.where is None else query.where(condition(search.where, place))


def _ordered(selects: list[Selected], searches: Sequence[Search], descending: bool) -> Selected:
    if len(selects) == 1:
        columns = selects[0].selected_columns
        # without an order by the names, as an index has them: the first page needs no sorting
        asked = columns.place if searches[0].order is not None else columns.name
        return selects[0].order_by(asked.desc() if descending else asked, columns.id)
    every = sa.union_all(*selects).subquery()
    if all(search.order is None for search in searches):
        return sa.select(every).order_by(every.c.kind.desc(), every.c.name, every.c.id)
    # what has no value comes last, and first when the order is turned round
    place = every.c.place
    return sa.select(every).order_by(place.desc() if descending else place, every.c.kind.desc(), every.c.id)


async def get_user(session: AsyncSession, user_id: UUID, *, held: bool = False, groups: bool = True) -> UserResource:
    """A user who was not deleted; `held` until the end of this transaction. Raises NotFound."""
    if held:
        await session.execute(sa.select(User.id).where(*_own_user(session), User.id == user_id).with_for_update())
    found = await _users(session, [user_id], groups=groups)
    if user_id not in found:
        raise NotFound("no user of this id")
    return found[user_id]


async def get_group(
    session: AsyncSession, group_id: UUID, *, held: bool = False, members: bool = True
) -> GroupResource:
    """A group; `held` until the end of this transaction. Raises NotFound."""
    if held:
        own = sa.and_(ScimGroup.tenant_id == tenant_of(session), ScimGroup.id == group_id)
        await session.execute(sa.select(ScimGroup.id).where(own).with_for_update())
    found = await _groups(session, [group_id], members=members)
    if group_id not in found:
        raise NotFound("no group of this id")
    return found[group_id]


def _own_user(session: AsyncSession) -> tuple[sa.SQLColumnExpression[bool], ...]:
    return User.tenant_id == tenant_of(session), User.holds_names


async def _users(session: AsyncSession, ids: list[UUID], *, groups: bool) -> dict[UUID, UserResource]:
    if not ids:
        return {}
    columns = [getattr(User, name) for name in _USER_FIELDS]
    rows = (await session.execute(sa.select(*columns).where(*_own_user(session), User.id.in_(ids)))).mappings().all()
    memberships = await _memberships(session, ids) if groups else {}
    return {row["id"]: UserResource(**row, groups=memberships.get(row["id"], ())) for row in rows}


async def _memberships(session: AsyncSession, ids: list[UUID]) -> dict[UUID, list[Membership]]:
    member = ScimGroupMember
    up = (
        sa.select(member.member_id.label("user_id"), member.group_id, sa.true().label("direct"))
        .where(member.tenant_id == tenant_of(session), member.member_id.in_(ids), member.kind == Kind.USER)
        .cte(recursive=True)
    )
    up = up.union(
        sa.select(up.c.user_id, member.group_id, sa.false()).where(
            member.tenant_id == tenant_of(session), member.member_id == up.c.group_id, member.kind == Kind.GROUP
        )
    )
    rows = await session.execute(
        sa.select(up.c.user_id, up.c.group_id, ScimGroup.display_name, sa.func.bool_or(up.c.direct).label("direct"))
        .join(ScimGroup, sa.and_(ScimGroup.tenant_id == tenant_of(session), ScimGroup.id == up.c.group_id))
        .group_by(up.c.user_id, up.c.group_id, ScimGroup.display_name)
        .order_by(ScimGroup.display_name, up.c.group_id)
    )
    found: dict[UUID, list[Membership]] = defaultdict(list)
    for row in rows:
        found[row.user_id].append(Membership(group_id=row.group_id, display=row.display_name, direct=row.direct))
    return found


async def _groups(session: AsyncSession, ids: list[UUID], *, members: bool) -> dict[UUID, GroupResource]:
    if not ids:
        return {}
    columns = [getattr(ScimGroup, name) for name in _GROUP_FIELDS]
    own = sa.and_(ScimGroup.tenant_id == tenant_of(session), ScimGroup.id.in_(ids))
    rows = (await session.execute(sa.select(*columns).where(own))).mappings().all()
    held: dict[UUID, list[Member]] = defaultdict(list)
    if members:
        member = ScimGroupMember
        found = await session.execute(
            sa.select(member.group_id, member.member_id, member.kind, member.display)
            .where(member.tenant_id == tenant_of(session), member.group_id.in_(ids))
            .order_by(member.id)
        )
        for group_id, member_id, kind, display in found:
            held[group_id].append(Member(id=member_id, kind=Kind(kind), display=display))
    return {row["id"]: GroupResource(**row, members=held[row["id"]] if members else None) for row in rows}

"""Groups that an identity provider keeps here, and who is in them. They give no access by themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.name_keys import folded, name_problem
from opsteward.directory.models import User
from opsteward.directory.scim.models import ScimGroup, ScimGroupMember
from opsteward.directory.scim.types import GroupResource, GroupState, Kind, Member
from opsteward.directory.user_validation import free_data_problem
from opsteward.telemetry import audit

MAX_NAME = 500
_INSERT = sa.text("""
insert into opsteward.scim_group_members (id, tenant_id, group_id, member_id, kind, display)
select id, tenant_id, group_id, member_id, kind, display from jsonb_to_recordset(:rows)
    as r(id uuid, tenant_id uuid, group_id uuid, member_id uuid, kind text, display text)
on conflict (tenant_id, group_id, member_id) do nothing returning id
""").bindparams(sa.bindparam("rows", type_=JSONB))


async def create(session: AsyncSession, state: GroupState, *, actor: str) -> UUID:
    """Add a group with its members. Raises Invalid."""
    _check(state)
    group_id, at = uuid7(), now()
    row = _columns(state) | {"id": group_id, "tenant_id": tenant_of(session), "created_by": actor}
    await session.execute(insert(ScimGroup).values(row | {"created_at": at, "updated_at": at}))
    await _add(session, group_id, state.members)
    await _told(session, group_id, "created", actor, {"members": len(state.members)})
    return group_id


async def change(session: AsyncSession, before: GroupResource, state: GroupState, *, actor: str) -> None:
    """Make a group that is held, with all its members, what the state says. Raises Invalid."""
    _check(state)
    columns = _columns(state)
    own = {"display_name": before.display_name, "external_id": before.external_id, "scim": before.scim}
    fields = {name: value for name, value in columns.items() if name in own and own[name] != value}
    had = {member.id: member for member in before.members or ()}
    wanted = {member.id: member for member in state.members}
    gone = [one for one in had if wanted.get(one) != had[one]]
    new = [member for member in wanted.values() if had.get(member.id) != member]
    if not fields and not gone and not new:
        return
    await _drop(session, before.id, gone)
    await _add(session, before.id, new)
    await _touch(session, before.id, columns if fields else {})
    detail: JsonObject = {"fields": [*sorted(fields)], "added": len(new), "removed": len(gone)}
    await _told(session, before.id, "changed", actor, detail)


async def change_members(
    session: AsyncSession, group_id: UUID, *, add: Sequence[Member], remove: Collection[UUID], actor: str
) -> None:
    """Add and remove some members of a group that is held, without reading the others. Raises Invalid."""
    removed = await _drop(session, group_id, remove)
    added = await _add(session, group_id, add)
    if added or removed:
        await _touch(session, group_id, {})
        await _told(session, group_id, "changed", actor, {"fields": [], "added": added, "removed": removed})


async def remove(session: AsyncSession, group_id: UUID, *, actor: str) -> None:
    """Delete a group that is held; who was in it stays."""
    member = ScimGroupMember
    await session.execute(sa.delete(member).where(member.tenant_id == tenant_of(session), member.member_id == group_id))
    await session.execute(
        sa.delete(ScimGroup).where(ScimGroup.tenant_id == tenant_of(session), ScimGroup.id == group_id)
    )
    await _told(session, group_id, "deleted", actor, {})


def _among(column: sa.SQLColumnExpression[UUID], ids: Collection[UUID]) -> sa.ColumnElement[bool]:
    # as one array: there may be more than a statement has room for parameters
    return column == sa.any_(sa.cast(list(ids), ARRAY(sa.Uuid)))


def _check(state: GroupState) -> None:
    problems = []
    for field, value in (("displayName", state.display_name), ("externalId", state.external_id)):
        if value is not None and (problem := name_problem(value, most=MAX_NAME)):
            problems.append(
                FieldProblem(field=field, problem=problem, remedy=f"use 1 to {MAX_NAME} printable characters")
            )
    if problem := free_data_problem(state.scim):
        problems.append(FieldProblem(field="attributes", problem=problem, remedy="leave some out, or shorten them"))
    if problems:
        raise Invalid(problems=problems)


def _columns(state: GroupState) -> JsonObject:
    return {
        "display_name": state.display_name,
        "display_key": folded(state.display_name),
        "external_id": state.external_id,
        "scim": dict(state.scim),
    }


async def _touch(session: AsyncSession, group_id: UUID, columns: JsonObject) -> None:
    await session.execute(
        sa.update(ScimGroup)
        .where(ScimGroup.tenant_id == tenant_of(session), ScimGroup.id == group_id)
        .values(**columns, version=ScimGroup.version + 1, updated_at=now())
    )


async def _drop(session: AsyncSession, group_id: UUID, ids: Collection[UUID]) -> int:
    if not ids:
        return 0
    member = ScimGroupMember
    own = sa.and_(member.tenant_id == tenant_of(session), member.group_id == group_id, _among(member.member_id, ids))
    gone = await session.scalars(sa.delete(member).where(own).returning(member.id))
    return len(gone.all())


async def _add(session: AsyncSession, group_id: UUID, members: Sequence[Member]) -> int:
    if not members:
        return 0
    tenant_id = tenant_of(session)
    if any(member.id == group_id for member in members):
        raise Invalid.field("members", "hold the group itself", "leave it out")
    for kind, table in ((Kind.USER, User), (Kind.GROUP, ScimGroup)):
        ids = {member.id for member in members if member.kind == kind}
        there = sa.and_(table.tenant_id == tenant_id, _among(table.id, ids))
        if kind == Kind.USER:
            there = sa.and_(there, User.holds_names)
        known = set(await session.scalars(sa.select(table.id).where(there))) if ids else set()
        if unknown := sorted(map(str, ids - known)):
            raise Invalid.field("members.value", f"{unknown[0]} is no {kind.lower()}", "create it first")
    rows = [
        {
            "id": uuid7(),
            "tenant_id": tenant_id,
            "group_id": group_id,
            "member_id": member.id,
            "kind": member.kind.value,
            "display": member.display,
        }
        for member in {member.id: member for member in members}.values()
    ]
    plain = [{key: str(value) if isinstance(value, UUID) else value for key, value in row.items()} for row in rows]
    return len((await session.execute(_INSERT, {"rows": plain})).all())


async def kinds_of(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Kind]:
    """What these are, users or groups; those that are neither are left out."""
    if not ids:
        return {}
    tenant_id = tenant_of(session)
    users = sa.select(User.id, sa.literal("User")).where(
        User.tenant_id == tenant_id, User.holds_names, _among(User.id, ids)
    )
    groups = sa.select(ScimGroup.id, sa.literal("Group")).where(
        ScimGroup.tenant_id == tenant_id, _among(ScimGroup.id, ids)
    )
    return {row[0]: Kind(row[1]) for row in await session.execute(users.union_all(groups))}


async def _told(session: AsyncSession, group_id: UUID, what: str, actor: str, detail: JsonObject) -> None:
    await audit.record(
        session,
        actor=actor,
        verb=f"scim_group.{what}",
        object_type="scim_group",
        object_id=str(group_id),
        detail=detail,
    )

"""The inventory: register, read and remove systems; hand out connectors."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.connector import Connector, OwnServer, SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.crypto import SecretBox, digest
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import Json
from opsteward.core.keyset import in_order
from opsteward.core.references import called
from opsteward.systems.models import EarlyWarningRow, Heartbeat, System, SystemFigure, Window
from opsteward.systems.registration import (
    NewSystem,
    Refusal,
    changed_system,
    check_new,
    leads_elsewhere,
    target_fields,
)
from opsteward.systems.rows import ORDERS, columns_of, info_of, row_as_new
from opsteward.systems.secret_references import SecretReferences, StoredCredentials
from opsteward.systems.types import KnownSystem, SystemInfo, SystemsChanged
from opsteward.telemetry import audit

__all__ = ["Inventory", "NewSystem", "connected"]

FORMER_NAMES_LIMIT = 20
#: Made once: every event that comes in asks this.
_BY_NAME = sa.select(System.name_key, System.id, System.name, System.type).where(
    System.tenant_id == sa.bindparam("tenant_id"),
    System.name_key == sa.any_(sa.bindparam("names", type_=ARRAY(sa.Text))),
)


class Inventory:
    """All about registered systems; one per process."""

    def __init__(
        self,
        registry: Registry,
        box: SecretBox,
        bus: Bus,
        defaults: Mapping[str, Json] | None = None,
        refusal: Refusal | None = None,
        own_server: OwnServer | None = None,
        references: SecretReferences | None = None,
    ) -> None:
        """`defaults` are thresholds that a system has unless its own settings say otherwise; `refusal` says which
        configurations nobody may register (`OwnDatabase.refusal`); `own_server` is given to every connector;
        `references` follows credentials that are references."""
        self._own_server = own_server
        self._references = references
        self._refusal = refusal
        self._registry = registry
        self._defaults = dict(defaults or {})
        self._box = box
        self._bus = bus

    async def register(self, session: AsyncSession, *, new: NewSystem, actor: str) -> SystemInfo:
        """Add a system. Raises Invalid that names each bad field, Conflict for a taken name."""
        system_id = uuid7()
        depends_on = await self._resolve(session, new.depends_on)
        target = SystemRef(
            id=system_id,
            tenant_id=tenant_of(session),
            name=new.name,
            type=new.type,
            endpoint=new.endpoint,
            health_check_url=new.health_check_url,
            settings=dict(new.settings or {}),
        )
        check_new(await self._followed(new), target, self._registry, self._refusal)
        row = {
            "id": system_id,
            "tenant_id": tenant_of(session),
            **columns_of(new),
            "credentials_sealed": self._seal(system_id, tenant_of(session), new.credentials),
            "depends_on": depends_on,
            "created_at": now(),
            "updated_at": now(),
            "health": "unknown",
            "health_since": now(),
            "checks_total": 0,
            "checks_failed": 0,
            "passes_in_a_row": 0,
            "evidence": [],
        }
        added = await session.scalar(insert(System).values(row).on_conflict_do_nothing().returning(System.id))
        if added is None:
            raise Conflict("a system of this name is registered already", remedy="choose another name")
        await audit.record(
            session,
            actor=actor,
            verb="system.registered",
            object_type="system",
            object_id=str(system_id),
            # as a digest: an endpoint may tell more than the log should keep after the system is removed
            detail={
                "name": new.name,
                "type": new.type,
                "digest": digest([new.endpoint, new.health_check_url, dict(new.settings or {})]),
            },
        )
        await self._bus.publish(session, SystemsChanged(system_id=system_id, what="registered"))
        return await self.get(session, system_id=system_id)

    async def change(
        self, session: AsyncSession, *, system_id: UUID, changes: Mapping[str, object], actor: str
    ) -> SystemInfo:
        """Change fields of `NewSystem`; those not named stay. Credentials are replaced whole, an empty mapping removes
        them. Raises NotFound, Invalid that names each bad field, Conflict for a taken name or a circle."""
        row = await self._row(session, system_id)
        before = await self.as_registered(session, system_id=system_id)
        new = changed_system(before, changes)
        if before.credentials and "credentials" not in changes and leads_elsewhere(before.endpoint, new.endpoint):
            raise Invalid.field(
                "credentials", "would be sent to another server", "give those of the new endpoint, or {} for none"
            )
        depends_on = await self._resolve(session, new.depends_on)
        if system_id in await self._needs(session, depends_on):
            raise Conflict("the systems would depend on each other in a circle", remedy="leave one of them out")
        target = replace(self._ref(row), **target_fields(new))
        check_new(await self._followed(new), target, self._registry, self._refusal)
        taken = await self.find(session, name=new.name)
        if taken is not None and taken.id != system_id:
            raise Conflict("a system of this name is registered already", remedy="choose another name")
        values: dict[str, object] = columns_of(new) | {"depends_on": depends_on, "updated_at": now()}
        values |= {"circuit_failures": 0, "circuit_open_until": None, "circuit_reason": None}
        if row.name_key != new.name.casefold():
            values["former_names"] = list(dict.fromkeys([*row.former_names, row.name_key]))[-FORMER_NAMES_LIMIT:]
        if "credentials" in changes:
            values["credentials_sealed"] = self._seal(system_id, tenant_of(session), new.credentials)
        await session.execute(
            sa.update(System).where(System.tenant_id == tenant_of(session), System.id == system_id).values(values)
        )
        await session.refresh(row)
        await audit.record(
            session,
            actor=actor,
            verb="system.changed",
            object_type="system",
            object_id=str(system_id),
            detail={"fields": sorted(changes)},
        )
        await self._bus.publish(session, SystemsChanged(system_id=system_id, what="changed"))
        return info_of(row)

    async def as_registered(self, session: AsyncSession, *, system_id: UUID) -> NewSystem:
        """A system as it would be registered, with its credentials: keep them out of logs and answers."""
        row = await self._row(session, system_id)
        names = await self.names_of(session, system_ids=set(row.depends_on))
        return row_as_new(row, self._opened(row), sorted(names.values()))

    async def encrypt_anew(self, session: AsyncSession) -> int:
        """Encrypt the credentials of the tenant's systems with the current key; gives how many were not."""
        count = 0
        rows = await session.scalars(
            sa.select(System)
            .where(System.tenant_id == tenant_of(session), System.credentials_sealed.is_not(None))
            .with_for_update()
        )
        for row in rows:
            sealed, bound_to = row.credentials_sealed, f"{row.tenant_id}/{row.id}"
            if sealed and (anew := self._box.encrypt_anew(sealed, bound_to=bound_to, of=f"the system {row.name}")):
                row.credentials_sealed = anew
                count += 1
        await session.flush()
        return count

    async def _followed(self, new: NewSystem) -> NewSystem:
        """The system with what its credentials refer to, as its connectors will get it."""
        if self._references is None or not new.credentials:
            return new
        return replace(new, credentials=await self._references.checked(new.credentials))

    def _opened(self, row: System) -> dict[str, str]:
        sealed = row.credentials_sealed
        found: dict[str, str] = self._box.decrypt(sealed, bound_to=f"{row.tenant_id}/{row.id}") if sealed else {}
        return found

    async def _needs(self, session: AsyncSession, system_ids: Sequence[UUID]) -> set[UUID]:
        """These systems and all that they depend on."""
        rows = await session.execute(
            sa.select(System.id, System.depends_on).where(System.tenant_id == tenant_of(session))
        )
        needs = {row.id: row.depends_on for row in rows}
        found: set[UUID] = set()
        queue = list(system_ids)
        while queue:
            one = queue.pop()
            if one not in found:
                found.add(one)
                queue += needs.get(one, ())
        return found

    async def _resolve(self, session: AsyncSession, names: Sequence[str]) -> list[UUID]:
        if not names:
            return []
        known = await self.by_name(session, names={name.casefold() for name in names})
        for index, name in enumerate(names):
            if name.casefold() not in known:
                raise Invalid.field(f"depends_on.{index}", "is no registered system", "register that system first")
        return list(dict.fromkeys(known[name.casefold()].id for name in names))

    def _seal(self, system_id: UUID, tenant_id: UUID, credentials: Mapping[str, str] | None) -> bytes | None:
        return self._box.encrypt(dict(credentials), bound_to=f"{tenant_id}/{system_id}") if credentials else None

    async def get(self, session: AsyncSession, *, system_id: UUID) -> SystemInfo:
        """Raises NotFound."""
        return info_of(await self._row(session, system_id))

    async def find(self, session: AsyncSession, *, name: str) -> SystemInfo | None:
        """By name, whatever its case."""
        row = await session.scalar(
            sa.select(System).where(System.tenant_id == tenant_of(session), System.name_key == name.casefold())
        )
        return info_of(row) if row else None

    async def by_name(self, session: AsyncSession, *, names: Set[str]) -> dict[str, KnownSystem]:
        """The systems of these case-folded names; unknown names are left out."""
        rows = await session.execute(_BY_NAME, {"tenant_id": tenant_of(session), "names": list(names)})
        return {row.name_key: KnownSystem(id=row.id, name=row.name, type=row.type) for row in rows}

    async def lost_names(self, session: AsyncSession, *, names: Set[str]) -> dict[str, list[str]]:
        """Those of these case-folded names that no system has, each with the present names of systems that had it."""
        lost = {name: list[str]() for name in names - (await self.by_name(session, names=names)).keys()}
        if lost:
            rows = await session.execute(
                sa.select(System.name, System.former_names).where(
                    System.tenant_id == tenant_of(session), System.former_names.overlap(sorted(lost))
                )
            )
            for row in rows:
                for name in lost.keys() & set(row.former_names):
                    lost[name].append(row.name)
        return lost

    async def names_of(self, session: AsyncSession, *, system_ids: Set[UUID]) -> dict[UUID, str]:
        """The names of these systems; those that were removed are left out."""
        if not system_ids:
            return {}
        rows = await session.execute(
            sa.select(System.id, System.name).where(System.tenant_id == tenant_of(session), System.id.in_(system_ids))
        )
        return {row.id: row.name for row in rows}

    async def ids_called_like(self, session: AsyncSession, *, text: str, limit: int = 1000) -> list[UUID]:
        """The systems with this text somewhere in their names, whatever its case."""
        rows = await session.scalars(
            sa.select(System.id)
            .where(System.tenant_id == tenant_of(session), System.name_key.contains(text.casefold(), autoescape=True))
            .limit(limit)
        )
        return list(rows)

    async def all(self, session: AsyncSession) -> list[SystemInfo]:
        """All systems of the tenant, by name."""
        rows = await session.scalars(
            sa.select(System).where(System.tenant_id == tenant_of(session)).order_by(System.name_key).limit(1000)
        )
        return [info_of(row) for row in rows]

    async def page(
        self,
        session: AsyncSession,
        *,
        status: str | None = None,
        system_type: str | None = None,
        criticality: str | None = None,
        search: str | None = None,
        ref: str | None = None,
        after: str | None = None,
        limit: int = 1000,
        by: str = "name",
        descending: bool = False,
        after_id: UUID | None = None,
    ) -> list[SystemInfo]:
        """By name, behind that of the name `after`; `status`: of its health; `search`: a part of its name; `ref`: by
        name, id, or a part of it. `by`: in another order of ORDERS, then behind the system `after_id`."""
        query = sa.select(System).where(System.tenant_id == tenant_of(session))
        for column, value in ((System.health, status), (System.type, system_type), (System.criticality, criticality)):
            if value is not None:
                query = query.where(column == value)
        if search:
            query = query.where(System.name_key.contains(search.casefold(), autoescape=True))
        if ref is not None:
            ids = await called(session, System, ref, names=[System.name_key == ref.casefold()])
            query = query.where(System.id.in_(ids))
        if after is not None:
            query = query.where(System.name_key > after.casefold())
        query = in_order(query, by=ORDERS[by], row_id=System.id, descending=descending, after=after_id)
        return [info_of(row) for row in await session.scalars(query.limit(limit))]

    async def remove(self, session: AsyncSession, *, system_id: UUID, actor: str) -> None:
        """Forget a system and its credentials; its history stays. Raises NotFound, or Conflict while others need it."""
        tenant_id = tenant_of(session)
        needed_by = await session.scalar(
            sa.select(System.name)
            .where(System.tenant_id == tenant_id, System.depends_on.contains([system_id]))
            .limit(1)
        )
        if needed_by:
            raise Conflict(f"{needed_by} depends on this system", remedy="remove that one first")
        found = await session.scalar(
            sa.delete(System).where(System.tenant_id == tenant_id, System.id == system_id).returning(System.id)
        )
        if found is None:
            raise NotFound("no system of this id")
        for table in (Window, Heartbeat, SystemFigure, EarlyWarningRow):
            await session.execute(sa.delete(table).where(table.tenant_id == tenant_id, table.system_id == system_id))
        await audit.record(session, actor=actor, verb="system.removed", object_type="system", object_id=str(system_id))
        await self._bus.publish(session, SystemsChanged(system_id=system_id, what="removed"))

    async def related(self, session: AsyncSession, *, system_id: UUID) -> list[UUID]:
        """The system and all that hang together with it by `depends_on`, in either direction, itself first."""
        return (await self.related_of_each(session, system_ids={system_id}))[system_id]

    async def related_of_each(self, session: AsyncSession, *, system_ids: Set[UUID]) -> dict[UUID, list[UUID]]:
        """What `related` gives, for each of them, in one statement."""
        if not system_ids:
            return {}
        rows = (
            await session.execute(sa.select(System.id, System.depends_on).where(System.tenant_id == tenant_of(session)))
        ).all()
        neighbours: dict[UUID, set[UUID]] = {}
        for one, needs in rows:
            for other in needs:
                neighbours.setdefault(one, set()).add(other)
                neighbours.setdefault(other, set()).add(one)
        return {system_id: _reached(system_id, neighbours) for system_id in system_ids}

    async def ref_with_secret(self, session: AsyncSession, *, system_id: UUID) -> tuple[SystemRef, StoredCredentials]:
        """A system as plug-ins see it, and its credentials, to be followed after the transaction. Raises NotFound."""
        row = await self._row(session, system_id)
        return self._ref(row), StoredCredentials(self._opened(row), self._references)

    async def ref(self, session: AsyncSession, *, system_id: UUID) -> SystemRef:
        """A system as plug-ins see it. Raises NotFound."""
        return self._ref(await self._row(session, system_id))

    def _ref(self, row: System) -> SystemRef:
        return SystemRef(
            id=row.id,
            tenant_id=row.tenant_id,
            name=row.name,
            type=row.type,
            endpoint=row.endpoint,
            health_check_url=row.health_check_url,
            settings=self._defaults | row.settings,
            own_server=self._own_server,
        )

    async def _row(self, session: AsyncSession, system_id: UUID) -> System:
        row = await session.scalar(
            sa.select(System).where(System.tenant_id == tenant_of(session), System.id == system_id)
        )
        if row is None:
            raise NotFound("no system of this id")
        return row


def _reached(start: UUID, neighbours: Mapping[UUID, Set[UUID]]) -> list[UUID]:
    found = {start: None}
    queue = deque(found)
    while queue:
        for other in sorted(neighbours.get(queue.popleft(), ())):
            if other not in found:
                found[other] = None
                queue.append(other)
    return list(found)


@asynccontextmanager
async def connected(
    connector: type[Connector[Any]], target: SystemRef, secret: Mapping[str, str]
) -> AsyncIterator[Connector[Any]]:
    """A connector for one piece of work, closed afterwards."""
    via = connector(connector.config_for(target, secret))
    via.own_server = target.own_server
    try:
        yield via
    finally:
        await via.close()

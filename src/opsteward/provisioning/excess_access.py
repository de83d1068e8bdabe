"""Access on an outside system that nobody was given here: listed, adopted as a grant, or taken with approval."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import ActionView, NewAction
from opsteward.contracts.access import ACCESS_ROLE, AccessHolders, AccessParams, Person
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, Timeout
from opsteward.directory.entitlements import service as entitlements
from opsteward.directory.types import GrantInfo
from opsteward.systems.service import Inventory, connected
from opsteward.systems.types import SystemInfo

_TIMEOUT = 25.0  # seconds
#: A login that no user has.
_NOBODY = UUID(int=0)
_EXCESS = sa.text("""
select h.login, u.id as user_id, u.status
from unnest(:logins) as h(login)
left join opsteward.users_named(:logins) u on u.username = h.login
where not exists (select from opsteward.users_with_access(:name) a where a.username = h.login)
order by h.login
""").bindparams(sa.bindparam("logins", type_=ARRAY(sa.Text)))


@dataclass(frozen=True, kw_only=True)
class ExcessAccess:
    """Who has access that is not given here. `user_id` and `status`: of the user of that name, if there is one."""

    login: str
    user_id: UUID | None
    status: str | None


class ExcessAccesses:
    """What other rooms do about them; each call is a few transactions of its own, with a look at the system between."""

    def __init__(self, db: Database, inventory: Inventory, registry: Registry, action_service: ActionService) -> None:
        self._db = db
        self._inventory = inventory
        self._registry = registry
        self._actions = action_service

    async def found(self, tenant_id: UUID, *, system_id: UUID) -> list[ExcessAccess]:
        """By login, as the system says now. Raises NotFound, Invalid for a system whose access is not kept here,
        ConnectorError."""
        async with self._db.unit_of_work(tenant_id) as session:
            system = await self._kept(session, system_id)
            target, credentials = await self._inventory.ref_with_secret(session, system_id=system_id)
        secret = await credentials.followed()
        kind = self._registry.connectors_for(target.endpoint, target.type)[0]
        try:
            async with asyncio.timeout(_TIMEOUT), connected(kind, target, secret) as via:
                if not isinstance(via, AccessHolders):
                    raise Invalid.field("system_id", "is a system that does not tell who has access", "name another")
                holders = list(await via.holders())
        except TimeoutError:
            raise Timeout(f"the system did not answer within {_TIMEOUT:g} s") from None
        async with self._db.unit_of_work(tenant_id) as session:
            rows = await session.execute(_EXCESS, {"logins": holders, "name": system.name})
            return [ExcessAccess(login=row.login, user_id=row.user_id, status=row.status) for row in rows]

    async def remove(
        self, tenant_id: UUID, *, system_id: UUID, logins: Sequence[str], reason: str, actor: str
    ) -> ActionView:
        """Ask for the approval to take it from these. Raises Invalid for a login that has none in excess."""
        found = await self._chosen(tenant_id, system_id, logins)
        async with self._db.unit_of_work(tenant_id) as session:
            system = await self._kept(session, system_id)
            people = [Person(user_id=one.user_id or _NOBODY, login=one.login, wanted=False) for one in found]
            return await self._actions.request(
                session,
                new=NewAction(
                    action=self._registry.access_action(system.endpoint) or "",
                    system_id=system_id,
                    params=AccessParams(people=people).model_dump(mode="json"),
                    reason=reason or "access that was not given here",
                    requested_by=actor,
                    idempotency_key=f"excess-access:{uuid4()}",
                    approval="required",
                ),
            )

    async def adopt(self, tenant_id: UUID, *, system_id: UUID, login: str, reason: str, actor: str) -> GrantInfo:
        """Give the user of this name the system by a grant, so that it is no more in excess. Raises Invalid where
        there is no such user, Conflict for one who is not active."""
        (found,) = await self._chosen(tenant_id, system_id, [login])
        if found.user_id is None:
            raise Invalid.field("login", "is no user's", "register the user first, or take the access")
        async with self._db.unit_of_work(tenant_id) as session:
            system = await self._kept(session, system_id)
            return await entitlements.grant(
                session, user_id=found.user_id, kind="system", name=system.name, actor=actor,
                reason=reason or "had it on the system already",
            )  # fmt: skip

    async def _chosen(self, tenant_id: UUID, system_id: UUID, logins: Sequence[str]) -> list[ExcessAccess]:
        known = {one.login: one for one in await self.found(tenant_id, system_id=system_id)}
        wanted = list(dict.fromkeys(logins))
        if missing := [login for login in wanted if login not in known]:
            raise Invalid.field("logins", f"{missing[0]!r:.80} has no access in excess there", "list them again")
        return [known[login] for login in wanted]

    async def _kept(self, session: AsyncSession, system_id: UUID) -> SystemInfo:
        system = await self._inventory.get(session, system_id=system_id)
        if not system.settings.get(ACCESS_ROLE) or self._registry.access_action(system.endpoint) is None:
            raise Invalid.field("system_id", "is a system whose access is not kept here", f"set its {ACCESS_ROLE}")
        return system

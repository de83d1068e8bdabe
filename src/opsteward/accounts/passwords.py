"""Signing in with a password, and setting one: by oneself with the old one, or by a one-time link of an admin's."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import permission_denials, queries, sessions, throttle, tokens
from opsteward.accounts.models import Operator, Password
from opsteward.accounts.password_hashing import PasswordHashing, check_password
from opsteward.accounts.role_delegation import require_power_over
from opsteward.accounts.sessions import end_sessions
from opsteward.accounts.types import Identity, NewToken
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Conflict, Invalid, Unauthenticated
from opsteward.core.ids import uuid7
from opsteward.telemetry import audit

PASSWORD_LINK_MINUTES = 60
_WRONG = "the name or the password is wrong"


class PasswordSignIn:
    """One per process: it bounds how many hashes are made at once."""

    def __init__(self, db: Database, hashing: PasswordHashing | None = None) -> None:
        self._db = db
        self._hashing = hashing or PasswordHashing()

    async def sign_in(self, *, tenant: str, name: str, password: str, address: str) -> tuple[Identity, NewToken]:
        """A browser session for the operator of this name. `address` is the client's.

        Raises Unauthenticated, the same for a wrong password and an unknown operator, or LimitExceeded.
        """
        charged = await throttle.charge(self._db, tenant=tenant, name=name, address=address)
        async with self._db.unit_of_work(None) as session:
            found = await session.execute(
                sa.text("select * from opsteward.password_owner(:tenant, :key)"),
                {"tenant": tenant, "key": name.casefold()},
            )
            row = found.first()
        if not await self._hashing.verify(row.hash if row else None, password) or row is None:
            if row is not None:
                await permission_denials.note_failed_sign_in(self._db, row.tenant_id, row.operator_id, by="password")
            raise Unauthenticated(_WRONG)
        owner = Identity(
            tenant_id=row.tenant_id,
            tenant_name=row.tenant_name,
            operator_id=row.operator_id,
            operator_name=row.operator_name,
            roles=tuple(row.roles),
            token_id=row.password_id,
            kind="password",
            issued_by=row.set_by,
        )
        newer = await self._hashing.hash(password) if self._hashing.is_outdated(row.hash) else None
        async with self._db.unit_of_work(owner.tenant_id) as session:
            held = await _hold_unchanged(session, owner.operator_id, row.hash)
            if newer is not None:
                await _store(session, owner.operator_id, newer, set_by=row.set_by, made_at=held.made_at)
            token = await sessions.signed_in(session, owner)
        await throttle.give_back(self._db, charged)
        return owner, token

    async def change_own(self, identity: Identity, *, old: str, new: str, address: str) -> None:
        """Set another password for oneself; other browser sessions of one's own end.

        Raises Invalid for a wrong old or a bad new one, Conflict where there is none yet, LimitExceeded.
        """
        check_password(new, name=identity.operator_name)
        charged = await throttle.charge(
            self._db, tenant=identity.tenant_name, name=identity.operator_name, address=address
        )
        async with self._db.unit_of_work(identity.tenant_id) as session:
            stored = await _password_of(session, identity.operator_id)
        if not await self._hashing.verify(stored.hash if stored else None, old):
            if stored is None:
                await throttle.give_back(self._db, charged)
                raise Conflict("there is no password yet", remedy="ask an owner or admin for a password link")
            await permission_denials.note_failed_sign_in(
                self._db, identity.tenant_id, identity.operator_id, by="old password"
            )
            raise Invalid.field("old_password", "is wrong")
        hashed = await self._hashing.hash(new)
        async with self._db.unit_of_work(identity.tenant_id) as session:
            held = await _hold_unchanged(session, identity.operator_id, stored.hash if stored else "")
            # Whoever gave the first password keeps being named: changing it makes it nobody else's gift.
            await _store(session, identity.operator_id, hashed, set_by=held.set_by, made_at=held.made_at)
            await end_sessions(session, operator_id=identity.operator_id, but=identity.token_id)
            await _note_change(session, identity, by="old password")
        await throttle.give_back(self._db, charged)

    async def redeem_link(self, *, secret: str, password: str) -> NewToken:
        """Set the password that a one-time link is for, and sign in. Raises Unauthenticated for a link that is used
        or over, Invalid for a bad password, which does not use it up."""
        link = await self.link_of(secret=secret)
        check_password(password, name=link.operator_name)
        hashed = await self._hashing.hash(password)
        async with self._db.unit_of_work(link.tenant_id) as session:
            await tokens.use_up(session, link=link, kind="password")
            since = await tokens.made_at(session, link) or now()
            await _store(session, link.operator_id, hashed, set_by=link.issued_by, made_at=since)
            await end_sessions(session, operator_id=link.operator_id)
            await _note_change(session, link, by="link")
            return await sessions.signed_in(session, link)

    async def link_of(self, *, secret: str) -> Identity:
        """Whose password a link sets. Raises Unauthenticated."""
        link = await tokens.authenticate(self._db, secret=secret)
        if link.kind != "password":
            await permission_denials.note_refused_sign_in(self._db, link, used_as="password")
            raise Unauthenticated("this is no password link")
        return link


async def make_link(session: AsyncSession, *, operator_id: UUID, by: Identity) -> NewToken:
    """A one-time link's code with which an operator sets a password. Raises NotFound, Denied, Conflict."""
    operator = await queries.get_operator(session, operator_id=operator_id)
    require_power_over(by, operator.roles)
    if operator.status != "active":
        raise Conflict("the operator is inactive", remedy="make them active first")
    return await tokens.issue_token(
        session,
        operator_id=operator_id,
        kind="password",
        name="password link",
        actor=by.actor,
        ttl=timedelta(minutes=PASSWORD_LINK_MINUTES),
        by=by,
    )


async def _password_of(session: AsyncSession, operator_id: UUID) -> Password | None:
    return (
        await session.scalars(
            sa.select(Password).where(Password.tenant_id == tenant_of(session), Password.operator_id == operator_id)
        )
    ).first()


async def _hold_unchanged(session: AsyncSession, operator_id: UUID, hashed: str) -> Password:
    """The password's row, which nobody changes until the end of this unit of work, of an operator who stays active."""
    held = (
        await session.scalars(
            sa.select(Password)
            .join(Operator, (Operator.tenant_id == Password.tenant_id) & (Operator.id == Password.operator_id))
            .where(
                Password.tenant_id == tenant_of(session),
                Password.operator_id == operator_id,
                Password.hash == hashed,
                Operator.status == "active",
            )
            .with_for_update()
        )
    ).first()
    if held is None:
        raise Unauthenticated(_WRONG)
    return held


async def _store(session: AsyncSession, operator_id: UUID, hashed: str, *, set_by: str, made_at: datetime) -> None:
    row = {"hash": hashed, "set_by": set_by, "made_at": made_at, "changed_at": now()}
    await session.execute(
        insert(Password)
        .values(id=uuid7(), tenant_id=tenant_of(session), operator_id=operator_id, **row)
        .on_conflict_do_update(index_elements=["tenant_id", "operator_id"], set_=row)
    )


async def _note_change(session: AsyncSession, identity: Identity, *, by: str) -> None:
    await audit.record(
        session,
        actor=identity.actor,
        verb="password.changed",
        object_type="operator",
        object_id=str(identity.operator_id),
        detail={"by": by},
    )

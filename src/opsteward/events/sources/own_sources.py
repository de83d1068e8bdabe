"""What a tenant sets for its sources: forms of its own that go before those that ship, the secret that its sender signs
with, topics that it takes; and sources of its own, which nothing ships for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.source import Shape, Signature, SourceMapping
from opsteward.core.clock import now
from opsteward.core.crypto import SecretBox
from opsteward.core.db import tenant_of
from opsteward.core.error_words import problems_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.events.models import SourceSettingsRow
from opsteward.events.sources.catalogue import is_shipped, is_source_name, slug_of, source_named
from opsteward.events.sources.mapping import check
from opsteward.telemetry import audit

_OWN_LIMIT = 200  # of a tenant
Topic = Annotated[str, Field(pattern=r"^arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{1,30}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$")]


class SourceSettings(BaseModel):
    """All that is set, without the secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, Field(max_length=100)] = ""
    #: Tried in their order, before the forms that ship.
    shapes: Annotated[tuple[Shape, ...], Field(max_length=50)] = ()
    #: Of a sender that signs otherwise than the source declares, or for which nothing is declared.
    signature: Signature | None = None
    #: Topics of the Simple Notification Service whose subscription is confirmed and whose messages are taken.
    topics: Annotated[tuple[Topic, ...], Field(max_length=100)] = ()


@dataclass(frozen=True, kw_only=True)
class KnownSource:
    """A source as a tenant has it. `shipped`: something ships for it."""

    mapping: SourceMapping
    shipped: bool
    settings: SourceSettings
    secret: str | None = None
    has_secret: bool = False
    changed_by: str | None = None
    changed_at: datetime | None = None

    @property
    def slug(self) -> str:
        """Its name in the intake's address."""
        return self.mapping.slug

    @property
    def signature(self) -> Signature | None:
        """How its sender signs."""
        return self.settings.signature or self.mapping.signature


class OwnSources:
    """One per process."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def known(self, session: AsyncSession, name: str) -> KnownSource:
        """The source of this name or alias, with its secret. Raises NotFound."""
        slug = slug_of(name)
        row = await session.scalar(_rows(session).where(SourceSettingsRow.slug == slug))
        return self._known(slug, row, with_secret=True)

    async def all(self, session: AsyncSession) -> list[KnownSource]:
        """Those for which the tenant has set something, by slug, without their secrets."""
        rows = await session.scalars(_rows(session).order_by(SourceSettingsRow.slug))
        return [self._known(row.slug, row, with_secret=False) for row in rows]

    def _known(self, slug: str, row: SourceSettingsRow | None, *, with_secret: bool) -> KnownSource:
        settings = SourceSettings.model_validate(row.settings) if row else SourceSettings()
        try:
            mapping, shipped = source_named(slug), True
        except NotFound:
            if row is None:
                raise
            mapping, shipped = SourceMapping(slug=slug, title=settings.title or slug), False
        sealed = row.secret_sealed if row else None
        secret = None
        if sealed and row and with_secret:
            secret = self._box.decrypt(sealed, bound_to=_bound_to(row.tenant_id, slug))["secret"]
        return KnownSource(
            mapping=mapping,
            shipped=shipped,
            settings=settings,
            secret=secret,
            has_secret=sealed is not None,
            changed_by=row.changed_by if row else None,
            changed_at=row.changed_at if row else None,
        )

    async def change(
        self, session: AsyncSession, *, name: str, changes: Mapping[str, object], actor: str
    ) -> KnownSource:
        """Set these of title, shapes, signature, topics and secret; None takes one away.

        Raises NotFound, Invalid that names the field, or Conflict when the tenant has too many.
        """
        slug = slug_of(name)
        row = await session.scalar(_rows(session).where(SourceSettingsRow.slug == slug).with_for_update())
        if row is None:
            source_named(slug)
            row = await self._new_row(session, slug, actor)
        return await self._set(session, row, changes, actor)

    async def create(
        self, session: AsyncSession, *, name: str, changes: Mapping[str, object], actor: str
    ) -> KnownSource:
        """A source of the tenant's own, under a name that nothing ships for. Raises Invalid, Conflict if taken."""
        if not is_source_name(name):
            raise Invalid.field("slug", "is no name of a source", "use 1 to 40 of a-z, 0-9 and -")
        slug = slug_of(name)
        taken = await session.scalar(_rows(session).where(SourceSettingsRow.slug == slug))
        if taken is not None or is_shipped(slug):
            raise Conflict(f"there is a source {slug!r} already", remedy="choose another name, or change that one")
        return await self._set(session, await self._new_row(session, slug, actor), changes, actor)

    async def _set(
        self, session: AsyncSession, row: SourceSettingsRow, changes: Mapping[str, object], actor: str
    ) -> KnownSource:
        slug = row.slug
        given = {key: value for key, value in changes.items() if key != "secret"}
        settings = _checked({key: value for key, value in ({**row.settings, **given}).items() if value is not None})
        check(SourceMapping(slug=slug, title=slug, shapes=settings.shapes))
        row.settings = settings.model_dump(mode="json", exclude_defaults=True)
        if "secret" in changes:
            self._set_secret(row, changes["secret"])
        row.changed_by, row.changed_at = actor, now()
        await session.flush()
        await self._audited(session, "source.changed", slug, actor, sorted(changes))
        return self._known(slug, row, with_secret=False)

    async def _new_row(self, session: AsyncSession, slug: str, actor: str) -> SourceSettingsRow:
        tenant_id = tenant_of(session)
        number = await session.scalar(
            sa.select(sa.func.count()).select_from(SourceSettingsRow).where(SourceSettingsRow.tenant_id == tenant_id)
        )
        if (number or 0) >= _OWN_LIMIT:
            raise Conflict(f"the tenant has set {_OWN_LIMIT} sources already", remedy="remove one first")
        row = SourceSettingsRow(
            tenant_id=tenant_id, slug=slug, settings={}, secret_sealed=None, changed_by=actor, changed_at=now()
        )
        session.add(row)
        return row

    def _set_secret(self, row: SourceSettingsRow, secret: object) -> None:
        row.secret_sealed = (
            self._box.encrypt({"secret": str(secret)}, bound_to=_bound_to(row.tenant_id, row.slug)) if secret else None
        )

    async def remove(self, session: AsyncSession, *, name: str, actor: str) -> None:
        """Take away all that the tenant has set for it; its kept bodies stay. Raises NotFound."""
        slug = slug_of(name)
        found = await session.scalar(
            sa.delete(SourceSettingsRow)
            .where(SourceSettingsRow.tenant_id == tenant_of(session), SourceSettingsRow.slug == slug)
            .returning(SourceSettingsRow.slug)
        )
        if found is None:
            raise NotFound("nothing is set for this source")
        await self._audited(session, "source.removed", slug, actor, [])

    async def encrypt_anew(self, session: AsyncSession) -> int:
        """Encrypt the secrets with the current key; gives how many were not."""
        count = 0
        for row in await session.scalars(_rows(session).with_for_update()):
            sealed, bound_to = row.secret_sealed, _bound_to(row.tenant_id, row.slug)
            if sealed and (anew := self._box.encrypt_anew(sealed, bound_to=bound_to, of=f"the source {row.slug}")):
                row.secret_sealed = anew
                count += 1
        await session.flush()
        return count

    @staticmethod
    async def _audited(session: AsyncSession, verb: str, slug: str, actor: str, fields: list[str]) -> None:
        await audit.record(
            session, actor=actor, verb=verb, object_type="source", object_id=slug, detail={"changed": fields}
        )


def _checked(given: Mapping[str, object]) -> SourceSettings:
    try:
        return SourceSettings.model_validate(given)
    except ValidationError as error:
        raise Invalid(problems=problems_of(error.errors(include_url=False), given=given)) from None


def _rows(session: AsyncSession) -> sa.Select[SourceSettingsRow]:
    return sa.select(SourceSettingsRow).where(SourceSettingsRow.tenant_id == tenant_of(session))


def _bound_to(tenant_id: UUID, slug: str) -> str:
    return f"source {tenant_id}/{slug}"

"""Signing in by an OpenID Connect provider: the way there and back, and which operator that is.

What belongs to one sign-in (state, nonce, PKCE verifier) rides sealed in the browser's own cookie, so beginning one
stores nothing. Coming back is noted, since it is done once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import operators, permission_denials, queries, sessions, throttle
from opsteward.accounts.models import OutsideIdentity, UsedState
from opsteward.accounts.oidc_provider import Provider, Refused
from opsteward.accounts.operators import change_operator
from opsteward.accounts.permissions import INSTALLATION, ROLES
from opsteward.accounts.settings import OidcSettings
from opsteward.accounts.types import Identity, NewToken, OperatorInfo
from opsteward.core.clock import now
from opsteward.core.crypto import SecretBox
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Conflict, Denied, Invalid, NotFound, OpsError, Unauthenticated
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.telemetry import audit

log = get_logger(__name__)

STAY_SECONDS = 600  # that one may stay at the provider
_SEALED_FOR = "openid sign-in"
_ACTOR = "system:openid"


@dataclass(frozen=True)
class Departure:
    """Where the browser is sent, and the cookie that it comes back with."""

    url: str
    cookie: str


class OpenIdSignIn:
    """One per process, where a provider is configured."""

    def __init__(self, settings: OidcSettings, db: Database, box: SecretBox) -> None:
        """Raises Invalid that names a setting which is missing or no role."""
        self._settings = settings
        self._db = db
        self._box = box
        _check_settings(settings)
        secret = settings.client_secret
        self._provider = Provider(
            issuer=settings.issuer or "",
            client_id=settings.client_id,
            client_secret=secret.get_secret_value() if secret else "",
        )

    @classmethod
    def of(cls, settings: OidcSettings, db: Database, box: SecretBox) -> OpenIdSignIn | None:
        """None where no provider is configured. Raises Invalid."""
        return cls(settings, db, box) if settings.issuer else None

    async def begin(self, *, redirect_uri: str) -> Departure:
        """Send a browser to the provider. Raises Unauthenticated when the provider can't be asked."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        try:
            url = await self._provider.authorize_url(
                state=state, nonce=nonce, challenge=challenge, redirect_uri=redirect_uri
            )
        except Refused as error:
            raise await self._refusal(error.reason) from error
        kept = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "redirect_uri": redirect_uri,
            "until": now().timestamp() + STAY_SECONDS,
        }
        sealed = self._box.encrypt(kept, bound_to=_SEALED_FOR)
        return Departure(url=url, cookie=base64.urlsafe_b64encode(sealed).decode())

    async def finish(self, *, cookie: str, state: str, code: str, issuer: str | None, address: str) -> NewToken:
        """A browser session for who comes back from the provider, once.

        Raises Unauthenticated, without saying why (the audit log does), and LimitExceeded.
        """
        charged = await throttle.charge(self._db, tenant=self._settings.tenant, name=None, address=address)
        try:
            kept = self._unsealed(cookie)
            if not hmac.compare_digest(str(kept["state"]).encode(), state.encode("utf-8", "replace")):
                raise Refused("state")
            if issuer is not None and issuer != self._provider.issuer:
                raise Refused("issuer")
            await self._use_up(kept)
            if not code:
                raise Refused("no_code")
            claims = await self._provider.claims_for(
                code=code,
                verifier=str(kept["verifier"]),
                redirect_uri=str(kept["redirect_uri"]),
                nonce=str(kept["nonce"]),
                wanted=self._wanted_claims(),
            )
            tenant = await self._tenant()
            async with self._db.unit_of_work(tenant) as session:
                operator = await self._operator(session, claims)
                owner = Identity(
                    tenant_id=tenant,
                    tenant_name=self._settings.tenant,
                    operator_id=operator.id,
                    operator_name=operator.name,
                    roles=tuple(operator.roles),
                    token_id=operator.id,
                    kind="openid",
                    issued_by=_ACTOR,
                )
                token = await sessions.signed_in(session, owner)
        except Refused as error:
            raise await self._refusal(error.reason) from error
        except (Conflict, Denied, Invalid) as error:
            log.warning("accounts.oidc.refused", detail=error.detail)
            raise await self._refusal(f"operator_{error.code}") from error
        await throttle.give_back(self._db, charged)
        return token

    def _unsealed(self, cookie: str) -> JsonObject:
        try:
            kept: JsonObject = self._box.decrypt(base64.urlsafe_b64decode(cookie), bound_to=_SEALED_FOR)
        except (Invalid, ValueError) as error:
            raise Refused("cookie") from error
        if float(str(kept["until"])) < now().timestamp():
            raise Refused("too_late")
        return kept

    async def _use_up(self, kept: JsonObject) -> None:
        until = datetime.fromtimestamp(float(str(kept["until"])), UTC)
        digest = hashlib.sha256(str(kept["state"]).encode()).digest()
        async with self._db.unit_of_work(None) as session:
            await session.execute(sa.delete(UsedState).where(UsedState.until < now()))
            fresh = await session.scalar(
                insert(UsedState)
                .values(state_hash=digest, until=until)
                .on_conflict_do_nothing()
                .returning(UsedState.until)
            )
        if fresh is None:
            raise Refused("replayed")

    async def _tenant(self) -> UUID:
        async with self._db.unit_of_work(None) as session:
            found = await session.scalar(
                sa.text("select id from opsteward.all_tenants() where name = :name and status = 'active'"),
                {"name": self._settings.tenant},
            )
        if found is None:
            raise Refused("tenant")
        return UUID(str(found))

    async def _operator(self, session: AsyncSession, claims: JsonObject) -> OperatorInfo:
        """Who has this subject; at the first sign-in, who is named by the claim. Their roles as the provider says."""
        roles = self._mapped_roles(claims)
        bound = await session.scalar(
            sa.select(OutsideIdentity.operator_id).where(
                OutsideIdentity.tenant_id == tenant_of(session),
                OutsideIdentity.issuer == self._provider.issuer,
                OutsideIdentity.subject == claims["sub"],
            )
        )
        operator = await (
            queries.get_operator(session, operator_id=bound)
            if bound is not None
            else self._bind(session, claims, roles)
        )
        if operator.status != "active":
            raise Refused("inactive")
        if roles is not None and sorted(operator.roles) != roles:
            return await change_operator(session, operator_id=operator.id, roles=roles, actor=_ACTOR)
        return operator

    async def _bind(self, session: AsyncSession, claims: JsonObject, roles: list[str] | None) -> OperatorInfo:
        name = self._claimed_name(claims)
        try:
            operator = await queries.find_operator(session, name=name)
        except NotFound:
            role = self._settings.auto_create_role
            if role is None:
                raise Refused("unknown_operator") from None
            operator = await operators.create_operator(session, name=name, roles=roles or [role], actor=_ACTOR)
        row = await session.scalar(
            insert(OutsideIdentity)
            .values(
                id=uuid7(),
                tenant_id=tenant_of(session),
                operator_id=operator.id,
                issuer=self._provider.issuer,
                subject=claims["sub"],
                bound_at=now(),
            )
            .on_conflict_do_nothing()
            .returning(OutsideIdentity.id)
        )
        if row is None:  # an address or a name that was given to somebody else there
            raise Refused("another_subject")
        await audit.record(
            session,
            actor=_ACTOR,
            verb="operator.bound",
            object_type="operator",
            object_id=str(operator.id),
            detail={"issuer": self._provider.issuer},
        )
        return operator

    def _wanted_claims(self) -> list[str]:
        wanted = [self._settings.operator_claim, self._settings.roles_claim or self._settings.operator_claim]
        return [*wanted, "email_verified"] if "email" in wanted else wanted

    def _claimed_name(self, claims: JsonObject) -> str:
        claim = self._settings.operator_claim
        name = claims.get(claim)
        if not isinstance(name, str) or not name:
            raise Refused("no_name")
        if claim == "email" and claims.get("email_verified") is not True:
            raise Refused("unverified_email")
        return name

    def _mapped_roles(self, claims: JsonObject) -> list[str] | None:
        if self._settings.roles_claim is None:
            return None
        groups = claims.get(self._settings.roles_claim)
        known = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        roles = {self._settings.roles[g] for g in known if isinstance(g, str) and g in self._settings.roles}
        if not roles:
            raise Refused("no_role")
        return sorted(roles)

    async def _refusal(self, reason: str) -> OpsError:
        """Written down in the tenant that the provider's people belong to, once a minute for each reason."""
        log.warning("accounts.oidc.refused", reason=reason)
        try:
            tenant = await self._tenant()
        except Refused:
            return Unauthenticated("signing in by the identity provider is not set up")
        await permission_denials.note_failed_sign_in(self._db, tenant, None, by="openid", reason=reason)
        return Unauthenticated("signing in by the identity provider failed", remedy="try again, or ask an admin")


def _check_settings(settings: OidcSettings) -> None:
    if not settings.client_id or settings.client_secret is None:
        missing = "OPSTEWARD_OIDC_CLIENT_SECRET" if settings.client_id else "OPSTEWARD_OIDC_CLIENT_ID"
        raise Invalid.field(missing, "is not set, but OPSTEWARD_OIDC_ISSUER is", "set what the provider gave you")
    given = {"OPSTEWARD_OIDC_AUTO_CREATE_ROLE": [settings.auto_create_role] if settings.auto_create_role else []}
    given["OPSTEWARD_OIDC_ROLES"] = list(settings.roles.values())
    for name, roles in given.items():
        for role in roles:
            if role not in ROLES or role in INSTALLATION:
                raise Invalid.field(name, f"{role!r:.40} is no role of a tenant", f"use some of {', '.join(ROLES)}")

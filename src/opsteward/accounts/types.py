"""What other rooms see of accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from opsteward.accounts.permissions import permissions_of, within_scopes
from opsteward.core.errors import Denied


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who asks: an operator of one tenant, by one credential."""

    tenant_id: UUID
    tenant_name: str
    operator_id: UUID
    operator_name: str
    roles: tuple[str, ...]
    token_id: UUID
    kind: str
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    #: Limits what the credential may, below what its operator may; None for no limit.
    scopes: tuple[str, ...] | None = None
    #: Who made the credential: the operator itself, who could then sign in as it, or `system:...`.
    issued_by: str = ""

    @property
    def actor(self) -> str:
        """How the audit log refers to this operator, or to the application whose DSN it is."""
        return f"dsn:{self.operator_name}" if self.kind == "dsn" else f"operator:{self.operator_id}"

    @property
    def permissions(self) -> frozenset[str]:
        """What the operator's roles permit, as far as the credential's scopes reach."""
        return _permissions(tuple(self.roles), None if self.scopes is None else tuple(self.scopes))

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raises Denied that names the missing permission."""
        if not self.may(permission):
            raise Denied(f"this needs the permission {permission}", remedy="ask an owner or admin for a role with it")


@lru_cache(maxsize=1_024)
def _permissions(roles: tuple[str, ...], scopes: tuple[str, ...] | None) -> frozenset[str]:
    return within_scopes(permissions_of(list(roles)), scopes)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acted. `kind`: operator, standing_order, agent, schedule, rule, webhook, dsn or system; all but `operator`
    are `automatic`. `id` is an operator's id, else the name."""

    id: str
    name: str
    kind: str
    automatic: bool
    #: The name of the API token by which a program acted: then `kind` is token, and all else its owner's, an operator.
    token: str | None = None

    @property
    def told(self) -> str:
        """For people: the name, and the token."""
        return f"{self.name} (token {self.token})" if self.token is not None else self.name


@dataclass(frozen=True, kw_only=True)
class TenantInfo:
    id: UUID
    name: str
    status: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class OperatorInfo:
    id: UUID
    name: str
    roles: list[str]
    status: str
    created_at: datetime
    #: Who made them; only in lists.
    creator: Actor | None = None


@dataclass(frozen=True, kw_only=True)
class TokenInfo:
    """A credential without its secret, whose it is and who issued it."""

    id: UUID
    operator_id: UUID
    operator: str
    issuer: Actor
    kind: str
    name: str
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewToken:
    """The only time the secret is seen."""

    id: UUID
    secret: str
    scopes: list[str] | None = None
    expires_at: datetime | None = None

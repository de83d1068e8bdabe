"""What the routes of tenants, operators, tokens, sign-in and audit answer, beside the rooms' own types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from opsteward.telemetry.audit.verification import WitnessReport


@dataclass(frozen=True, kw_only=True)
class VerifiedAudit:
    """What was found in the chain; `ok`: nothing is altered, missing or added. `problems` names each that is."""

    ok: bool
    sealed: int
    pending: int
    problems: list[str]
    witnesses: list[WitnessReport]


@dataclass(frozen=True, kw_only=True)
class Me:
    """Who a credential is, and what it may do. `scopes` null: all that its operator may."""

    operator: str
    operator_id: UUID
    tenant: str
    tenant_id: UUID
    roles: list[str]
    scopes: list[str] | None
    expires_at: datetime | None
    permissions: list[str]


@dataclass(frozen=True, kw_only=True)
class PasswordLink:
    """A link that sets a password, once."""

    id: UUID
    url: str
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SignInLink:
    """A link that signs its maker in to the console, once."""

    url: str
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A new token with its secret, which is shown this once."""

    id: UUID
    token: str
    scopes: list[str] | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Who has signed in, and until when; the session itself is in the cookie."""

    operator: str
    operator_id: UUID
    tenant: str
    roles: list[str]
    expires_at: datetime | None

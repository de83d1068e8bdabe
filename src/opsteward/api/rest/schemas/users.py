"""What the routes of users answer, beside what `directory.types` holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class SignedUp:
    """A user who signed up outside and is registered here."""

    status: Literal["success"]
    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class ImportedUser:
    """A user whom an import added, changed, or found as the file has it."""

    id: UUID

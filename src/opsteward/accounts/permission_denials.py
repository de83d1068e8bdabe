"""What was refused to an operator goes into the audit log: once a minute for each thing, so that no flood fills it.

An entry says who and what, never a secret. Where nobody is known by the credential there is no tenant to tell.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.telemetry import audit

_PER_OPERATOR = UUID("5d0c6a34-6f0c-4b53-9c5e-0a3ea1f0c8d7")


async def note_denied(db: Database, identity: Identity, *, permission: str) -> None:
    """`access.denied`: the operator asked for something that needs this permission."""
    await _note(db, identity, verb="access.denied", what={"permission": permission})


async def note_refused_sign_in(db: Database, identity: Identity, *, used_as: str) -> None:
    """`sign_in.refused`: a valid credential was used as another kind than it is (`api`, `session` or `link`)."""
    await _note(db, identity, verb="sign_in.refused", what={"credential": identity.kind, "used_as": used_as})


async def note_failed_sign_in(
    db: Database, tenant_id: UUID, operator_id: UUID | None, *, by: str, reason: str = ""
) -> None:
    """`sign_in.failed`: somebody could not sign in as an operator; or as nobody who is known (None)."""
    await _write(
        db,
        tenant_id,
        actor="system:sign-in",
        verb="sign_in.failed",
        what={"by": by} | ({"reason": reason} if reason else {}),
        about=("operator", operator_id) if operator_id else ("tenant", tenant_id),
    )


async def _note(db: Database, identity: Identity, *, verb: str, what: dict[str, str]) -> None:
    about = ("operator", identity.operator_id)
    await _write(db, identity.tenant_id, actor=identity.actor, verb=verb, what=what, about=about)


async def _write(
    db: Database, tenant_id: UUID, *, actor: str, verb: str, what: dict[str, str], about: tuple[str, UUID]
) -> None:
    """In a transaction of its own, since what was refused has none that lasts. The entry's id says the minute, so the
    same refusal in it, by whatever process, is no second one."""
    kind, object_id = about
    minute = now().strftime("%Y-%m-%dT%H:%M")
    entry_id = uuid5(_PER_OPERATOR, " ".join([str(object_id), verb, *what.values(), minute]))
    async with db.unit_of_work(tenant_id) as session:
        await audit.record(
            session,
            actor=actor,
            verb=verb,
            object_type=kind,
            object_id=str(object_id),
            detail=what,
            entry_id=entry_id,
        )

"""The hashes of the audit log's chain, each keyed with the installation's audit key."""

from __future__ import annotations

from uuid import UUID

from opsteward.core.clock import iso
from opsteward.core.crypto import keyed_digest
from opsteward.telemetry.models import AuditEntry

GENESIS = "0" * 64


def end_hash(tenant_id: UUID, *, seq: int, last: str, key: bytes) -> str:
    """What the end of the chain holds: no seal's own hash, so that an earlier seal can't be made the end."""
    return keyed_digest({"end": seq, "tenant": str(tenant_id), "last": last}, key)


def entry_hash(entry: AuditEntry, *, seq: int, previous: str, key: bytes) -> str:
    """The hash (hex) of an entry in its place, bound to the one before it."""
    return keyed_digest(
        {
            "previous": previous,
            "seq": seq,
            "id": str(entry.id),
            "tenant": str(entry.tenant_id),
            "at": iso(entry.at),
            "actor": entry.actor,
            "verb": entry.verb,
            "object": [entry.object_type, entry.object_id],
            "correlation": entry.correlation_id,
            "detail": entry.detail,
        },
        key,
    )

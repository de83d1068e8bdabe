"""The keyed hashes of the audit log: the writer's mark on an entry, the chain of seals, the lines of its witnesses.

All hang on the installation's audit key, which is not in the database; each is made with a key derived for it alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from uuid import UUID

from opsteward.core.clock import iso
from opsteward.core.crypto import canonical_json, keyed_digest
from opsteward.core.json_types import JsonObject
from opsteward.telemetry.models import AuditEntry

GENESIS = "0" * 64


def as_stored(detail: Mapping[str, object]) -> JsonObject:
    """The detail as it is read back from `jsonb`, which keeps numbers as decimals: 1e16 comes back as an integer."""
    value: JsonObject = json.loads(
        canonical_json(detail), parse_float=lambda text: json.loads(format(Decimal(text), "f")) + 0
    )
    return value


def mark_of(entry: AuditEntry | Mapping[str, object], *, key: bytes) -> bytes:
    """The writer's mark (32 bytes) on exactly this entry: content, id, tenant, and its place among the writer's."""
    get = partial(getattr, entry) if isinstance(entry, AuditEntry) else entry.__getitem__
    at = get("at")
    assert isinstance(at, datetime)
    body = [
        *(str(get(name)) for name in ("id", "tenant_id", "writer", "token_id")),
        *(get("writer_number"), get("writer_before"), iso(at)),
        *(get(name) for name in ("actor", "verb", "object_type", "object_id", "correlation_id", "detail")),
    ]
    return hmac.new(_derived(key, "entry mark"), canonical_json(body).encode(), hashlib.sha256).digest()


def is_marked(entry: AuditEntry, *, key: bytes) -> bool:
    """Whether a process of this installation wrote the entry as it stands."""
    return entry.mark is not None and hmac.compare_digest(entry.mark, mark_of(entry, key=key))


def line_digest(line: Mapping[str, object], *, key: bytes) -> str:
    """What a witness's line ends with: nobody without the key can write one."""
    return keyed_digest(dict(line), _derived(key, "witness"))


def end_hash(tenant_id: UUID, *, seq: int, last: str, key: bytes) -> str:
    """What the end of the chain holds: no seal's own hash, so that an earlier seal can't be made the end."""
    return keyed_digest({"end": seq, "tenant": str(tenant_id), "last": last}, key)


def entry_hash(entry: AuditEntry, *, seq: int, previous: str, key: bytes) -> str:
    """The hash (hex) of an entry in its place, bound to the one before it."""
    body = {
        "previous": previous,
        "seq": seq,
        "id": str(entry.id),
        "tenant": str(entry.tenant_id),
        "at": iso(entry.at),
        "actor": [entry.actor, str(entry.token_id)],
        "verb": entry.verb,
        "object": [entry.object_type, entry.object_id],
        "correlation": entry.correlation_id,
        "detail": entry.detail,
    }
    if entry.mark is not None:  # entries that were sealed before there were marks have none
        body["mark"] = [entry.mark.hex(), str(entry.writer), entry.writer_number, entry.writer_before]
    return keyed_digest(body, key)


@lru_cache(maxsize=64)
def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, f"audit {purpose}".encode(), hashlib.sha256).digest()

"""Of events of one kind that come in masses only so many bytes a minute are kept whole; of the others the outline is.

Every event is stored and counted, with its message, its stack trace and what its context says in short texts; the
incident says so. Each process counts for itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of, when_committed
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.plain_json import json_text
from opsteward.events import timeline
from opsteward.events.event_drafts import Draft

#: Of one fingerprint, in whole contexts.
BYTES_A_MINUTE = 4 * 1024 * 1024
_SMALL_BYTES = 2_048  # a context up to this is always kept
_OUTLINE_BYTES = 16_384
_TEXT_LIMIT = 200
_FIELDS_LIMIT = 30
_KINDS_LIMIT = 20_000
#: Under this name an outline says that it is one.
OUTLINE = "outline_of"


@dataclass(slots=True)
class _Allowance:
    left: float
    at: float


class PayloadSampling:
    """One per process. `bytes_a_minute`: of one kind, what is kept in whole contexts."""

    def __init__(self) -> None:
        self.bytes_a_minute = BYTES_A_MINUTE
        self._left: dict[tuple[UUID, str], _Allowance] = {}
        self._told: set[UUID] = set()

    async def apply(self, session: AsyncSession, drafts: Sequence[Draft]) -> None:
        """Put the outline in the place of contexts beyond the allowance of their kind, and say so on the incidents."""
        tenant_id, at = tenant_of(session), time.monotonic()
        incidents: dict[UUID, str] = {}
        for draft in drafts:
            size = _size(draft.row["context"])
            if size <= _SMALL_BYTES or self._allows(tenant_id, draft.fingerprint, size, at):
                continue
            draft.row["context"] = outline(draft.row["context"], size)
            incident_id = draft.row["incident_id"]
            if incident_id is not None and incident_id not in self._told:
                incidents[incident_id] = draft.fingerprint
        if incidents:
            await timeline.add_all(session, [self._line(*one) for one in incidents.items()])
            when_committed(session, partial(self._note_told, incidents))

    def _allows(self, tenant_id: UUID, fingerprint: str, size: int, at: float) -> bool:
        found = self._left.get((tenant_id, fingerprint))
        if found is None:
            if len(self._left) >= _KINDS_LIMIT:
                self._left.clear()
            found = self._left[tenant_id, fingerprint] = _Allowance(self.bytes_a_minute, at)
        found.left = min(self.bytes_a_minute, found.left + (at - found.at) * self.bytes_a_minute / 60)
        found.at = at
        if found.left < size:
            return False
        found.left -= size
        return True

    def _line(self, incident_id: UUID, fingerprint: str) -> timeline.Line:
        return timeline.Line(
            incident_id=incident_id,
            kind="sampled",
            title="So many events come that of most only an outline is kept; all are counted",
            detail={"fingerprint": fingerprint, "bytes_kept_a_minute": self.bytes_a_minute},
            key="sampled",
        )

    def _note_told(self, incidents: Mapping[UUID, str]) -> None:
        if len(self._told) >= _KINDS_LIMIT:
            self._told.clear()
        self._told.update(incidents)


def _size(context: Mapping[str, Json]) -> int:
    return len(json_text(context)) if context else 0


def outline(context: Mapping[str, Json], size: int) -> JsonObject:
    """What a context says in short texts, numbers and flags, and one level deep in those of them that are small."""
    found: JsonObject = {}
    for name, value in context.items():
        if len(found) >= _FIELDS_LIMIT:
            break
        if _is_short(value):
            found[name[:_TEXT_LIMIT]] = value
        elif isinstance(value, dict) and len(value) <= _FIELDS_LIMIT:
            found[name[:_TEXT_LIMIT]] = {key[:_TEXT_LIMIT]: inner for key, inner in value.items() if _is_short(inner)}
    if _size(found) > _OUTLINE_BYTES:
        found = {}
    return found | {OUTLINE: {"bytes": size}}


def _is_short(value: Json) -> bool:
    return (
        value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _TEXT_LIMIT)
    )

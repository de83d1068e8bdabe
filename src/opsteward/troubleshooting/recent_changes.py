"""What was changed shortly before the trouble began: deployments, configuration, orders, and our own actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.audit_reading import AuditEntryInFull, AuditFilter, read_audit
from opsteward.core.clock import iso
from opsteward.core.redact import redact_text
from opsteward.events.recent_deployments import deployments_between
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.types import RecentChange

_BEFORE = timedelta(hours=1)
_LIMIT = 20
_ENTRIES_LIMIT = 500
_DONE = ("action.succeeded", "action.undone")
_IN_WORDS = {
    "system.registered": "the system was registered",
    "system.removed": "the system was removed",
    "standing_orders.applied": "standing orders were applied",
    "maintenance.planned": "maintenance was planned",
    "maintenance.ended": "maintenance ended",
    "action.succeeded": "was done",
    "action.undone": "was undone",
}


async def recent_changes(session: AsyncSession, row: Session, names: Mapping[str, str]) -> list[RecentChange]:
    """The newest first; `names` are those of the systems that the session looks at, by id."""
    since, until = row.started_at - _BEFORE, row.started_at
    wanted = AuditFilter(since=since, until=until)
    entries = await read_audit(session, wanted=wanted, limit=_ENTRIES_LIMIT)
    changes = [change for entry in entries if (change := _change(entry, names)) is not None]
    changes += [
        RecentChange(at=iso(one.at), who=one.source, what=redact_text(one.message), object="told by an event")
        for one in await deployments_between(session, since, until)
    ]
    return sorted(changes, key=lambda change: change.at, reverse=True)[:_LIMIT]


def _change(entry: AuditEntryInFull, names: Mapping[str, str]) -> RecentChange | None:
    """The entry as a change; None for what changes nothing here."""
    words = _IN_WORDS.get(entry.verb, "")
    about = ""
    if entry.verb in _DONE:
        # what only told people something has no system
        about = names.get(str(entry.detail.get("target")), "")
        words = f"{entry.detail.get('action')} {words}"
    elif entry.verb.startswith("system."):
        about = names.get(entry.object_id, "")
        if entry.verb == "system.changed":
            fields = entry.detail.get("fields")
            words = f"changed: {', '.join(map(str, fields))}" if isinstance(fields, list) else "the system was changed"
    elif words:
        about = entry.object_type.replace("_", " ")
    if not words or not about:
        return None
    return RecentChange(at=iso(entry.at), who=entry.who.name, what=redact_text(words), object=about)

"""What was changed shortly before the trouble began: deployments, configuration, orders, and our own actions."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.audit_reading import AuditFilter, read_audit
from opsteward.core.clock import iso
from opsteward.core.redact import redact_text
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.types import RecentChange

_BEFORE = timedelta(hours=1)
_LIMIT = 20
#: Beginnings of what changes how things are, as the audit log names it.
_VERBS = ("system.", "standing_orders.", "action.executed", "action.done", "action.succeeded", "maintenance", "setting")


async def recent_changes(session: AsyncSession, row: Session) -> list[RecentChange]:
    """The newest first; of systems only those that the session looks at."""
    wanted = AuditFilter(since=row.started_at - _BEFORE, until=row.started_at)
    ours = {str(system) for system in row.system_ids}
    changes = []
    for entry in await read_audit(session, wanted=wanted, limit=200):
        if not entry.verb.startswith(_VERBS) or (entry.object_type == "system" and entry.object_id not in ours):
            continue
        changes.append(
            RecentChange(
                at=iso(entry.at),
                who=entry.who.name,
                what=redact_text(f"{entry.verb.replace('_', ' ').replace('.', ': ')} {entry.reason or ''}".strip()),
                object=f"{entry.object_type} {entry.object_id}",
            )
        )
    return changes[:_LIMIT]

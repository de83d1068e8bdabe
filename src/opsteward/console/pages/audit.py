"""The audit log: filters, and whether its chain holds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.audit_reading import AuditFilter, read_audit
from opsteward.console.languages import _
from opsteward.console.names import Names
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.sorting import sorting
from opsteward.console.wording import who
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.telemetry import audit

_PAGE = 100


async def entries(visit: Visit, session: AsyncSession) -> Page:
    """Newest first; filters stand in the address."""
    verb, object_id, actor = visit.query("verb"), visit.query("object_id"), visit.query("actor")
    wanted = AuditFilter(
        object_id=object_id or None,
        actor=actor or None,
        verb=verb or None,
        since=_instant(visit, "since"),
        until=_instant(visit, "until"),
    )
    order = sorting(visit, {"when": True})
    found = await read_audit(
        session, wanted=wanted, before=visit.cursor("before"), limit=_PAGE + 1, oldest_first=not order.descending
    )
    names = await Names.read(session)
    return Page(
        template="audit.html",
        title=_("Audit"),
        values={
            "entries": [(one, who(one.who), visit.address(actor=one.actor)) for one in found[:_PAGE]],
            "by": order.heads,
            "sorting": order,
            "operators": sorted((name, f"operator:{i}") for i, name in names.operators.items()),
            "given": {name: visit.query(name) for name in ("verb", "object_id", "actor", "since", "until")},
            "next": visit.address(before=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if visit.query("before") else "",
        },
    )


async def verified(visit: Visit, session: AsyncSession) -> Page:
    """Walk the whole chain; every altered, missing or added entry is named."""
    services = visit.services
    witnesses = await in_thread(services.witnesses.views, visit.identity.tenant_id)
    verdict = await audit.verify(session, key=services.audit_key, witnesses=witnesses)
    return Page(
        template="audit_verified.html",
        title=_("Audit: the chain"),
        values={"verdict": verdict, "checked_at": now()},
    )


def _instant(visit: Visit, name: str) -> datetime | None:
    """A time of the address, in UTC where it names no zone. Raises Invalid."""
    given = visit.query(name, limit=40)
    if not given:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise Invalid.field(name, "is no time", "write it like 2026-01-31T14:00") from None
    return at if at.tzinfo else at.replace(tzinfo=now().tzinfo)


ROUTES: tuple[Route, ...] = (
    shows("/audit", entries, "audit.read"),
    shows("/audit/verify", verified, "audit.read"),
)

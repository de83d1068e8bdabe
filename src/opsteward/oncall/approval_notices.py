"""Who decides hears of what waits for an approval, by the routes that are for it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.types import ActionChanged, RunStatus, approval_id_of
from opsteward.oncall.notices import Notices
from opsteward.oncall.routes import all_routes, counts_now


async def approval_is_told(session: AsyncSession, message: ActionChanged, *, notices: Notices) -> None:
    """A plan that waits from now on is told by each route that tells of approvals."""
    run = message.run
    if run.status != RunStatus.AWAITING_APPROVAL or message.key.partition(" ")[0] != "planned":
        return
    for route in await all_routes(session):
        if route.approvals and counts_now(route):
            await notices.tell_approval(session, route=route, approval_id=approval_id_of(run.id))

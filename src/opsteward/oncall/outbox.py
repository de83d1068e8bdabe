"""The notices that wait to be sent, as the action that sends them sees them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.crypto import SecretBox
from opsteward.core.db import Database
from opsteward.integrations.apprise.outbox import Delivery
from opsteward.integrations.apprise.slack_buttons import Button
from opsteward.oncall.routes import NotificationRoutes


class Outbox:
    """`db`, of the role app, is given once it is there."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self.db: Database | None = None

    async def begin(self, notice_id: str) -> Delivery | None:
        """Take a notice that nobody has begun; committed before anything is sent. None if it was begun before."""
        assert self.db is not None
        async with self.db.unit_of_work(None) as session:
            row = (
                await session.execute(sa.text("select * from opsteward.claim_notice(:id)"), {"id": UUID(notice_id)})
            ).first()
        if row is None:
            return None
        urls = self._box.decrypt(bytes(row.urls_sealed), bound_to=f"{row.tenant_id}/route/{row.route_id}")
        return Delivery(
            tenant_id=str(row.tenant_id),
            route_id=str(row.route_id),
            route=row.route,
            urls=[str(one) for one in urls],
            title=row.title,
            body=row.body,
            severity=row.severity,
            buttons=[Button(**one) for one in row.buttons],
            path=_path_of(row.kind, row.incident_ids),
            push_seed=self._box.push_seed(),
        )

    async def note_failure(self, notice_id: str, error: str) -> None:
        """It is known that no service took it."""
        assert self.db is not None
        async with self.db.unit_of_work(None) as session:
            await session.execute(
                sa.text("select opsteward.note_notice_failed(:id, :error)"),
                {"id": UUID(notice_id), "error": error[:500]},
            )

    async def forget(self, delivery: Delivery, urls: Sequence[str]) -> None:
        """These URLs of its route lead to nobody any more; a route that has no others is removed."""
        assert self.db is not None
        async with self.db.unit_of_work(UUID(delivery.tenant_id)) as session:
            await NotificationRoutes(self._box).drop_urls(session, UUID(delivery.route_id), urls)


def _path_of(kind: str, incident_ids: Sequence[UUID]) -> str:
    """The page that a notice is about."""
    if kind == "approval":
        return "/approvals"
    return f"/incidents/{incident_ids[0]}" if len(incident_ids) == 1 else "/incidents" if incident_ids else "/"

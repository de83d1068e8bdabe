"""The notices that wait to be sent, as the action that sends them sees them."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from opsteward.core.crypto import SecretBox
from opsteward.core.db import Database
from opsteward.integrations.apprise.outbox import Delivery
from opsteward.integrations.apprise.slack_buttons import Button


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
            route=row.route,
            urls=[str(one) for one in urls],
            title=row.title,
            body=row.body,
            severity=row.severity,
            buttons=[Button(**one) for one in row.buttons],
        )

    async def note_failure(self, notice_id: str, error: str) -> None:
        """It is known that no service took it."""
        assert self.db is not None
        async with self.db.unit_of_work(None) as session:
            await session.execute(
                sa.text("select opsteward.note_notice_failed(:id, :error)"),
                {"id": UUID(notice_id), "error": error[:500]},
            )

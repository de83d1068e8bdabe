"""The counts of a tenant's users, kept until something of them changes: counting 100,000 takes longer than a page."""

from __future__ import annotations

from time import monotonic
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.feed import RECONNECTED, Feed, Notice
from opsteward.directory.user_changes import PEOPLE
from opsteward.directory.users import queries as user_queries
from opsteward.directory.users.queries import Shares

_MAX_DURATION = 60.0  # seconds for which counts stand without a word that they changed
_MAX = 1000  # tenants


class KeptShares:
    """One per process. A change is told after it is committed, so what was counted before that is not kept."""

    def __init__(self, feed: Feed) -> None:
        self._kept: dict[UUID, tuple[float, Shares]] = {}
        self._told = 0
        feed.listen(self._hear)

    def _hear(self, notice: Notice) -> None:
        if notice.kind == RECONNECTED:
            self._kept.clear()
        elif notice.kind == PEOPLE and notice.tenant_id is not None:
            self._kept.pop(notice.tenant_id, None)
        else:
            return
        self._told += 1

    async def read(self, session: AsyncSession) -> Shares:
        """The counts of the session's tenant."""
        tenant_id = tenant_of(session)
        at, shares = self._kept.get(tenant_id, (0.0, None))
        if shares is not None and monotonic() - at < _MAX_DURATION:
            return shares
        told = self._told
        shares = await user_queries.shares(session)
        if told == self._told:
            if len(self._kept) >= _MAX:
                self._kept.clear()
            self._kept[tenant_id] = (monotonic(), shares)
        return shares

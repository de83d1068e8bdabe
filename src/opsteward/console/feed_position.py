"""Where the feed was when a page was read, so that its stream can tell what came to pass before it was opened.

A position is this process's own count of the notices. What is kept of them is when each thing was last spoken of.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Collection
from uuid import UUID

from opsteward.core.feed import RECONNECTED, Notice
from opsteward.tasks.types import CONTROLS

#: Notices that every page follows, of whatever tenant.
FOR_ALL = frozenset({RECONNECTED, CONTROLS})
KEPT_LIMIT = 20_000  # things that are remembered, a few MB
_POSITION = re.compile(r"([0-9a-f]{8})\.([0-9]{1,15})")


class FeedPosition:
    """Counts the notices of one process."""

    def __init__(self, *, kept_limit: int = KEPT_LIMIT) -> None:
        self._process = secrets.token_hex(4)
        self._count = 0
        self._kept_limit = kept_limit
        self._last: OrderedDict[tuple[UUID | None, str], int] = OrderedDict()
        self._for_all = 0
        #: Of what was last spoken of up to here nothing may be known any more.
        self._forgotten = 0

    def __str__(self) -> str:
        """As a page carries it. It must be asked for before the page begins to read."""
        return f"{self._process}.{self._count}"

    def hear(self, notice: Notice) -> None:
        """One more notice."""
        self._count += 1
        if notice.kind in FOR_ALL:
            self._for_all = self._count
            return
        for name in (notice.kind, f"{notice.kind}:{notice.id}"):
            key = (notice.tenant_id, name)
            self._last[key] = self._count
            self._last.move_to_end(key)
        while len(self._last) > self._kept_limit:
            _, self._forgotten = self._last.popitem(last=False)

    def changed_since(self, given: str, *, tenant_id: UUID, about: Collection[str]) -> bool:
        """Whether something of what a page is about may have changed since; so it is where that can't be known: for
        another process's position, and for one of long ago."""
        found = _POSITION.fullmatch(given)
        if found is None or found[1] != self._process:
            return True
        at = int(found[2])
        if at < self._forgotten or at < self._for_all:
            return True
        return any(self._last.get((tenant_id, name), 0) > at for name in about)

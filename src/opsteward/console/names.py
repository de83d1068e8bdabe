"""Ids to names: of systems and of who acted, for one reading of one tenant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries
from opsteward.console.wording import actor_in_words
from opsteward.systems.types import SystemInfo

_OPERATOR = re.compile(r"\boperator:[0-9a-f-]{36}\b")


@dataclass(frozen=True)
class Names:
    """Names by id, as text."""

    systems: Mapping[str, str]
    operators: Mapping[str, str]

    @classmethod
    async def read(cls, session: AsyncSession, systems: Sequence[SystemInfo]) -> Names:
        """The names of these systems, and of the tenant's operators."""
        operators = await queries.list_operators(session)
        return cls({str(s.id): s.name for s in systems}, {str(o.id): o.name for o in operators})

    def system(self, system_id: UUID | None) -> str:
        """Empty for no system."""
        return self.systems.get(str(system_id), "a system that is gone") if system_id else ""

    def actor(self, actor: str) -> str:
        """An operator by name, a standing order, or a part of Opsteward."""
        return actor_in_words(actor, self.operators)

    def in_text(self, words: str) -> str:
        """Our own words about who did something, with operators by name."""
        return _OPERATOR.sub(lambda found: self.actor(found[0]), words)

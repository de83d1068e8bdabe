"""Ids to names: of systems and of who acted, for one reading of one tenant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries
from opsteward.console.languages import _
from opsteward.console.wording import actor_in_words
from opsteward.systems.service import Inventory

_OPERATOR = re.compile(r"\boperator:[0-9a-f-]{36}\b")


@dataclass(frozen=True)
class Names:
    """Names by id, as text."""

    systems: Mapping[str, str]
    operators: Mapping[str, str]

    @classmethod
    async def read(
        cls, session: AsyncSession, inventory: Inventory | None = None, system_ids: Iterable[UUID | None] = ()
    ) -> Names:
        """The names of the tenant's operators, and of these systems of the inventory."""
        operators = await queries.list_operators(session)
        wanted = {one for one in system_ids if one is not None}
        systems = await inventory.names_of(session, system_ids=wanted) if inventory else {}
        return cls({str(one): name for one, name in systems.items()}, {str(o.id): o.name for o in operators})

    def system(self, system_id: UUID | None) -> str:
        """Empty for no system."""
        return (self.systems.get(str(system_id)) or _("a system that is gone")) if system_id else ""

    def actor(self, actor: str) -> str:
        """An operator by name, a standing order, or a part of Opsteward."""
        return actor_in_words(actor, self.operators)

    def in_text(self, words: str) -> str:
        """Our own words about who did something, with operators by name."""
        return _OPERATOR.sub(lambda found: self.actor(found[0]), words)

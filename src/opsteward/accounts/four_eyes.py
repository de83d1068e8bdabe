"""Whether who approves is a second person: not of the making of the requester, or of who decided before.

The first owner of a tenant makes everybody, so what is older than a day is let pass, and written down; a strict
setting lets nothing pass.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.account_creators import Ancestry, Making, ancestry_of
from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.errors import Denied
from opsteward.core.json_types import JsonObject


class SecondPerson:
    """The rule, as the installation has set it."""

    def __init__(self, *, making_seconds: float = 86_400.0, strict: bool = False) -> None:
        """What an approver got from the requester, through whomever, counts against them for `making_seconds`; with
        `strict` for ever."""
        self._within = timedelta(seconds=making_seconds)
        self._strict = strict

    async def check(
        self, session: AsyncSession, *, by: Identity, requesters: Collection[str], whose: str = "requester"
    ) -> JsonObject | None:
        """As `judge`, for one decision."""
        return self.judge(await ancestry_of(session, by), requesters, whose=whose)

    def judge(self, ancestry: Ancestry, requesters: Collection[str], *, whose: str = "requester") -> JsonObject | None:
        """The making of who approves, to be kept with the decision, or None. `whose` is what the requesters are called.
        Raises Denied with the chain."""
        found = ancestry.making_of(requesters)
        if found is None:
            return None
        kept = self._kept(found)
        if kept["refused"]:
            remedy = f"ask an operator whom the {whose} had no hand in"
            if not self._strict:
                remedy += f", or wait until {found.since + self._within:%Y-%m-%d %H:%M} UTC"
            raise Denied(
                f"a second person must approve, and you are of the {whose}'s making: {kept['told']}", remedy=remedy
            )
        return kept

    def foreseen(self, ancestry: Ancestry, requesters: Collection[str]) -> JsonObject | None:
        """What `check` would find, for the card of an approval that waits."""
        found = ancestry.making_of(requesters)
        return self._kept(found) if found is not None else None

    def _kept(self, found: Making) -> JsonObject:
        return {
            "refused": self._strict or found.since > now() - self._within,
            "told": found.told,
            "chain": [step.as_dict() for step in found.steps],
        }

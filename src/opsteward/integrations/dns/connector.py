"""A registered name of the DNS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.integrations.dns.client import Answer, NoAnswer, ask_all
from opsteward.integrations.dns.config import DnsConfig, config_from


class DnsConnector(Connector[DnsConfig]):
    """Keeps no connection."""

    config_model: ClassVar[type[BaseModel]] = DnsConfig

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> DnsConfig:
        return config_from(target)

    async def answers(self) -> list[Answer | NoAnswer]:
        """What each resolver says. Raises Unreachable where none is known."""
        return await ask_all(self.config)

    async def probe(self) -> ProbeReport:
        found = await self.answers()
        good = [each for each in found if isinstance(each, Answer)]
        if not good:
            raise next(each.error for each in found if isinstance(each, NoAnswer))
        return ProbeReport(
            reachable=True,
            seconds=max(each.seconds for each in good),
            detail=f"{good[0].status}: {', '.join(good[0].values)}"[:200],
        )

    async def close(self) -> None:
        return None

"""A registered service that is greeted in its own protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.integrations.services.client import Look, look
from opsteward.integrations.services.config import ServiceConfig, config_from


class ServiceConnector(Connector[ServiceConfig]):
    """Keeps no connection."""

    config_model: ClassVar[type[BaseModel]] = ServiceConfig

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> ServiceConfig:
        return config_from(target, credentials)

    async def look(self) -> Look:
        """One conversation. Raises Unreachable, Timeout, BadReply or AuthFailed."""
        return await look(self.config)

    async def probe(self) -> ProbeReport:
        seen = await self.look()
        return ProbeReport(reachable=True, seconds=seen.seconds, detail=seen.answer)

    async def close(self) -> None:
        return None

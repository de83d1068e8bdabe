"""A registered web application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.core.http_client import HttpReply
from opsteward.integrations.web.client import PAGE_BYTES_LIMIT, fetch
from opsteward.integrations.web.config import WebConfig, config_from
from opsteward.integrations.web.flow import StepSeen, visit


class WebConnector(Connector[WebConfig]):
    """Fetches one page; keeps no connection."""

    config_model: ClassVar[type[BaseModel]] = WebConfig

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> WebConfig:
        return config_from(target, credentials)

    async def fetch(self) -> HttpReply:
        """The health page as it is now. Raises Timeout, Unreachable or BadReply."""
        return await fetch(self.config, self.config.url)

    async def get(self, url: str, *, method: str = "GET", as_operator: bool = False) -> HttpReply:
        """Another address of the application, with its credentials where it is of the same origin. Raises Timeout,
        Unreachable or BadReply."""
        return await fetch(self.config, url, method=method, max_bytes=PAGE_BYTES_LIMIT, as_operator=as_operator)

    async def visit(self) -> list[StepSeen]:
        """The declared steps, up to the first that does not go well."""
        return await visit(self.config)

    async def probe(self) -> ProbeReport:
        reply = await self.fetch()
        return ProbeReport(
            reachable=True,
            seconds=reply.seconds,
            version=reply.headers.get("server", "")[:100],
            detail=f"status {reply.status}",
        )

    async def close(self) -> None:
        return None

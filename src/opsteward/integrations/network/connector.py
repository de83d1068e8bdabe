"""The network way to a registered system: only its host and port, whatever is spoken there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.integrations.network.client import TcpAttempt, connect_each, look_up
from opsteward.integrations.network.config import NetworkConfig, config_from


class NetworkConnector(Connector[NetworkConfig]):
    """Needs no credentials and keeps no socket."""

    config_model: ClassVar[type[BaseModel]] = NetworkConfig

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> NetworkConfig:
        return config_from(target)

    async def look_up(self) -> tuple[list[str], float]:
        """Addresses and seconds. Raises Unreachable (kind dns or policy) or Timeout; needs a host."""
        assert self.config.host is not None
        return await look_up(self.config.host, self.config.port, timeout_seconds=self.config.timeout_seconds)

    async def connect_each(self, addresses: list[str]) -> list[TcpAttempt]:
        """One attempt per address until one accepts; failures are in the result, none is raised."""
        return await connect_each(addresses, self.config.port, timeout_seconds=self.config.timeout_seconds)

    async def probe(self) -> ProbeReport:
        if self.config.host is None:
            return ProbeReport(reachable=True, seconds=0.0, detail="a unix socket: no network in between")
        addresses, _ = await self.look_up()
        last = (await self.connect_each(addresses))[-1]
        return ProbeReport(reachable=not last.error, seconds=last.seconds, detail=last.error)

    async def close(self) -> None:
        return None

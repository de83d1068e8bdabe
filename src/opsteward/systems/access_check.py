"""What works with a system and the account that was given, and which permission is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from opsteward.contracts.connector import Capability, SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.errors import ConnectorError
from opsteward.systems.service import connected


@dataclass(frozen=True, kw_only=True)
class AccessCheck:
    """Whether the system can be used, and each thing that can or can't be done there; `seconds` to reach it."""

    reachable: bool
    version: str = ""
    seconds: float | None = None
    problem: str = ""
    remedy: str = ""
    capabilities: list[Capability] = field(default_factory=list)


async def check_access(
    registry: Registry, target: SystemRef, secret: Mapping[str, str], *, timeout: float
) -> AccessCheck:
    """Reach the system and look at our rights there, read-only, for at most so many seconds."""
    kind = registry.records_connector(target.endpoint, target.type)
    kinds = [kind] if kind is not None else registry.connectors_for(target.endpoint, target.type)
    try:
        async with asyncio.timeout(timeout), connected(kinds[0], target, secret) as via:
            report = await via.probe()
            capabilities = list(await via.capabilities())
    except ConnectorError as error:
        return AccessCheck(reachable=False, problem=error.detail, remedy=error.remedy)
    except TimeoutError:
        return AccessCheck(reachable=False, problem=f"it did not answer within {timeout:g} s")
    return AccessCheck(
        reachable=report.reachable, version=report.version, seconds=report.seconds, capabilities=capabilities
    )

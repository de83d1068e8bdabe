"""Does the SCIM server say what it can do, and give its first list."""

from __future__ import annotations

import time
from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, Domain
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.thresholds import answer_within, held_against, unusable
from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import safe_url
from opsteward.core.json_types import JsonObject
from opsteward.integrations.scim.connector import ScimConnector


class ScimServerCheck(Check[ScimConnector]):
    """FAIL when ServiceProviderConfig or a page of the first list can't be read, or `expect` does not hold; WARN when
    that is slow."""

    slug: ClassVar[str] = "scim.server"
    title: ClassVar[str] = "SCIM configuration and list"
    domain: ClassVar[Domain] = "web"
    health: ClassVar[bool] = True

    async def run(self, via: ScimConnector, target: SystemRef) -> CheckResult:
        where, began = safe_url(via.config.base), time.monotonic()

        async def look() -> tuple[JsonObject, int]:
            return await via.service_provider_config(), await via.total_of_first_list()

        try:
            config, total = await answer_within(via.config.settings.check_timeout_seconds, look(), where)
        except ConnectorError as error:
            return unusable(error, subject="scim", title="The SCIM server gives no usable answer", where=where)
        seconds = time.monotonic() - began
        return held_against(
            via.config.settings,
            subject="scim",
            where=where,
            said=f"{total} records in its first list",
            seconds=seconds,
            values={"config": config, "total": total},
            evidence={"url": where, "total": total, "seconds": round(seconds, 4), "configured": bool(config)},
        )

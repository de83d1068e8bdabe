"""Can we bind to the directory, and does a search find what it should."""

from __future__ import annotations

import time
from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, Domain
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.thresholds import answer_within, held_against, unusable
from opsteward.core.errors import ConnectorError
from opsteward.integrations.ldap.connector import LdapConnector


class DirectoryCheck(Check[LdapConnector]):
    """FAIL when the directory can't be reached, refuses our bind or search, or `expect` does not hold (without one,
    when `check_filter` finds nothing); WARN when it is slow."""

    slug: ClassVar[str] = "ldap.directory"
    title: ClassVar[str] = "Bind and search"
    domain: ClassVar[Domain] = "database"
    health: ClassVar[bool] = True

    async def run(self, via: LdapConnector, target: SystemRef) -> CheckResult:
        config, began = via.config, time.monotonic()
        where = f"{config.host}:{config.port}"
        settings = config.settings
        try:
            entries = await answer_within(settings.check_timeout_seconds, via.entries_for_health(), where)
        except ConnectorError as error:
            return unusable(error, subject="ldap", title="The directory can't be used", where=where)
        seconds = time.monotonic() - began
        if settings.check_filter and not settings.expect:
            settings = settings.model_copy(update={"expect": "entries > 0"})
        said = f"{entries} entries" if settings.check_filter else "the base is there"
        return held_against(
            settings,
            subject="ldap",
            where=where,
            said=said,
            seconds=seconds,
            values={"entries": entries},
            evidence={"host": config.host, "port": config.port, "entries": entries, "seconds": round(seconds, 4)},
        )

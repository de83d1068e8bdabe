"""Can we sign in, does the server answer, and does its replication run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from opsteward.contracts.check import Check, CheckResult, Domain, Measure
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.thresholds import answer_within, held_against, unusable
from opsteward.core.errors import ConnectorError
from opsteward.integrations.mysql.connector import MysqlConnector


class ServerCheck(Check[MysqlConnector]):
    """FAIL when the server can't be reached, refuses our sign-in, its replication has stopped or `expect` does not
    hold; WARN when it is slow."""

    slug: ClassVar[str] = "mysql.server"
    title: ClassVar[str] = "Database connection"
    domain: ClassVar[Domain] = "database"
    health: ClassVar[bool] = True
    measures: ClassVar[Sequence[Measure]] = (Measure("connections", limit="max_connections"),)

    async def run(self, via: MysqlConnector, target: SystemRef) -> CheckResult:
        config, began = via.config, time.monotonic()
        where = f"{config.host}:{config.port}"

        async def look() -> tuple[dict[str, Any], float]:
            state = await via.server_state()
            seconds = time.monotonic() - began
            return state | {"replica_lag_seconds": await via.replica_lag()}, seconds

        try:
            state, seconds = await answer_within(config.settings.check_timeout_seconds, look(), where)
        except ConnectorError as error:
            return unusable(error, subject="mysql", title="The database can't be used", where=where)
        return held_against(
            config.settings,
            subject="mysql",
            where=where,
            said=f"{state['version']}, {state['connections']} of {state['max_connections']} connections",
            seconds=seconds,
            values=state,
            evidence={"database": config.database, "seconds": round(seconds, 4), **state},
        )

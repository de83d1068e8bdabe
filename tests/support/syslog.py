"""A syslog listener of a tenant, on free ports, within the test process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from opsteward.events.sources.syslog.listener import SyslogListener
from opsteward.events.sources.syslog.settings import SyslogSettings
from support.instance import Tenant

_WITHIN = 20.0  # seconds


@asynccontextmanager
async def listening(tenant: Tenant, **settings: Any) -> AsyncIterator[SyslogListener]:
    """It takes UDP and TCP unless told otherwise; once the block ends all that was read is stored."""
    given: dict[str, Any] = {"syslog_udp": "0", "syslog_tcp": "0", "syslog_senders": {"127.0.0.0/8": tenant.name}}
    services = tenant.instance.services
    listener = SyslogListener(
        services.app, services.intake, services.source_tallies, SyslogSettings(**given | settings)
    )
    running = asyncio.create_task(listener.run())
    try:
        await asyncio.wait({running, waiting := asyncio.create_task(listener.listening.wait())},
                           return_when=asyncio.FIRST_COMPLETED, timeout=_WITHIN)  # fmt: skip
        waiting.cancel()
        if running.done():
            running.result()
        yield listener
    finally:
        running.cancel()
        await asyncio.wait({running})


def free_udp_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def stored(tenant: Tenant, number: int) -> list[dict[str, Any]]:
    """The events of the tenant once there are so many, oldest first."""
    async with asyncio.timeout(_WITHIN):
        while True:
            rows = tenant.instance.sql(
                "select source, message, severity, occurred_at, context, incident_id from opsteward.events"
                " where tenant_id = %s order by received_at, id",
                tenant.id,
            )
            if len(rows) >= number:
                names = ("source", "message", "severity", "occurred_at", "context", "incident_id")
                return [dict(zip(names, row, strict=True)) for row in rows]
            await asyncio.sleep(0.02)

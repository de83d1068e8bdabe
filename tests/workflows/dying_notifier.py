"""A worker that kills itself with SIGKILL right after it has sent a notice, before that is written down; then another
one goes on.

Run as a program: `dying_notifier.py HOME TENANT_ID`. It ends when no notice waits any more.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from opsteward.app.process import Process, running
from opsteward.app.services import build_services
from opsteward.app.settings import Settings, load_settings
from opsteward.core import log
from opsteward.integrations.apprise import notices

LIVES = 5


async def live(settings: Settings, tenant_id: UUID, *, dies: bool) -> None:
    """One life: works until no notice waits, or until its first notice was sent."""
    if dies:
        really_send = notices.send_by_apprise

        async def send_and_die(*arguments: object, **named: object) -> object:
            await really_send(*arguments, **named)  # type: ignore[arg-type]
            os.kill(os.getpid(), signal.SIGKILL)

        notices.send_by_apprise = send_and_die  # type: ignore[assignment]
    services = build_services(settings)
    async with running(Process(services, kind="worker")):
        while True:
            async with services.app.unit_of_work(tenant_id) as session:
                if not await session.scalar(sa.text("select count(*) from opsteward.notices where ended_at is null")):
                    return
            await asyncio.sleep(0.05)


def main() -> int:
    home, tenant_id = Path(sys.argv[1]), UUID(sys.argv[2])
    settings = load_settings(home=home, queue_poll_interval=0.05, process_lost_after=1.0)
    log.configure(level="WARNING")
    importlib.import_module("dbos")
    for number in range(LIVES):
        child = os.fork()
        if child == 0:
            asyncio.run(live(settings, tenant_id, dies=number == 0))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            continue
        return os.waitstatus_to_exitcode(status)
    return 99


if __name__ == "__main__":
    sys.exit(main())

"""A worker that kills itself with SIGKILL at every point of every step, once each, and is started again each time.

Run as a program: `dying_worker.py HOME TENANT_ID SESSION_ID`. A parent that has imported everything forks one life
after another; a life dies at the first point that no life before it died at. What was reached is written to
HOME/deaths, one `step moment` a line, before the death. The parent ends when the session has ended.
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
from opsteward.core import durable, log

MAX_LIVES = 200


class Reaper:
    """Dies at the first new (step, moment); before its `begin` a step has done nothing."""

    def __init__(self, deaths: Path) -> None:
        self._deaths = deaths
        self._known = set(deaths.read_text().splitlines()) if deaths.exists() else set()

    def __call__(self, step: str, moment: durable.Moment) -> None:
        point = f"{step} {moment}"
        if moment == "begin" or point in self._known or not step.startswith(("session.", "action.")):
            return
        with self._deaths.open("a") as file:
            file.write(point + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


async def live(settings: Settings, tenant_id: UUID, session_id: UUID) -> None:
    """One life: works until the session has ended, or until death."""
    durable.observe_steps(Reaper(settings.home / "deaths"))
    services = build_services(settings)
    async with running(Process(services, kind="worker")):
        while True:
            async with services.app.unit_of_work(tenant_id) as session:
                ended = (await services.sessions.get(session, session_id=session_id)).status == "ended"
                unfinished = await session.scalar(
                    sa.text("select count(*) from dbos.workflow_status where status in ('PENDING', 'ENQUEUED')")
                )
            if ended and not unfinished:
                return
            await asyncio.sleep(0.05)


def main() -> int:
    home, tenant_id, session_id = Path(sys.argv[1]), UUID(sys.argv[2]), UUID(sys.argv[3])
    settings = load_settings(home=home, queue_poll_interval=0.05, process_lost_after=2.0, verify_timeout=20.0)
    log.configure(level="WARNING")
    importlib.import_module("dbos")
    for _ in range(MAX_LIVES):
        child = os.fork()
        if child == 0:
            asyncio.run(live(settings, tenant_id, session_id))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            continue
        return os.waitstatus_to_exitcode(status)
    return 99


if __name__ == "__main__":
    sys.exit(main())

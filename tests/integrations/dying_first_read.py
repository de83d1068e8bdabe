"""A process that plans a first sync of two tables, and is killed in the middle of it.

dying_first_read.py HOME TENANT OPERATION lines|stored
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parents[1]))

from fastapi import FastAPI
from sqlalchemy import event

from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.integrations import postgresql
from opsteward.provisioning.sync.first_read import FirstRead, Staging
from opsteward.provisioning.sync.operations import OfOperation
from support.instance import Instance
from support.syncing import Syncing


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in(where: str) -> None:
    """While the lists come in, or when one of them is stored for good and the other is not."""
    if where == "lines":
        Staging.add = die  # type: ignore[method-assign, assignment]
        return
    store = FirstRead._store

    async def stored(self: FirstRead, source: Staging, target: Staging) -> None:
        await store(self, source, target)
        event.listen(source.session.sync_session, "after_commit", die)

    FirstRead._store = stored  # type: ignore[method-assign]


async def main() -> None:
    home, tenant, operation, where = sys.argv[1:]
    services = build_services(load_settings(home=Path(home)))
    instance = Instance(home=Path(home), services=services, app=FastAPI())
    syncing = Syncing(instance, UUID(tenant), [postgresql.INTEGRATION])
    die_in(where)
    await syncing.tasks.plan(syncing.context(), OfOperation(operation_id=UUID(operation)))


if __name__ == "__main__":
    asyncio.run(main())

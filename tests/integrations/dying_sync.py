"""A process that writes the changes of one sync, and is killed at one of its calls to the directory.

dying_sync.py HOME TENANT FOLDER OPERATION CALL before|after
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

from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.integrations import files, ldap
from opsteward.integrations.ldap.client import LdapClient
from opsteward.provisioning.sync.operations import OfOperation
from support.instance import Instance
from support.syncing import Syncing


def die_at(call: int, when: str) -> None:
    calls = 0
    ask = LdapClient._ask

    async def counted(self: LdapClient, what: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await ask(self, what)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    LdapClient._ask = counted  # type: ignore[method-assign]


async def main() -> None:
    home, tenant, folder, operation, call, when = sys.argv[1:]
    services = build_services(load_settings(home=Path(home)))
    instance = Instance(home=Path(home), services=services, app=FastAPI())
    syncing = Syncing(instance, UUID(tenant), [files.build([Path(folder)]), ldap.INTEGRATION])
    die_at(int(call), when)
    await syncing.tasks.apply(syncing.context(), OfOperation(operation_id=UUID(operation)))


if __name__ == "__main__":
    asyncio.run(main())

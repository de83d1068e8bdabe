"""kill -9 between the sending of a notice and its being written down: it is never sent again, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsteward.accounts.tenants import create_tenant
from opsteward.accounts.types import Identity
from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.core.blocking_calls import in_thread
from opsteward.core.ids import uuid7
from opsteward.oncall.routes import NewRoute
from support.preloaded import program
from support.receivers import http_receiver

WITHIN = 60.0


@pytest.mark.slow(reason="kills a worker, and waits for another one to take over")
async def test_a_notice_whose_sender_was_killed_is_not_sent_again_and_is_told_to_be_in_doubt(fresh_home: Path) -> None:
    services = build_services(load_settings(home=fresh_home))
    tenant = await create_tenant(services.web, name="killed", operator="admin", actor="test")
    me = Identity(
        tenant_id=tenant.id, tenant_name="killed", operator_id=tenant.operator_id, operator_name="admin",
        roles=("owner",), token_id=uuid7(), kind="api",
    )  # fmt: skip
    with http_receiver() as receiver:
        async with services.web.unit_of_work(tenant.id) as session:
            route = await services.oncall.routes.save(session, new=NewRoute(name="r", urls=[receiver.url()]), by=me)
            notice = await services.oncall.notices.test(session, route_id=route.id, by=me)
        worker = program(Path(__file__).with_name("dying_notifier.py"), fresh_home, tenant.id)
        assert await in_thread(worker.wait, WITHIN) == 0, worker.told()[1][-3000:]
        assert len(receiver.requests) == 1
    async with services.web.unit_of_work(tenant.id) as session:
        found = await services.oncall.notices.get(session, notice_id=notice.id)
        trouble = await services.incidents.page(session, source="notifications")
    assert (found.status, len(trouble)) == ("interrupted", 1)
    await services.web.close()
    await services.app.close()

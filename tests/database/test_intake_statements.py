"""What an event costs in statements, and that what is remembered of decisions hides none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from opsteward.events.types import NewEvent, TakenEvent
from support.instance import Instance, Tenant

SLOW = NewEvent(message="connection to db7 lost after 5 ms", source="app", severity="low")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Those that are sent meanwhile."""
    sent: list[str] = []

    def note(*given: Any) -> None:
        sent.append(given[2])

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


async def tell(tenant: Tenant, *events: NewEvent) -> list[TakenEvent]:
    services = tenant.instance.services
    async with services.web.unit_of_work(tenant.id) as session:
        return await services.intake.take(session, events=list(events), actor="test")


async def raised(tenant: Tenant) -> int:
    kinds = "select count(*) from opsteward.timeline_entries where tenant_id = %s and kind = 'raised'"
    return int(tenant.instance.sql(kinds, tenant.id)[0][0])


async def test_an_event_that_joins_its_incident_takes_four_statements(instance: Instance) -> None:
    tenant = await instance.tenant()
    first = await tell(tenant, SLOW)
    await tell(tenant, SLOW)  # reads what was decided of it so far
    with statements() as sent:
        again = await tell(tenant, SLOW)
    assert again[0].incident_id == first[0].incident_id is not None
    beginnings = [" ".join(one.split())[:25] for one in sent]
    assert len(sent) == 4, beginnings  # begin, what is known, what is stored, who is told
    assert beginnings[0].startswith("begin; select set_config(")


@pytest.mark.parametrize("committed", [True, False])
async def test_what_is_more_urgent_raises_its_incident_once(instance: Instance, committed: bool) -> None:
    tenant = await instance.tenant()
    for _ in range(2):
        await tell(tenant, SLOW)
    worse = NewEvent(message=SLOW.message, source=SLOW.source, severity="high")
    if not committed:
        with pytest.raises(ZeroDivisionError):
            async with instance.services.web.unit_of_work(tenant.id) as session:
                await instance.services.intake.take(session, events=[worse], actor="test")
                raise ZeroDivisionError
        assert await raised(tenant) == 0
    for _ in range(3):
        await tell(tenant, worse)
    assert await raised(tenant) == 1

"""`/api/v1/standing-orders`: check, apply, export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.capacity import TURN
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, Page, page_of
from opsteward.api.rest.schemas.standing_orders import CheckedOrders, OrdersInForce
from opsteward.api.routes import Routes
from opsteward.core.clock import now
from opsteward.core.db import DatabaseSession
from opsteward.events.back_tests.service import SESSIONS_LIMIT
from opsteward.events.back_tests.types import BackTest, RecordedSession
from opsteward.events.standing_orders import versions
from opsteward.events.standing_orders.versions import OrdersDifference, OrdersVersion, OrdersVersionInFull

router = Routes(prefix="/api/v1/standing-orders", tags=["standing orders"])

Number = Annotated[int | None, Query(ge=0, le=2**31 - 1)]


class BackTestIn(Input):
    """`text`: the orders to try, those in force where it is left out. `since`: a week ago where it is left out."""

    text: Annotated[str, Field(max_length=262_144)] | None = None
    since: Instant | None = None
    until: Instant | None = None


class OrdersIn(Input):
    """The text of a `standing_orders.yaml`."""

    text: Annotated[str, Field(max_length=262_144)]


@router.get("")
async def export(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("standing_orders.read")]
) -> OrdersInForce:
    """The version in force, as its text. Version 0 is what ships."""
    return OrdersInForce.of(await services.orders.in_force(session))


@router.post("/check")
async def check(
    body: OrdersIn, services: ServicesDep, identity: Annotated[Identity, needs("standing_orders.read")]
) -> CheckedOrders:
    """Whether the text is sound; a 422 names each problem with its line and remedy."""
    return CheckedOrders(ok=True, orders=[order.name for order in await services.orders.check(body.text)])


@router.post("/back-test")
async def back_test(
    body: BackTestIn,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("standing_orders.read")],
) -> BackTest:
    """What these orders and those in force would have decided over a recorded span, side by side, and what was done
    then. Nothing is done. A 422 names what is wrong with the text; more than 500,000 events are too many."""
    identity.require("incidents.read")
    since, turn = body.since or now() - timedelta(days=7), request.scope[TURN]

    @asynccontextmanager
    async def reading() -> AsyncIterator[DatabaseSession]:
        await turn.take()  # who computes in between holds no turn
        try:
            async with services.db.unit_of_work(identity.tenant_id) as session:
                yield session
        finally:
            turn.give_up()

    async def sessions_of(session: DatabaseSession) -> Sequence[RecordedSession]:
        until = body.until or now()
        return await services.sessions.recorded(session, since=since, until=until, limit=SESSIONS_LIMIT)

    turn.give_up()
    return await services.back_tests.run(
        reading,
        text=body.text,
        since=since,
        until=body.until,
        sessions_of=sessions_of,
        given_up=request.is_disconnected,
    )


@router.put("")
async def apply(
    body: OrdersIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("standing_orders.write")],
) -> OrdersInForce:
    """Put a new version in force."""
    return OrdersInForce.of(await services.orders.apply(session, text=body.text, actor=identity.actor))


@router.get("/versions")
async def list_versions(
    session: TenantSession,
    identity: Annotated[Identity, needs("standing_orders.read")],
    before: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Page[OrdersVersion]:
    """Who changed the standing orders and when, the newest first; version 0 is what ships."""
    found = await versions.list_versions(session, before=before, limit=limit)
    return page_of(found, limit=limit, cursor="version")


@router.get("/version")
async def get_version(
    session: TenantSession,
    identity: Annotated[Identity, needs("standing_orders.read")],
    number: Annotated[Number, Query(description="the one in force if it is left out")] = None,
) -> OrdersVersionInFull:
    """One version with its text."""
    return await versions.get_version(session, version=number)


@router.get("/diff")
async def compare_versions(
    session: TenantSession,
    identity: Annotated[Identity, needs("standing_orders.read")],
    before: Annotated[Number, Query(alias="from", description="the one before `to` if it is left out")] = None,
    after: Annotated[Number, Query(alias="to", description="the one in force if it is left out")] = None,
) -> OrdersDifference:
    """How one version becomes another, as a unified diff."""
    return await versions.compare(session, before=before, after=after)

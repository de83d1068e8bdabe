"""`/api/v1/standing-orders`: check, apply, export."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Page, page_of
from opsteward.api.rest.schemas.standing_orders import CheckedOrders, OrdersInForce
from opsteward.api.routes import Routes
from opsteward.events.standing_orders import versions
from opsteward.events.standing_orders.versions import OrdersDifference, OrdersVersion, OrdersVersionInFull

router = Routes(prefix="/api/v1/standing-orders", tags=["standing orders"])

Number = Annotated[int | None, Query(ge=0, le=2**31 - 1)]


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

"""`/api/v1/standing-orders`: check, apply, export."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input
from opsteward.api.rest.schemas.standing_orders import CheckedOrders, OrdersInForce
from opsteward.api.routes import Routes

router = Routes(prefix="/api/v1/standing-orders", tags=["standing orders"])


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

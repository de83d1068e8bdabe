"""What the routes of standing orders answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opsteward.events.standing_orders.service import InForce


@dataclass(frozen=True, kw_only=True)
class CheckedOrders:
    """The names of the orders in a sound text."""

    ok: bool
    orders: list[str]


@dataclass(frozen=True, kw_only=True)
class OrderProblem:
    """Why an order of the version in force holds up no longer, and where it stands in the text."""

    line: int
    field: str
    problem: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class OrdersInForce:
    """The version in force. Version 0 is what ships: nobody has applied any yet. Orders with `problems` (their action
    went with an upgrade, for example) are left out; the others hold."""

    version: int
    text: str
    applied_by: str
    applied_at: datetime | None
    orders: list[str]
    problems: list[OrderProblem]

    @classmethod
    def of(cls, found: InForce) -> OrdersInForce:
        """As the API shows it: the orders by their names."""
        return cls(
            version=found.version,
            text=found.text,
            applied_by=found.applied_by,
            applied_at=found.applied_at,
            orders=[order.name for order in found.orders],
            problems=[
                OrderProblem(line=each.line, field=each.field, problem=each.problem, remedy=each.remedy)
                for each in found.problems
            ],
        )

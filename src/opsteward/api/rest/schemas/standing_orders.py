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
class FaultyOrderInForce:
    """An order that holds up no longer. What it may have meant goes to a person, and no later order acts instead."""

    name: str
    line: int
    problem: str


@dataclass(frozen=True, kw_only=True)
class OrdersInForce:
    """The version in force. Version 0 is what ships: nobody has applied any yet.

    `orders` hold up. `faulty` do not (their action went with an upgrade, for example): what they may have meant goes to
    a person. `problems` says what to mend.
    """

    version: int
    text: str
    applied_by: str
    applied_at: datetime | None
    orders: list[str]
    faulty: list[FaultyOrderInForce]
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
            faulty=[FaultyOrderInForce(name=one.name, line=one.line, problem=one.problem) for one in found.faulty],
            problems=[
                OrderProblem(line=each.line, field=each.field, problem=each.problem, remedy=each.remedy)
                for each in found.problems
            ],
        )

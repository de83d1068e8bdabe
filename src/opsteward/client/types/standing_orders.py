"""What the API takes and answers about standing orders, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import TypedDict

from opsteward.client.types.events import Actor


class CheckedOrders(TypedDict):
    """The names of the orders in a sound text."""

    ok: bool
    orders: list[str]


class FaultyOrderInForce(TypedDict):
    """An order that holds up no longer. What it may have meant goes to a person, and no later order acts instead."""

    name: str
    line: int
    problem: str


class OrderProblem(TypedDict):
    """Why an order of the version in force holds up no longer, and where it stands in the text."""

    line: int
    field: str
    problem: str
    remedy: str


class OrdersDifference(TypedDict):
    """How the text of one version becomes that of another; `diff` is empty where they are alike."""

    before: OrdersVersion
    after: OrdersVersion
    added: int
    removed: int
    diff: str


class OrdersIn(TypedDict):
    """The text of a `standing_orders.yaml`."""

    text: str


class OrdersInForce(TypedDict):
    """The version in force. Version 0 is what ships: nobody has applied any yet."""

    version: int
    text: str
    applied_by: str
    applied_at: str | None
    orders: list[str]
    faulty: list[FaultyOrderInForce]
    problems: list[OrderProblem]


class OrdersVersion(TypedDict):
    """One version. Version 0 is what ships; the highest is in force."""

    version: int
    applied_by: str
    author: Actor
    applied_at: str | None
    in_force: bool
    characters: int


class OrdersVersionInFull(TypedDict):
    version: int
    applied_by: str
    author: Actor
    applied_at: str | None
    in_force: bool
    characters: int
    text: str

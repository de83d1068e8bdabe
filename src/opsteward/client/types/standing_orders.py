"""What the API takes and answers about standing orders, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from opsteward.client.types.events import Actor


class BackTest(TypedDict):
    """What today's and the proposed orders would have decided over a span, side by side."""

    since: str
    until: str
    version: int
    events: int
    as_recorded: int
    changed: int
    recorded: list[RecordedAction]
    today: list[OrderFigures]
    proposed: list[OrderFigures]
    differences: list[Difference]
    more_differences: int
    stretches: list[Stretch]
    sessions: int
    session_outcomes: list[SessionOutcome]


class BackTestIn(TypedDict):
    """`text`: the orders to try, those in force where it is left out. `since`: a week ago where it is left out."""

    text: NotRequired[str | None]
    since: NotRequired[str | None]
    until: NotRequired[str | None]


class CheckedOrders(TypedDict):
    """The names of the orders in a sound text."""

    ok: bool
    orders: list[str]


class DecidedAs(TypedDict):
    """`order` is empty where the decision table decided."""

    action: str
    approval: str
    order: str


class Difference(TypedDict):
    """So many events for which one decision becomes another."""

    today: DecidedAs
    proposed: DecidedAs
    count: NotRequired[int]
    examples: NotRequired[list[Example]]


class Example(TypedDict):
    """An event on which two sets of orders differ."""

    event_id: str
    incident_id: str | None
    at: str
    source: str
    title: str


class FaultyOrderInForce(TypedDict):
    """An order that holds up no longer. What it may have meant goes to a person, and no later order acts instead."""

    name: str
    line: int
    problem: str


class OrderFigures(TypedDict):
    """What one order (without a name: the decision table) would have done. `matched` events; of the actions that
    those ask for, once for an incident, so many would have run, waited for an approval, or been denied by its
    limits."""

    name: str
    line: NotRequired[int]
    action: NotRequired[str]
    approval: NotRequired[str]
    faulty: NotRequired[bool]
    matched: NotRequired[int]
    run: NotRequired[int]
    waiting: NotRequired[int]
    denied: NotRequired[int]


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


class RecordedAction(TypedDict):
    """So many actions were asked for by an order (empty: the decision table), and ended or stand like this."""

    order: str
    action: str
    status: str
    count: int


class SessionOutcome(TypedDict):
    """Which order would have acted first in a session; empty for none. `held_back`: the faulty order that would have
    left it to a person."""

    session_id: str
    at: str
    recorded: str
    today: str
    proposed: str
    held_back: str


class Stretch(TypedDict):
    """The actions that were asked for from an instant on: as recorded, by today's orders, by the proposed ones."""

    at: str
    recorded: int
    today: int
    proposed: int

"""What each route about standing orders is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page

if TYPE_CHECKING:
    from typing import Unpack

    from opsteward.client import types


def get_standing_orders() -> Call[types.OrdersInForce]:
    """The version in force, as its text. Version 0 is what ships."""
    return Call("GET", "/api/v1/standing-orders")


def apply_standing_orders(**fields: Unpack[types.OrdersIn]) -> Call[types.OrdersInForce]:
    """Put a new version in force."""
    return Call("PUT", "/api/v1/standing-orders", fields)


def check_standing_orders(**fields: Unpack[types.OrdersIn]) -> Call[types.CheckedOrders]:
    """Whether the text is sound; a 422 names each problem with its line and remedy."""
    return Call("POST", "/api/v1/standing-orders/check", fields)


def back_test(**fields: Unpack[types.BackTestIn]) -> Call[types.BackTest]:
    """What these orders and those in force would have decided over a recorded span, side by side, and what was done
    then. Nothing is done. A 422 names what is wrong with the text; more than 500,000 events are too many."""
    return Call("POST", "/api/v1/standing-orders/back-test", fields)


def list_versions(*, before: int | None = None, limit: int | None = None) -> Call[Page[types.OrdersVersion]]:
    """Who changed the standing orders and when, the newest first; version 0 is what ships."""
    return Call("GET", "/api/v1/standing-orders/versions", params={"before": before, "limit": limit})


def get_version(*, number: int | None = None) -> Call[types.OrdersVersionInFull]:
    """One version with its text."""
    return Call("GET", "/api/v1/standing-orders/version", params={"number": number})


def compare_versions(*, from_: int | None = None, to: int | None = None) -> Call[types.OrdersDifference]:
    """How one version becomes another, as a unified diff."""
    return Call("GET", "/api/v1/standing-orders/diff", params={"from": from_, "to": to})

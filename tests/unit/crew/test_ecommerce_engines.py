"""Engines of trade: on planted cases, on little data and on what slips into real data."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from work import done

from opsteward.core.errors import Invalid


def _sales(days: int, quantity: Any, *, product: str = "tea") -> list[dict[str, Any]]:
    first = date(2026, 1, 5)
    return [
        {"date": str(first + timedelta(days=n)), "quantity": quantity(n), "product": product}
        for n in range(days)
        if quantity(n)
    ]


def test_a_weekly_season_is_found_and_carried_on() -> None:
    found = done(
        "ecommerce.demand_forecast",
        history=_sales(70, lambda n: [10, 12, 14, 16, 30, 50, 5][n % 7] + n % 3),
        horizon=14,
    )
    product = found["products"][0]
    assert found["step"] == "day"
    assert product["season_length"] == 7
    assert product["points"][0]["date"] == "2026-03-16"
    for number, point in enumerate(product["points"]):
        assert point["quantity"] == pytest.approx([10, 12, 14, 16, 30, 50, 5][number % 7] + 1, abs=3)
        assert point["low"] <= point["quantity"] <= point["high"]


def test_little_and_rare_demand_is_foretold_carefully() -> None:
    one = done("ecommerce.demand_forecast", history=_sales(1, lambda n: 5))["products"][0]
    assert one["points"][0]["quantity"] == 5
    assert one["note"]
    rare = done("ecommerce.demand_forecast", history=_sales(60, lambda n: 6 if n % 6 == 0 else 0))["products"][0]
    assert rare["points"][0]["quantity"] == pytest.approx(1, abs=0.3)
    ended = done(
        "ecommerce.demand_forecast",
        history=_sales(30, lambda n: 20, product="old") + _sales(90, lambda n: 5, product="new"),
    )
    old = next(one for one in ended["products"] if one["product"] == "old")
    assert old["total"] < 30  # nobody has asked for it for two months


@pytest.mark.parametrize(("day", "problem"), [("2026-02-30", "history"), ("0001-01-01", "1800"), ("", "history")])
def test_a_day_that_is_none_is_refused(day: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        done("ecommerce.demand_forecast", history=[{"date": day, "quantity": 1}])


def test_a_span_that_would_make_millions_of_steps_is_refused() -> None:
    with pytest.raises(Invalid, match="more than 5000 days"):
        done(
            "ecommerce.demand_forecast",
            step="day",
            history=[{"date": f"{y}-01-01", "quantity": 1} for y in (1900, 2020)],
        )


def test_planted_baskets_are_found_and_chance_is_not() -> None:
    dice = random.Random(8)
    orders = []
    for number in range(1500):
        items = dice.sample([f"item{n}" for n in range(40)], 3)
        if number % 12 == 0:
            items += ["pasta", "pesto"]
        elif number % 25 == 0:
            items.append(dice.choice(["pasta", "pesto"]))
        orders.append({"items": items})
    found = done("ecommerce.basket_associations", orders=orders)
    assert {(*rule["given"], rule["then"]) for rule in found["rules"]} == {
        ("pasta", "pesto"),
        ("pesto", "pasta"),
    }
    assert found["rules"][0]["lift"] > 5
    assert done("ecommerce.basket_associations", orders=[{"items": []}, {"items": ["a"]}])["rules"] == []


def test_odd_orders_are_found_with_their_reason_and_usual_ones_are_not() -> None:
    dice = random.Random(9)
    orders: list[dict[str, Any]] = [
        {
            "order_id": number,
            "customer_id": number % 40,
            "amount": round(math.exp(dice.gauss(4, 0.5)), 2),
            "placed_at": f"2026-03-{number % 28 + 1:02}T{number % 24:02}:00:00Z",
            "sku": f"s{number % 9}",
        }
        for number in range(400)
    ]
    orders += [
        {"order_id": "huge", "customer_id": 1, "amount": 90_000, "placed_at": "2026-03-02T04:00:00Z"},
        {"order_id": "wrong", "customer_id": 2, "amount": 50, "quantity": 2, "unit_price": 30},
        {"order_id": "first", "customer_id": 3, "amount": 61.5, "placed_at": "2026-03-03T10:00:00Z"},
        {"order_id": "again", "customer_id": 3, "amount": 61.5, "placed_at": "2026-03-03T10:00:40Z"},
        {"order_id": "minus", "amount": -5},
    ]
    found = done("ecommerce.order_anomalies", orders=orders)
    names = {one["order"]: one["kinds"] for one in found["orders"]}
    assert names["huge"] == ["amount"]
    assert names["wrong"] == ["sum"]
    assert names["again"] == ["double"]
    assert names["minus"] == ["negative"]
    assert len(names) <= 6


def test_orders_with_a_day_and_no_time_are_no_doubles() -> None:
    orders = [{"customer_id": 1, "amount": 10, "placed_at": "2026-03-03"}] * 8
    assert "burst" not in done("ecommerce.order_anomalies", orders=orders)["by_kind"]
    assert "double" not in done("ecommerce.order_anomalies", orders=orders)["by_kind"]


def test_stock_is_ordered_by_the_reorder_point_in_packs_within_the_budget() -> None:
    items = [
        {"sku": "low", "on_hand": 20, "mean_daily_demand": 10, "demand_deviation": 3, "lead_time_days": 5,
         "unit_cost": 2, "pack_size": 24},
        {"sku": "much", "on_hand": 1000, "mean_daily_demand": 10, "lead_time_days": 5, "unit_cost": 2},
        {"sku": "dead", "on_hand": 0, "daily_demand": [0, 0, 0], "lead_time_days": 5},
    ]  # fmt: skip
    found = done("ecommerce.stock_reorder", items=items, as_of="2026-05-04")
    low, much, dead = (next(line for line in found["lines"] if line["sku"] == sku) for sku in ("low", "much", "dead"))
    assert low["order_now"]
    assert low["quantity"] % 24 == 0
    # mean over 12 days, and 1.645 deviations of that span
    assert low["reorder_point"] == pytest.approx(120 + 1.6449 * 3 * math.sqrt(12), abs=0.01)
    assert low["empty_on"] == "2026-05-06"
    assert low["stockout_risk"] > 0.99
    assert not much["order_now"]
    assert not dead["order_now"]
    poor = done("ecommerce.stock_reorder", items=items, as_of="2026-05-04", budget=10)
    assert not any(line["order_now"] for line in poor["lines"])
    with pytest.raises(Invalid, match="'low' is there twice"):
        done("ecommerce.stock_reorder", items=[items[0], items[0]])


def test_what_many_customers_do_is_no_burst() -> None:
    orders = [
        {"customer_id": customer, "amount": 10 + number, "placed_at": f"2026-03-03T10:{number:02}:00Z"}
        for customer in range(20)
        for number in range(10)
    ]
    assert "burst" not in done("ecommerce.order_anomalies", orders=orders)["by_kind"]
    calm = [{"customer_id": f"calm {n}", "amount": 20, "placed_at": "2026-03-03T10:00:00Z"} for n in range(300)]
    assert done("ecommerce.order_anomalies", orders=orders[:10] + calm)["by_kind"]["burst"] > 0


def test_the_level_of_rare_demand_is_what_such_days_come_to() -> None:
    dice = random.Random(4)
    history = [dice.choice([0, 0, 0, 0, 12]) for _ in range(400)]
    item = {"sku": "rare", "on_hand": 0, "daily_demand": history, "lead_time_days": 10}
    line = done("ecommerce.stock_reorder", items=[item], review_days=0, service_level=0.95)["lines"][0]
    sums = sorted(sum(dice.choices(history, k=10)) for _ in range(20_000))
    assert line["reorder_point"] == pytest.approx(sums[int(0.95 * len(sums))], rel=0.12)

"""Engines of billing: on planted cases, to the cent, and on what slips into real data."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import ValidationError
from work import done

from opsteward.core.errors import Invalid


def _invoice(number: object, amount: float, due: str, **more: Any) -> dict[str, Any]:
    return {"invoice_id": number, "customer": "acme", "amount": amount, "due": due, "currency": "EUR", **more}


def test_open_invoices_are_sorted_by_age_and_currency_to_the_cent() -> None:
    invoices = [
        _invoice(1, 0.1, "2026-05-01"), _invoice(2, 0.2, "2026-05-01"),
        _invoice(3, 100, "2026-06-30"), _invoice(4, 50, "2026-01-01", paid=20),
        _invoice(5, -30, "2026-05-01"), _invoice(6, 80, "2026-05-01", paid=80),
        _invoice(7, 999, "2026-04-01", currency="usd"),
    ]  # fmt: skip
    found = done("billing.receivables_ageing", invoices=invoices, as_of="2026-05-31", loss_rates=[0, 0.1, 0.2, 0.5, 1])
    tables = {one["currency"]: one for one in found["currencies"]}
    assert set(tables) == {"EUR", "USD"}
    euro = tables["EUR"]
    assert euro["open"] == 130.3
    assert euro["overdue"] == 30.3
    assert euro["credits"] == -30
    assert {one["name"]: one["amount"] for one in euro["buckets"]} == {
        "not due": 100, "1-30": 0.3, "31-60": 0, "61-90": 0, "over 90": 30,
    }  # fmt: skip
    assert euro["expected_loss"] == pytest.approx(0.03 + 30)


def test_a_loss_rate_too_few_and_buckets_out_of_order_are_refused() -> None:
    for sent in ({"loss_rates": [0.1]}, {"buckets": [60, 30]}, {"buckets": []}):
        with pytest.raises(ValidationError):
            done("billing.receivables_ageing", invoices=[_invoice(1, 1, "2026-01-01")], **sent)


def test_reminders_come_in_order_not_too_soon_once_a_customer_and_never_on_a_holiday() -> None:
    invoices = [
        _invoice("a", 100, "2026-05-01"),
        _invoice("b", 200, "2026-04-20", last_step=1, last_sent="2026-05-08"),
        _invoice("c", 100, "2026-05-01", hold="dispute"),
        _invoice("d", 100, "2026-05-01", paid=100),
        _invoice("e", -40, "2026-05-01"),
    ]
    found = done("billing.dunning_plan", invoices=invoices, as_of="2026-05-11", holidays=["2026-05-11"])
    days = [action["day"] for action in found["actions"]]
    assert days == sorted(days)
    assert days[0] == "2026-05-12"
    assert all(action["day"] != "2026-05-11" for action in found["actions"])
    first = found["actions"][0]
    assert first["invoices"] == ["a"]
    assert first["amount"] == 60  # less the credit
    second = next(action for action in found["actions"] if "b" in action["invoices"])
    assert second["day"] >= "2026-05-15"
    reasons = {one["invoice"]: one["reason"] for one in found["left_alone"]}
    assert reasons == {"c": "on hold: dispute", "d": "paid", "e": "a credit note"}


def test_the_bridge_adds_up_exactly() -> None:
    dice = random.Random(6)
    rows = [
        {"customer": customer, "period": period, "amount": f"{dice.randrange(1, 10**6) / 100:.2f}"}
        for customer in range(50)
        for period in ("2026-8", "2026-9", "2026-10")
        if dice.random() < 0.7
    ]
    found = done("billing.revenue_bridge", rows=rows)
    assert [(step["before"], step["after"]) for step in found["steps"]] == [("2026-8", "2026-9"), ("2026-9", "2026-10")]
    for step in found["steps"]:
        parts = sum(step[part] for part in ("new", "reactivated", "expansion", "contraction", "churned"))
        assert round(step["opening"] + parts, 2) == step["closing"]
    assert found["steps"][1]["reactivated"] > 0


def test_prices_are_told_from_quantities() -> None:
    rows = [
        {"customer": "a", "period": "1", "product": "seat", "quantity": 10, "price": 5},
        {"customer": "a", "period": "2", "product": "seat", "quantity": 12, "price": 6},
        {"customer": "a", "period": "2", "product": "support", "quantity": 1, "price": 20},
    ]
    step = done("billing.revenue_bridge", rows=rows)["steps"][0]
    assert (step["by_quantity"], step["by_price"], step["by_products"]) == (10, 12, 20)
    with pytest.raises(Invalid, match="all are of '1'"):
        done("billing.revenue_bridge", rows=rows[:1])
    with pytest.raises(Invalid, match="which is not named"):
        done("billing.revenue_bridge", rows=rows, periods=["1"])


def test_odd_invoices_are_found_and_a_monthly_fee_is_none() -> None:
    rows: list[dict[str, Any]] = [
        {
            "invoice_id": f"R-{month:03}",
            "party": "rent",
            "amount": 1500,
            "issued": f"2026-{month:02}-01",
            "account": "DE1",
        }
        for month in range(1, 11)
    ]
    rows += [
        {"invoice_id": f"S-{n}", "party": "shop", "amount": 100 + n, "net": 100 + n, "tax": 0, "issued": "2026-01-05"}
        for n in (1, 2, 3, 5, 6, 7, 8)
    ]
    rows += [
        {"invoice_id": "R-011", "party": "rent", "amount": 1500, "issued": "2026-11-01", "account": "XX9"},
        {"invoice_id": "S8", "party": "shop", "amount": 108, "issued": "2026-01-05"},
        {"invoice_id": "S-9", "party": "shop", "amount": 9000, "issued": "2026-01-05"},
        {"invoice_id": "sum", "party": "x", "amount": 119, "net": 100, "tax": 20},
        {"invoice_id": "lines", "party": "y", "amount": 30, "lines": [10, 10]},
        {"invoice_id": "due", "party": "z", "amount": 30, "issued": "2026-05-05", "due": "2026-05-01"},
    ]
    found = done("billing.invoice_anomalies", invoices=rows)
    kinds = {one["invoice"]: one["kinds"] for one in found["invoices"]}
    assert kinds == {
        "R-011": ["account"], "S8": ["double"], "S-9": ["amount"], "sum": ["sum"], "lines": ["sum"], "due": ["date"],
    }  # fmt: skip
    assert found["missing_numbers"] == ["S-4"]


def test_invented_amounts_fail_the_law_of_first_digits() -> None:
    dice = random.Random(1)
    real = [{"invoice_id": n, "party": n % 90, "amount": round(10 ** dice.uniform(0, 4), 2)} for n in range(600)]
    made = [{"invoice_id": n, "party": n % 90, "amount": dice.randrange(1, 10_000)} for n in range(600)]
    assert done("billing.invoice_anomalies", invoices=real)["benford_p_value"] > 0.001
    assert done("billing.invoice_anomalies", invoices=made)["benford_p_value"] < 1e-6


@pytest.mark.parametrize("amount", ["NaN", "1e400", "many", None])
def test_an_amount_that_is_none_is_refused(amount: object) -> None:
    with pytest.raises(ValidationError, match=r"invoices\.0\.amount"):
        done("billing.receivables_ageing", invoices=[{**_invoice(1, 1, "2026-01-01"), "amount": amount}])

"""Engines of customer relations: on planted cases, on little data and on what slips into real data."""

from __future__ import annotations

import math
import random
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError
from work import done

from opsteward.core.errors import Invalid

LEAD = {
    "email": "anna@acme.example",
    "company": "Acme",
    "role": "VP Operations",
    "engagement_score": 85,
    "website_visits": 12,
    "favourite_colour": "blue",
}


def test_a_lead_is_explained_by_factors_that_add_up_to_its_score() -> None:
    found = done("crm.lead_scoring", lead_data=LEAD)
    lead = found["leads"][0]
    assert lead["lead"] == "anna@acme.example"
    assert lead["score"] == pytest.approx(sum(factor["contribution"] for factor in lead["factors"]), abs=0.1)
    assert sum(factor["weight"] for factor in lead["factors"]) == pytest.approx(1, abs=0.01)
    assert "demo_requested" in lead["missing"]
    assert any("favourite_colour" in note for note in found["notes"])


def test_weights_that_do_not_add_up_are_divided_and_that_is_said() -> None:
    criteria = {"engagement_weight": 3, "demographic_weight": 4, "behavior_weight": 3}
    found = done("crm.lead_scoring", lead_data=LEAD, scoring_criteria=criteria)
    assert found["weights"] == {"engagement": 0.3, "demographic": 0.4, "behavior": 0.3}
    assert any("add up to 10" in note for note in found["notes"])
    with pytest.raises(ValidationError, match="all weights are 0"):
        nothing = dict.fromkeys(("engagement_weight", "demographic_weight", "behavior_weight"), 0)
        done("crm.lead_scoring", lead_data=LEAD, scoring_criteria=nothing)


def test_the_best_are_listed_and_all_are_counted() -> None:
    leads = [{"lead_id": number, "engagement_score": number % 101} for number in range(2500)]
    found = done("crm.lead_scoring", lead_data=leads, top=5)
    assert [lead["score"] for lead in found["leads"]] == [100] * 5
    assert sum(found["by_grade"].values()) == 2500
    assert "the best 5 of 2500 are listed" in found["notes"]


def test_a_lead_of_whom_nothing_is_known_gets_no_grade_by_accident() -> None:
    lead = done("crm.lead_scoring", lead_data={})["leads"][0]
    assert lead["score"] == 0
    assert lead["confidence"] == 0
    assert "nothing is known" in lead["next_step"]


def test_the_order_is_learned_from_history_where_it_knows_better() -> None:
    dice = random.Random(1)
    history = []
    for _ in range(300):
        region = dice.choice(["north", "south"])
        visits = dice.randrange(20)
        history.append({"region": region, "website_visits": visits, "converted": (region == "south") != (visits > 17)})
    found = done(
        "crm.lead_scoring",
        lead_data=[{"lead_id": 1, "region": "north", "website_visits": 10}, {"lead_id": 2, "region": "south"}],
        history=history,
    )
    assert found["method"] == "learned"
    assert found["auc_learned"] > 0.8 > found["auc_weights"]
    assert [lead["lead"] for lead in found["leads"]] == ["2", "1"]


def _customers(groups: list[tuple[float, float]], each: int) -> list[dict[str, Any]]:
    dice = random.Random(4)
    return [
        {
            "customer_id": f"{number}-{place}",
            "ltv": math.exp(dice.gauss(ltv, 0.2)),
            "engagement_score": dice.gauss(engaged, 4),
        }
        for number, (ltv, engaged) in enumerate(groups)
        for place in range(each)
    ]


def test_planted_segments_are_found_with_their_number_and_named_by_what_sets_them_apart() -> None:
    found = done("crm.customer_segmentation", customer_data=_customers([(5, 20), (8, 80), (5, 80)], 60))
    assert found["segment_count"] == 3
    for segment in found["segments"]:
        assert len({name.partition("-")[0] for name in segment["customers"]}) == 1
    assert found["stability"] > 0.9
    assert len({segment["name"] for segment in found["segments"]}) == 3


def test_one_customer_and_five_segments_is_answered_and_said() -> None:
    found = done(
        "crm.customer_segmentation",
        customer_data=[{"customer_id": "c1", "ltv": 100, "engagement_score": 5, "churn_risk": 0.2}],
        segmentation_type="behavioral",
        segment_count=5,
    )
    assert [segment["customers"] for segment in found["segments"]] == [["c1"]]
    assert any("5 segments were asked for" in note for note in found["notes"])


def test_a_continuum_is_not_cut_up() -> None:
    dice = random.Random(2)
    customers = [{"ltv": dice.gauss(100, 20), "visits": dice.gauss(10, 3)} for _ in range(200)]
    assert done("crm.customer_segmentation", customer_data=customers)["segment_count"] == 1


def test_a_campaign_is_dated_and_leaves_weekends_holidays_and_full_days_out() -> None:
    found = done(
        "crm.nurturing_campaign",
        lead_segments=[
            {"name": "hot", "size": 60, "average_score": 80},
            {"name": "cold", "size": 60, "average_score": 10},
        ],
        campaign_objective="book demonstrations",
        duration_days=28,
        touchpoint_frequency="weekly",
        start_date="2026-05-01",
        holidays=["2026-05-01"],
        daily_capacity=100,
    )
    sent: dict[str, int] = {}
    for plan in found["plans"]:
        days = [date.fromisoformat(one["day"]) for one in plan["touchpoints"]]
        assert days == sorted(set(days))
        assert all(day.weekday() < 5 and date(2026, 5, 1) < day <= date(2026, 5, 28) for day in days)
        assert plan["touchpoints"][-1]["stage"] == "ask"
        for day in days:
            sent[str(day)] = sent.get(str(day), 0) + 60
    assert max(sent.values()) <= 100
    assert found["plans"][0]["touchpoints"][0]["stage"] != found["plans"][1]["touchpoints"][0]["stage"]


def test_the_pipeline_s_bottleneck_is_the_stage_whose_mending_is_worth_most() -> None:
    pipeline = {
        "stages": ["lead", "qualified", "proposal", "won"],
        "conversion_rates": [0.4, 0.2, 0.5],
        "average_deal_size": 1000,
        "sales_cycle_length": 50,
        "leads": 100,
    }
    found = done("crm.pipeline_optimization", pipeline_data=pipeline)
    assert found["overall_conversion"] == pytest.approx(0.04)
    assert found["velocity"] == pytest.approx(100 * 40 / 50)
    assert found["bottleneck"] == "qualified"
    assert found["stages"][1]["gain"] == pytest.approx(100 * 1000 * 0.4 * 0.1 * 0.5)


@pytest.mark.parametrize(
    ("rates", "problem"),
    [([0.1], "1 rates for 3 stages"), ({"a": 0.1, "x": 0.2}, "'x' is no stage"), ([], "nothing says how many go on")],
)
def test_a_pipeline_whose_rates_are_not_known_is_refused_by_name(rates: Any, problem: str) -> None:
    pipeline = {"stages": ["a", "b", "c"], "conversion_rates": rates, "average_deal_size": 10}
    with pytest.raises(Invalid, match=problem):
        done("crm.pipeline_optimization", pipeline_data=pipeline)


def test_percents_and_counts_do_for_rates() -> None:
    percents = {"stages": ["a", "b"], "conversion_rates": {"a": 25, "b": 50}, "average_deal_size": 8}
    assert done("crm.pipeline_optimization", pipeline_data=percents)["value_per_lead"] == pytest.approx(1)
    counts = {"stages": [{"name": "a", "entered": 200}, {"name": "b", "entered": 50}], "average_deal_size": 8}
    assert done("crm.pipeline_optimization", pipeline_data=counts)["value_per_lead"] == pytest.approx(2)


def test_amounts_and_names_are_read_as_people_write_them() -> None:
    lead = {"company_size": "51-200", "budget": "$50k", "role": "CTO"}
    factors = {one["factor"]: one["value"] for one in done("crm.lead_scoring", lead_data=lead)["leads"][0]["factors"]}
    assert (factors["company_size"], factors["budget"]) == (125.5, 50_000)
    with pytest.raises(ValidationError, match="company_size"):
        done("crm.lead_scoring", lead_data={"company_size": "large"})
    campaign = done(
        "crm.nurturing_campaign",
        lead_segments=[{"segment": "hot", "count": 5}, {"segment_name": "cold"}],
        campaign_objective="sell",
        touchpoint_frequency="Bi-Weekly",
    )
    assert [plan["segment"] for plan in campaign["plans"]] == ["hot", "cold"]
    pipeline = {"stages": ["lead", "deal", "won"], "average_deal_size": 10,
                "conversion_rates": {"lead_to_deal": 0.5, "deal_to_won": 0.2}}  # fmt: skip
    assert done("crm.pipeline_optimization", pipeline_data=pipeline)["value_per_lead"] == pytest.approx(1)


def test_churn_is_learned_from_who_left() -> None:
    dice = random.Random(3)
    customers: list[dict[str, Any]] = []
    for number in range(400):
        tickets, plan = dice.randrange(8), dice.choice(["month", "year"])
        chance = 0.05 + 0.08 * tickets + (0.25 if plan == "month" else 0)
        customers.append({"customer_id": number, "tickets": tickets, "plan": plan, "churned": dice.random() < chance})
    asked = [{"customer_id": "a", "tickets": 7, "plan": "month"}, {"customer_id": "b", "tickets": 0, "plan": "year"}]
    found = done("crm.churn_risk", customers=customers + asked)
    assert found["method"] == "learned"
    assert found["auc"] > 0.7
    assert [one["customer"] for one in found["customers"]] == ["a", "b"]
    assert found["customers"][0]["reasons"]


def test_churn_without_outcomes_follows_purchases_and_else_plain_signals() -> None:
    dice = random.Random(5)
    customers = []
    for number in range(120):
        rate, at, bought = dice.gammavariate(1, 0.2), 0.0, []
        while (at := at + dice.expovariate(rate)) < 40:
            bought.append(at)
            if dice.random() < 0.25:
                break
        row = {"customer_id": number, "frequency": len(bought), "recency": bought[-1] if bought else 0, "age": 40}
        customers.append(row)
    found = done("crm.churn_risk", customers=customers, horizon=10)
    assert found["method"] == "purchases"
    assert found["purchase_model"]["log_likelihood"] < 0
    with pytest.raises(Invalid, match=r"customers\.0\.recency"):
        done("crm.churn_risk", customers=[{"frequency": 1, "recency": 50, "age": 40}])
    plain = done("crm.churn_risk", customers=[{"days_since_last_login": 200}, {"days_since_last_login": 1}])
    assert plain["method"] == "signals"
    assert plain["customers"][0]["risk"] > 0.9 > 0.2 > plain["customers"][1]["risk"]

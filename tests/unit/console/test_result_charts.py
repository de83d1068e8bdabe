"""Charts of results: of the engines' own, of several parts, and none of what has no figures."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from opsteward.console.result_charts import charts_of
from opsteward.crew.execution.engine_runs import as_json
from opsteward.crew.execution.work_types import WorkTypes

TYPES = WorkTypes()


def result(work: str, **parameters: Any) -> dict[str, Any]:
    (part,) = TYPES.parts(TYPES.find(work), parameters)
    return dict(as_json(part.task_type.engine(part.parameters)))


FUNNEL = {
    "counts": [{"step": "visit", "count": 1000}, {"step": "basket", "count": 220}, {"step": "order", "count": 90}]
}


def test_names_with_a_figure_are_bars() -> None:
    (steps,) = charts_of(result("analytics.funnel", **FUNNEL))
    assert [(bar.label, bar.words, bar.width) for bar in steps.bars] == [
        ("visit", "1 000", 100.0), ("basket", "220", 22.0), ("order", "90", 9.0)
    ]  # fmt: skip
    assert "basket: 220" in steps.words


def test_figures_over_time_are_a_line() -> None:
    sales = [
        {"date": str(date(2026, 1, 1) + timedelta(days=n)), "product": "tea", "quantity": 10 + n % 7} for n in range(60)
    ]
    lines = [chart for chart in charts_of(result("ecommerce.demand_forecast", history=sales)) if chart.line]
    assert lines and "tea" in lines[0].title
    assert len(lines[0].line.split()) == 14 and "between" in lines[0].words


def test_of_several_parts_each_is_named() -> None:
    leads = {"lead_data": [{"id": n, "role": "CTO", "engagement_score": 10 * n} for n in range(9)]}
    parts = {"crm.lead_scoring": result("crm.lead_scoring", **leads), "funnel": result("analytics.funnel", **FUNNEL)}
    titles = [chart.title for chart in charts_of({"engine": "rules", "parts": parts})]
    assert any(title.startswith("crm.lead_scoring: Leads") for title in titles)
    assert any(title.startswith("funnel: Steps") for title in titles)


def test_many_bars_are_cut_and_said() -> None:
    rows = [{"name": f"n{n}", "size": n - 20} for n in range(50)]
    (chart,) = charts_of({"segments": rows})
    assert (len(chart.bars), chart.left_out) == (12, 38)
    assert chart.bars[0].below and chart.bars[0].width == 100


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"summary": "words", "notes": ["a"], "rows": [1, 2], "parts": "none"},
        {"list": [{"name": "a", "size": None}, {"name": "b", "size": True}]},
        {"list": [{"name": "a", "size": 1}, "no row"]},
        {"counts": {"a": 1, "b": "x"}},
    ],
)
def test_what_has_no_figures_has_no_chart(found: dict[str, Any]) -> None:
    assert charts_of(found) == []

"""The form of a type of work: every shipped type has one, and what is filled in is what the type takes."""

from __future__ import annotations

from typing import Any

import pytest

from opsteward.console.work_form import PREFIX, fields_of, parameters_of
from opsteward.core.errors import Invalid
from opsteward.crew.execution.work_types import WorkTypes

TYPES = WorkTypes()


def filled(work: str, **values: str) -> dict[str, Any]:
    """The parameters that a form with these values makes."""
    given = {PREFIX + name: value for name, value in values.items()}
    found = parameters_of(fields_of(TYPES.find(work).parameters.model_json_schema(), given))
    TYPES.parts(TYPES.find(work), found)
    return found


@pytest.mark.parametrize("work", TYPES.all)
def test_every_type_has_a_form_with_what_it_needs_first(work: str) -> None:
    schema = TYPES.find(work).parameters.model_json_schema()
    fields = fields_of(schema, {})
    assert {field.name for field in fields} == set(schema["properties"])
    needed = [field.required for field in fields]
    assert needed == sorted(needed, reverse=True)
    assert all(field.example for field in fields if field.control == "data")


def test_each_control_gives_the_value_of_its_kind() -> None:
    found = filled(
        "crm.nurturing_campaign",
        lead_segments='["hot", "warm"]',
        campaign_objective="convert",
        duration_days="20",
        touchpoint_frequency="2.5",
        start_date="2026-03-01",
        channels="email, telephone",
        weekends="on",
    )
    assert (found["duration_days"], found["touchpoint_frequency"], found["weekends"]) == (20, 2.5, True)
    assert (found["channels"], found["lead_segments"]) == (["email", "telephone"], ["hot", "warm"])
    words = filled(
        "crm.nurturing_campaign", lead_segments='["hot"]', campaign_objective="7", touchpoint_frequency="weekly"
    )
    assert (words["touchpoint_frequency"], words["campaign_objective"]) == ("weekly", "7")
    assert words["weekends"] is False and "channels" not in words


def test_rows_may_be_pasted_as_csv() -> None:
    text = "customer_id,ltv,postal,active,note\nc1,100.5,01234,true,\nc2,-3,80331,FALSE,late; often\n"
    rows = filled("crm.customer_segmentation", customer_data=text)["customer_data"]
    assert rows == [
        {"customer_id": "c1", "ltv": 100.5, "postal": "01234", "active": True},
        {"customer_id": "c2", "ltv": -3, "postal": 80331, "active": False, "note": "late; often"},
    ]
    semicolons = "customer_id;ltv\nc1;1\nc2;2"
    assert filled("crm.customer_segmentation", customer_data=semicolons)["customer_data"][1]["ltv"] == 2


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('[{"customer_id": 1},]', "line 1, column"),
        ("[" * 100_000, "is no JSON"),
        ("customer_id,ltv\nc1,1,2", "line 2 has more values"),
    ],
)
def test_what_can_t_be_read_is_named_with_its_place(value: str, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        filled("crm.customer_segmentation", customer_data=value)
    assert refused.value.problems[0].field == "customer_data"
    assert problem in refused.value.problems[0].problem


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(Invalid, match="no number"):
        filled("crm.customer_segmentation", customer_data='[{"customer_id": 1}]', segment_count="many")

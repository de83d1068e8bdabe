"""What the crew finds out about data before it reports, in time that grows with the data alone."""

from __future__ import annotations

import time

from opsteward.api.rest.schemas.crew import LeadScoringIn, SegmentationIn
from opsteward.crew.execution.checking import check_data
from support.crew_engines import Numbers


def test_gaps_and_repetitions_are_told() -> None:
    rows = [{"id": 1, "city": None}, {"id": 2}, {"id": 3, "city": "Bern"}, {"id": 3, "city": "Bern"}]
    assert check_data(Numbers(values=[1], rows=rows)) == {
        "engine": "rules",
        "rows": 4,
        "notes": ["rows: city is missing in 2 of 4 rows", "rows: 1 of 4 rows stand there more than once"],
    }


def test_rows_that_have_each_a_field_of_its_own_take_no_longer_than_others() -> None:
    began = time.process_time()
    found = check_data(Numbers(values=[1], rows=[{f"field_{n}": n} for n in range(30_000)]))
    assert found["rows"] == 30_000 and isinstance(found["notes"], list) and len(found["notes"]) == 20
    assert time.process_time() - began < 5  # it was a minute and a half when each row was asked for each field


def test_what_rows_are_is_not_looked_at_on_the_event_loop() -> None:
    """A hundred thousand wrong ones would take a second there; the engine's parameters name them, on a thread."""
    rows = [1] * 100_000
    assert SegmentationIn(customer_data=rows).parameters() == {"customer_data": rows}
    assert LeadScoringIn(lead_data=rows).parameters() == {"lead_data": rows}

"""Time-ordered ids lie between the bounds of their instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opsteward.core.clock import now
from opsteward.core.ids import first_id_at, uuid7


def test_an_id_lies_between_the_bounds_of_before_and_after() -> None:
    minute = timedelta(minutes=1)
    assert first_id_at(now() - minute) < uuid7() < first_id_at(now() + minute)


def test_instants_before_time_ordered_ids_have_the_lowest_bound() -> None:
    assert first_id_at(datetime(1, 1, 1, tzinfo=UTC)) == first_id_at(datetime(1970, 1, 1, tzinfo=UTC))

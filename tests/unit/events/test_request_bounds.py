"""What one request may make of memory and events, however it is cut: texts that carry JSON, labels, deliveries."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from opsteward.core.json_types import Json, JsonObject
from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.cloud_events import deliveries_of
from opsteward.events.sources.mapping import read, read_each
from opsteward.events.sources.unwrapping import CarriedTexts


def test_texts_of_a_batch_share_one_bound() -> None:
    text = "[" + ",".join(["[]"] * 60_000) + "]"
    batch: list[Json] = [
        {"specversion": "1.0", "id": str(number), "source": "/a", "type": "t", "data": text} for number in range(4)
    ]
    carried = CarriedTexts()
    bodies = [one.body for one in deliveries_of(batch, {}, source="cloudevents", carried=carried)]
    opened = [isinstance(body, dict) and isinstance(body["message"], list) for body in bodies]
    assert opened == [True, False, False, False]
    assert all(one.shape is None for one in read_each(source_named("generic"), bodies, {}, limit=9, carried=carried))


@pytest.mark.parametrize(
    "details", ["a:b," * 2_000_000, dict.fromkeys(map(str, range(100_000)), "x")], ids=["text", "object"]
)
def test_of_many_labels_only_those_that_stay_are_made(details: Json) -> None:
    alert: JsonObject = {"message": "Disk is full", "alias": "a", "details": details}
    read(source_named("opsgenie"), alert, {}, limit=1)
    tracemalloc.start()
    try:
        [event] = read(source_named("opsgenie"), alert, {}, limit=1).events
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert len(json.dumps(event.context["labels"])) < 3_000


def test_of_bodies_beyond_the_limit_each_counts_as_left_out() -> None:
    bodies: list[Json] = [[{"title": "Ab"}, {"title": "Cd"}]] * 4
    readings = read_each(source_named("generic"), bodies, {}, limit=3)
    assert [(len(one.events), one.left_out) for one in readings] == [(2, 0), (1, 1), (0, 1), (0, 1)]

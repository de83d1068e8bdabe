"""Which object an event is about: the measure that it tells of is none of its names."""

from __future__ import annotations

import pytest

from opsteward.events.affected_objects import object_of


@pytest.mark.parametrize(
    ("trouble", "over"),
    [
        ("replica db-2 lag 30 s", "replica db-2 lag 0 s"),
        ("disk of db-1 at 93 %", "disk of db-1 at 40 %"),
        ("fan 2 of rack-7 runs 210 rpm", "fan 2 of rack-7 runs 2100 rpm"),
        ("cpu of web-3 is 91.5 °C", "cpu of web-3 is 55 °C"),
        ("link eth0 of sw-1 moves 12 MB/s", "link eth0 of sw-1 moves 900 MB/s"),
        ("backup of shop-db took 9 h", "backup of shop-db took 2 h"),
        ("clock of ntp-1 is 300 ms off", "clock of ntp-1 is 2 ms off"),
    ],
)
def test_another_measure_is_the_same_object(trouble: str, over: str) -> None:
    assert object_of(trouble, {}) == object_of(over, {})


@pytest.mark.parametrize(
    "words", ["order {} failed", "shard {} is gone", "disk {} of nas", "node-{} lag 30 s", "port {} down"]
)
def test_another_number_is_another_object(words: str) -> None:
    assert object_of(words.format(3), {}) != object_of(words.format(4), {})

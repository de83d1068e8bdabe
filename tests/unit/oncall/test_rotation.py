"""Who is on call when: turns, hand-overs, hours, overrides, gaps, and the days on which the clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from opsteward.oncall.rotation import Turn, turns, who_is_on_call
from opsteward.oncall.types import Rotation

VIENNA = ZoneInfo("Europe/Vienna")
WEEKLY = Rotation(name="weekly", participants=("ada", "grace", "lin"), starts_on="2026-01-05", handover="09:00")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIENNA).astimezone(UTC)


def who(rotation: Rotation, text: str) -> str | None:
    return who_is_on_call([rotation], [], "Europe/Vienna", at=local(text))[0]


def test_turns_change_at_the_hand_over_of_the_zone() -> None:
    assert who(WEEKLY, "2026-01-05T08:59") is None, "it has not begun"
    assert who(WEEKLY, "2026-01-05T09:00") == "ada"
    assert who(WEEKLY, "2026-01-12T08:59") == "ada"
    assert who(WEEKLY, "2026-01-12T09:00") == "grace"
    assert who(WEEKLY, "2026-01-26T09:00") == "ada", "from the beginning again"


def test_the_hand_over_keeps_its_clock_when_the_clock_changes() -> None:
    daily = Rotation(name="daily", participants=("ada", "grace"), unit="day", starts_on="2026-03-28", handover="09:00")
    found = turns([daily], [], "Europe/Vienna", since=local("2026-03-28T09:00"), until=local("2026-03-31T09:00"))
    assert [turn.starts_at.astimezone(VIENNA).hour for turn in found] == [9, 9, 9]
    assert [(turn.ends_at - turn.starts_at) for turn in found] == [timedelta(hours=h) for h in (23, 24, 24)]


def test_a_hand_over_that_the_clock_leaves_out_happens_all_the_same() -> None:
    night = Rotation(name="night", participants=("ada", "grace"), unit="day", starts_on="2026-03-28", handover="02:30")
    assert who(night, "2026-03-29T01:59") == "ada"
    assert who(night, "2026-03-29T03:31") == "grace"


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    nights = Rotation(
        name="n", participants=("ada",), starts_on="2026-01-01", handover="00:00",
        days=("fri",), from_time="18:00", to_time="08:00",
    )  # fmt: skip
    assert who(nights, "2026-01-09T17:59") is None
    assert who(nights, "2026-01-09T18:00") == "ada"
    assert who(nights, "2026-01-10T07:59") == "ada"
    assert who(nights, "2026-01-10T18:30") is None


def test_overrides_go_first_and_later_rotations_before_earlier_ones() -> None:
    office = Rotation(
        name="office", participants=("lin",), starts_on="2026-01-01", handover="00:00",
        days=("mon", "tue", "wed", "thu", "fri"), from_time="09:00", to_time="17:00",
    )  # fmt: skip
    swap = Turn(local("2026-01-06T12:00"), local("2026-01-06T13:00"), "eve", "override")
    found = turns(
        [WEEKLY, office], [swap], "Europe/Vienna", since=local("2026-01-06T08:00"), until=local("2026-01-06T18:00")
    )
    assert [(turn.who, turn.by) for turn in found] == [
        ("ada", "weekly"),
        ("lin", "office"),
        ("eve", "override"),
        ("lin", "office"),
        ("ada", "weekly"),
    ]


def test_times_without_anybody_are_turns_of_nobody() -> None:
    days = Rotation(
        name="d", participants=("ada",), starts_on="2026-01-01", handover="00:00", from_time="09:00", to_time="17:00"
    )
    found = turns([days], [], "UTC", since=datetime(2026, 1, 6, tzinfo=UTC), until=datetime(2026, 1, 7, tzinfo=UTC))
    assert [turn.who for turn in found] == [None, "ada", None]


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
    st.sampled_from(["day", "week"]),
    st.integers(1, 4),
    st.integers(0, 23),
    st.sampled_from(["UTC", "Europe/Vienna", "America/St_Johns", "Australia/Lord_Howe"]),
    st.integers(0, 400),
)
def test_turns_say_of_every_instant_what_the_look_at_that_instant_says(
    people: list[str], unit: str, every: int, hour: int, zone: str, day: int
) -> None:
    rotation = Rotation(
        name="r", participants=tuple(people), unit="day" if unit == "day" else "week", every=every,
        starts_on="2026-01-15", handover=f"{hour:02d}:30",
    )  # fmt: skip
    since = datetime(2026, 1, 10, 3, 17, tzinfo=UTC) + timedelta(days=day)
    found = turns([rotation], [], zone, since=since, until=since + timedelta(days=9))
    assert found[0].starts_at == since and found[-1].ends_at == since + timedelta(days=9)
    for before, after in pairwise(found):
        assert before.ends_at == after.starts_at
    for turn in found:
        middle = turn.starts_at + (turn.ends_at - turn.starts_at) / 2
        assert who_is_on_call([rotation], [], zone, at=middle)[0] == turn.who

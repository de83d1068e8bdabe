"""When a used error budget is told: by a long and a short window, and until the long one says so no more."""

from __future__ import annotations

import pytest

from opsteward.systems.error_budget import burn_of

MANY = (30, 180, 360, 2160)  # checks of a system looked at every 10 s


@pytest.mark.parametrize(
    ("failed", "former", "urgency"),
    [
        ((0, 0, 0, 0), None, None),
        ((1, 1, 1, 1), None, None),  # a single failure, however short the window
        ((5, 10, 20, 20), None, "fast"),
        ((0, 10, 20, 20), None, "slow"),  # over for five minutes, not for half an hour
        ((0, 0, 20, 20), None, None),  # over by now
        ((0, 10, 20, 20), "fast", "fast"),  # it has begun, and its hour is not
        ((0, 1, 1, 20), "fast", None),
        ((0, 2, 2, 20), "fast", "slow"),
        ((0, 3, 3, 14), None, "slow"),
        ((0, 0, 3, 14), None, None),
        ((0, 0, 2, 14), "slow", "slow"),
        ((0, 0, 1, 12), "slow", None),
    ],
)
def test_a_burn_is_told_while_it_matters(failed: tuple[int, ...], former: str | None, urgency: str | None) -> None:
    burn = burn_of(99.9, MANY, failed, former)
    assert (burn.urgency if burn else None) == urgency


def test_a_low_objective_burns_slower_and_none_not_at_all() -> None:
    assert burn_of(90.0, MANY, (5, 10, 20, 20), None) is None
    assert burn_of(None, MANY, (30, 180, 360, 2160), "fast") is None
    assert burn_of(99.9, (0, 0, 0, 0), (0, 0, 0, 0), None) is None

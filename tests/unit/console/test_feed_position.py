"""What came to pass between a page's reading and its stream is told; what did not is not."""

from __future__ import annotations

from uuid import UUID

import pytest

from opsteward.console.feed_position import FeedPosition
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.tasks.types import CONTROLS

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(("notice", "told"), [
    (Notice(ONE, "incident", "a"), True),
    (Notice(ONE, "task", "b"), True),
    (Notice(ONE, "task", "a"), False),
    (Notice(ONE, "action", "a"), False),
    (Notice(OTHER, "incident", "a"), False),
    (Notice(None, RECONNECTED, ""), True),
    (Notice(OTHER, CONTROLS, ""), True),
])  # fmt: skip
def test_what_a_page_is_about_is_told_once(notice: Notice, *, told: bool) -> None:
    position = FeedPosition()
    position.hear(Notice(ONE, "incident", "earlier"))
    before = str(position)
    position.hear(notice)
    about = {"incident", "task:b"}
    assert position.changed_since(before, tenant_id=ONE, about=about) == told
    assert not position.changed_since(str(position), tenant_id=ONE, about=about)


def test_another_processs_position_and_no_position_at_all_are_read_again() -> None:
    position = FeedPosition()
    for given in (str(FeedPosition()), "", "x", "00000000.", f"{position}9" * 9, "\x00"):
        assert position.changed_since(given, tenant_id=ONE, about={"incident"}), given


def test_what_was_forgotten_counts_as_changed_and_the_memory_has_an_end() -> None:
    position = FeedPosition(kept_limit=10)
    before = str(position)
    for number in range(100):
        position.hear(Notice(ONE, "task", str(number)))
    assert position.changed_since(before, tenant_id=ONE, about={"incident"})
    assert not position.changed_since(str(position), tenant_id=ONE, about={"incident"})
    assert len(position._last) <= 10

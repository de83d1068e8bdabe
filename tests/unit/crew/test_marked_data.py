"""Data in a prompt: marked, without secrets, and no more of it read than is shown."""

from __future__ import annotations

from opsteward.crew.language_models.tools import as_data


class Unread:
    """What fails when its text is asked for."""

    def __str__(self) -> str:
        raise AssertionError("was read")


def test_of_a_large_result_only_the_beginning_is_read() -> None:
    shown = as_data("result", {"rows": [*["a row of some length"] * 1000, Unread()]})
    assert 8_000 < len(shown) < 8_200
    assert shown.endswith(" ... (cut off here)\n</data>")


def test_what_is_short_is_whole() -> None:
    assert as_data("x", {"a": [1, "<b>"]}) == '<data name="x">\n{"a": [1, "‹b>"]}\n</data>'


def test_half_a_secret_is_not_shown_where_the_data_is_cut_off() -> None:
    # what stands before it shrinks when it is masked, so that the place of the cut comes into sight
    masked = "password=" + "Xy7" * 3_900
    token = "ghp_" + "a1B2" * 200
    shown = as_data("text", f"{masked} {token}")
    assert "Xy7" not in shown and "a1B2" not in shown

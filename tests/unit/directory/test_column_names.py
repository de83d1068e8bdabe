"""What columns are called: names without remarks, and names that nobody would write."""

from __future__ import annotations

import pytest

from opsteward.directory.imports.columns import plain_name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Email Address [Required]", "emailaddress"),
        ("Last Sign In [READ ONLY] ", "lastsignin"),
        ("a [b] [c]", "ab"),
        ("a [[b]", "a"),
        ("[b]", ""),
        ("a]", "a"),
        ("a [b] c", "abc"),
    ],
)
def test_a_remark_behind_a_name_is_left_out(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize("name", ["a" + " " * 1_000_000 + "b", "[" * 1_000_000, " [" * 500_000 + "]", "]" * 1_000_000])
def test_a_name_of_millions_of_signs_is_read_once(name: str) -> None:
    """Were it read from each of its places, this would not end."""
    assert len(plain_name(name)) <= len(name)

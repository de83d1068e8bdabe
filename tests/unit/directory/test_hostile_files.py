"""Files that are made to hold the process up or to end it: each is read in one go, and refused where it must be.

None of these tests comes to an end where the work grows by the square."""

from __future__ import annotations

import json

import pytest

from opsteward.directory.imports.dates import instant_of
from support.checked_files import Checked

ADA = {"username": "ada", "email": "a@c.test", "full_name": "Ada"}


@pytest.mark.parametrize("text", ["01.02.2030 1:00" + " " * 500_000 + "x", "/Date(" + "9" * 400 + ")/"])
def test_a_text_of_any_length_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="is no date, but"):
        instant_of(text)
    found = Checked(json.dumps({**ADA, "expires_at": text}).encode(), "json", block=100_000)
    assert found.failed == 1


@pytest.mark.parametrize("text", ["/Date(" + "9" * 40 + ")/", "31.12.9999 23:59:60.1234", "1.1.1000"])
def test_a_date_beyond_all_calendars_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="outside of the years"):
        instant_of(text)


def test_an_id_of_any_length_is_an_id() -> None:
    name = ":" * 500_000
    found = Checked(f'User ID,Email,Name\n{name}\n"{name}\n",a@c.test,Ada\n'.encode(), "csv", block=100_000)
    assert list(found.users) == ["a@c.test"]


def test_a_name_of_any_length_means_nothing() -> None:
    inner = {f"k{number}": number for number in range(20_000)}
    found = Checked(json.dumps({**ADA, "k" * 500_000: inner}).encode(), "json", block=100_000)
    assert list(found.users) == ["ada"]
    deep: dict[str, object] = inner
    for _ in range(7):
        deep = {"k" * 190: deep}
    assert list(Checked(json.dumps({**ADA, "d": deep}).encode(), "json", block=100_000).users) == ["ada"]

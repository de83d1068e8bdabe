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


def test_quotes_that_never_end_end_the_reading() -> None:
    found = Checked(b"username,email,full_name\n" + b'b","\n' * 30_000, "csv", block=100_000)
    assert "quotes that do not end" in found.problems[-1].reason and found.problems[-1].line
    head, row = b"username,email,full_name\n", b"%d,%d@c.test,N\n"
    rows = [row % (number, number) for number in range(20_000)]
    rows[5] = b'5,5@c.test,"N\n'
    found = Checked(head + b"".join(rows), "csv", block=100_000)
    assert (len(found.users), found.failed) == (19_999, 1), "one quote that does not end keeps one row out"


def test_a_row_has_a_most_of_characters() -> None:
    cell = b'"' + (b"x" * 999 + b"\n") * 600 + b'"'
    content = b"username,email,full_name,a,b\na,a@c.test,A,%b,%b\nb,b@c.test,B,,\n" % (cell, cell)
    found = Checked(content, "csv", block=100_000)
    assert "b" in found.users and "a" not in found.users and found.failed >= 1


def test_keys_of_any_length_are_not_said_over_and_over() -> None:
    listed = {f"l{number}": [{**ADA, "username": str(number)}] for number in range(2000)}
    found = Checked(json.dumps({"k" * 200_000: listed}).encode(), "json", block=100_000)
    assert "several lists of people" in found.problems[0].reason and len(found.problems[0].reason) < 1000


@pytest.mark.parametrize("name", ["x", "status", "manager", "terminationDate", "users", "tags", "profile_data"])
def test_what_is_nested_without_end_is_refused(name: str) -> None:
    for depth in (151, *range(900, 1000, 3), 5000):
        nested = '{"a":' * depth + "1" + "}" * depth
        value = f'{json.dumps(ADA)[:-1]}, "{name}": {nested}}}'
        for file_format in ("json", "ndjson"):
            found = Checked(f"{value}\n".encode(), file_format, mapping={"x.a": "tags"} if depth % 2 else None)
            assert any("nested" in one.reason for one in found.problems)


def test_lines_of_cards_are_folded_without_end() -> None:
    begun = "BEGIN:VCARD\r\nFN:Ada\r\nEMAIL:a@c.test\r\n"
    for name in ("NOTE:x", "PHOTO:x", "NOTE;ENCODING=QUOTED-PRINTABLE:=", "PHOTO;QUOTED-PRINTABLE:="):
        folded = ("=20=\r\n" if "PRINTABLE" in name else " x\r\n") * 200_000
        content = f"{begun}{name}\r\n{folded}{'x' if 'PRINTABLE' in name else ''}\r\nEND:VCARD\r\n"
        assert list(Checked(content.encode(), "vcard", block=100_000).users) == ["a@c.test"], name
    content = f"{begun}NOTE:x\r\n" + (" " + "x" * 999 + "\r\n") * 1100 + "END:VCARD\r\n"
    assert "longer than" in Checked(content.encode(), "vcard", block=100_000).problems[-1].reason


def test_xml_on_one_line_is_read_whatever_its_length() -> None:
    users = "".join(f"<u><uid>u{number}</uid><mail>u{number}@c.test</mail></u>" for number in range(25_000))
    assert len(Checked(f"<users>{users}</users>".encode(), "xml", block=100_000).users) == 25_000

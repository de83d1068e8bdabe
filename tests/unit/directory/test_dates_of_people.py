"""Ends of accounts as systems write them: what can be read in two ways is decided by the file, or refused."""

from __future__ import annotations

import json

import pytest

from opsteward.directory.imports.columns import check_mapping
from opsteward.directory.imports.dates import DayOrder, instant_of, is_never, order_of
from support.checked_files import Checked

HEAD = "username,email,full_name,End date\n"


@pytest.mark.parametrize(
    "text",
    [
        "31.12.2031", "31.12.31", "12/31/2031", "31/12/2031", "31-12-2031", "2031/12/31", "2031-12-31", "20311231",
        "31-Dec-2031", "31 Dec 2031", "Dec 31, 2031", "December 31st, 2031", "31. Dezember 2031", "31 décembre 2031",
        "31 de diciembre de 2031", "31 de dezembro de 2031", "31 grudnia 2031", "2031年12月31日",
        "12/31/2031 12:00:00 AM",
        "2031-12-31T00:00:00.000+0000", "2031-12-31T00:00:00.0000000Z", "2031-12-31 00:00:00 UTC", "20311231000000Z",
        "203112310000Z", "20311231000000.0Z", "1956441600", "1956441600000", "/Date(1956441600000)/",
        "/Date(1956441600000+0000)/", "136009152000000000", "48213", "2031-12-31Z", "Wed, 31 Dec 2031 00:00:00 GMT",
    ],
)  # fmt: skip
def test_every_form_of_one_day(text: str) -> None:
    found, _ = instant_of(text)
    assert found.isoformat() == "2031-12-31T00:00:00+00:00"
    content = f'{HEAD}a,a@c.test,A,"{text}"\n'
    [user] = Checked(content.encode(), "csv").users.values()
    assert user["expires_at"] == "2031-12-31T00:00:00.000000+00:00"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("3/31/2031 1:05 PM", "2031-03-31T13:05:00+00:00"),
        ("31.12.2031 23:59", "2031-12-31T23:59:00+00:00"),
        ("2031-12-31-08:00", "2031-12-31T08:00:00+00:00"),
        ("31/12/2031 10:00:00 +02:00", "2031-12-31T08:00:00+00:00"),
    ],
)
def test_times_and_zones(text: str, instant: str) -> None:
    assert instant_of(text)[0].isoformat() == instant


@pytest.mark.parametrize("text", ["0", "-1", "9223372036854775807", "never", "0000-00-00", "9999-12-31", "31.12.9999",
                                  "9999-12-31T23:59:59Z", "12/31/4712", "unbefristet"])  # fmt: skip
def test_no_end_at_all(text: str) -> None:
    assert is_never(text)
    found = Checked(f"{HEAD}a,a@c.test,A,{text}\n".encode(), "csv")
    assert found.users["a"]["expires_at"] == "\\N" and not found.problems


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("03/04/2031", "may be 2031-03-04 or 2031-04-03"), ("3-4-2031", "may be 2031-03-04"),
        ("31/12/26", "two digits"), ("26-12-31", "two digits"), ("99.99.2031", "no day of the calendar"),
        ("31.12.99", "1999 or of 2099"), ("31-Dec-70", "1970 or of 2070"),
        ("12345", "is a number"), ("123456789", "is a number"), ("20319931", "no day of the calendar"),
        ("99999999999999", "is no date"), ("31 Foo 2031", "no month"), ("12/31/2031 25:00", "on no clock"),
        ("soon", "is no date"), ("1699-01-01", "outside"), ("", "is no date"),
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused_with_a_remedy(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        instant_of(text)
    assert "YYYY-MM-DD" in str(refused.value) or "calendar" in str(refused.value) or "outside" in str(refused.value)


def ends(found: Checked) -> dict[str, str]:
    return {name: user["expires_at"][:10] for name, user in found.users.items()}


@pytest.mark.parametrize(
    ("decides", "day"),
    [("31/03/2031", "2031-04-03"), ("03/31/2031", "2031-03-04"), ("3/31/2031 12:00:00 AM", "2031-03-04")],
)
@pytest.mark.parametrize("before", [True, False])
def test_the_order_of_day_and_month_is_the_file_s(decides: str, day: str, before: bool) -> None:
    rows = [f"a{n},a{n}@c.test,A,03/04/2031\n" for n in range(50)]
    rows.insert(0 if before else len(rows), f"x,x@c.test,X,{decides}\n")
    found = Checked((HEAD + "".join(rows)).encode(), "csv")
    assert found.failed == 0
    assert {one for name, one in ends(found).items() if name != "x"} == {day}


def test_a_file_that_has_both_orders_decides_nothing() -> None:
    content = f"{HEAD}a,a@c.test,A,13/04/2031\nb,b@c.test,B,04/13/2031\nc,c@c.test,C,03/04/2031\n"
    found = Checked(content.encode(), "csv")
    assert list(found.users) == ["a", "b"]
    [problem] = [one for one in found.problems if one.kind == "error"]
    assert "the file has '13/04/2031' and '04/13/2031'" in problem.reason and "expires_at:dmy" in problem.reason


@pytest.mark.parametrize(("field", "day"), [("expires_at:dmy", "2031-04-03"), ("expires_at:mdy", "2031-03-04")])
def test_the_sender_may_say_the_order(field: str, day: str) -> None:
    mapping = check_mapping({"Ende": field})
    content = "username,email,full_name,Ende\na,a@c.test,A,03/04/2031\n"
    assert ends(Checked(content.encode(), "csv", mapping=mapping)) == {"a": day}


def test_dotted_dates_say_nothing_of_others() -> None:
    assert order_of(["31.12.2031", "2031-12-31", "1/1/2031", "13/13/2031"]) == DayOrder()


def test_numbers_are_times_only_where_the_field_is_a_date() -> None:
    own = {"username": "1956441600", "email": "a@c.test", "name": "A", "employeeId": 1956441600, "expires": 1956441600}
    content = json.dumps([own])
    [user] = Checked(content.encode(), "json").users.values()
    assert (user["username"], user["external_id"], user["expires_at"][:10]) == (
        "1956441600",
        "1956441600",
        "2031-12-31",
    )


def test_the_end_that_is_there_counts_if_another_is_blank() -> None:
    content = "username,email,full_name,Termination Date,Contract End Date\na,a@c.test,A,,2031-12-31\n"
    content += "b,b@c.test,B,2030-01-01,2031-12-31\n"
    assert ends(Checked(content.encode(), "csv")) == {"a": "2031-12-31", "b": "2030-01-01"}


def test_who_has_left_and_has_an_end_ahead_is_taken_as_gone_and_warned_of() -> None:
    found = Checked(b"username,email,full_name,status,End date\na,a@c.test,A,Terminated,2031-12-31\n", "csv")
    assert found.statuses == {"a": "inactive"}
    assert "lies ahead" in found.problems[-1].reason

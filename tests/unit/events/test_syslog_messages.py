"""What syslog lines say, as standards have them and as devices send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsteward.events.sources.syslog.message import event_of, parse

RECEIVED = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def here_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


LINES: list[tuple[str, dict[str, Any]]] = [
    # RFC 5424, its own examples
    (
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick",
        {"facility": 4, "severity": 2, "at": utc(2003, 10, 11, 22, 14, 15, 3000), "host": "mymachine.example.com",
         "app": "su", "process": "", "kind": "ID47", "text": "'su root' failed for lonvick"},
    ),
    (
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
        {"at": utc(2003, 8, 24, 12, 14, 15, 3), "process": "8710", "text": "%% It's time to make the do-nuts."},
    ),
    (
        '<165>1 - h a - I [exampleSDID@32473 iut="3" eventSource="A\\"p\\]p\\\\"][x@1 b="2"] An event',
        {"data": {"exampleSDID@32473": {"iut": "3", "eventSource": 'A"p]p\\'}, "x@1": {"b": "2"}}, "text": "An event"},
    ),
    ("<14>1 - - - - - -", {"at": None, "host": "", "app": "", "text": ""}),
    ("<14>1 2024-03-01T10:00:00+01:00 web1 app 7 - [empty@1] says hi", {"data": {"empty@1": {}}, "text": "says hi"}),
    ("<14>1 2024-03-01T10:00:00Z web1 app 7 - no data at all", {"host": "web1", "text": "no data at all"}),
    ('<14>1 2024-03-01T10:00:00Z web1 app 7 - [open@1 a="x says', {"data": {}, "text": '[open@1 a="x says'}),
    (
        "<134>1 1563249630.774247467 MX84 security_event ids_alerted signature=1 priority=1",
        {"at": utc(2019, 7, 16, 4, 0, 30, 774247), "host": "MX84"},
    ),
    # RFC 3164
    (
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
        {"at": utc(2023, 10, 11, 22, 14, 15), "host": "mymachine", "app": "su", "text": "'su root' failed"},
    ),
    (
        "<38>Mar  1 11:59:58 web-1 sshd[4711]: Failed password for root from 10.0.0.1 port 22 ssh2",
        {"at": utc(2024, 3, 1, 11, 59, 58), "host": "web-1", "app": "sshd", "process": "4711"},
    ),
    ("<13>Mar  1 11:59:58 sshd[4711]: without a host", {"host": "", "app": "sshd", "text": "without a host"}),
    ("<13>Jan  1 00:00:01 h app: new year", {"at": utc(2024, 1, 1, 0, 0, 1)}),
    ("<13>Mar  2 18:00:00 h app: a clock that is fast", {"at": utc(2024, 3, 2, 18)}),
    ("<13>Jun  1 10:00:00 h app: last summer", {"at": utc(2023, 6, 1, 10)}),
    ("<13>Feb 29 10:00:00 h app: leap", {"at": utc(2024, 2, 29, 10)}),
    ("<13>Dec 31 23:59:59 h app: old year", {"at": utc(2023, 12, 31, 23, 59, 59)}),
    ("<13>Mar  1 2021 10:00:00 fw1 : %ASA-6-302013: Built", {"at": utc(2021, 3, 1, 10), "host": "fw1", "app": "ASA"}),
    ("<13>Mar  1 10:00:00 2022 fw1 app: x", {"at": utc(2022, 3, 1, 10), "host": "fw1", "app": "app"}),
    ("<13>Mar  1 10:00:00.123 fw1 app: x", {"at": utc(2024, 3, 1, 10, 0, 0, 123000), "host": "fw1"}),
    (
        "<13>2024-03-01T10:00:00.5+01:00 web1 nginx[9]: upstream timed out",
        {"at": utc(2024, 3, 1, 9, 0, 0, 500000), "host": "web1", "app": "nginx", "process": "9"},
    ),
    ("<13>2024-03-01 10:00:00,250 web1 nginx: x", {"at": utc(2024, 3, 1, 10, 0, 0, 250000), "host": "web1"}),
    ("<13>Mar  1 10:00:00 fe80::1%eth0 app: v6", {"host": "fe80::1%eth0", "app": "app"}),
    ("<13>Mar  1 10:00:00 host CRON[12]: (root) CMD (x)", {"app": "CRON", "text": "(root) CMD (x)"}),
    ("<13>Mar  1 10:00:00 host postfix/smtpd[12]: x", {"app": "postfix/smtpd", "process": "12"}),
    ("<13>Mar  1 10:00:00 Message forwarded from aix1: sshd[5]: x", {"host": "aix1", "app": "sshd"}),
    ("<6>Mar  1 10:00:00 host kernel: [12.3] Out of memory", {"facility": 0, "app": "kernel"}),
    # Cisco
    (
        "<189>45: *Mar  1 00:00:46.123: %SYS-5-CONFIG_I: Configured from console",
        {"at": None, "app": "SYS", "kind": "%SYS-5-CONFIG_I", "text": "%SYS-5-CONFIG_I: Configured from console"},
    ),
    (
        "<189>46: rtr1: Mar  1 10:00:00.123 UTC: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down",
        {"at": utc(2024, 3, 1, 10, 0, 0, 123000), "host": "rtr1", "app": "LINK"},
    ),
    (
        "<189>: 2024 Mar  1 10:00:00 UTC: %ETHPORT-5-IF_UP: Interface up",
        {"at": utc(2024, 3, 1, 10), "kind": "%ETHPORT-5-IF_UP"},
    ),
    ("<166>%ASA-6-106015: Deny TCP", {"app": "ASA", "severity": 6}),
    ("%LINK-3-UPDOWN: Interface down", {"severity": 3, "facility": None}),
    # hardly anything
    ("no priority at all", {"facility": None, "severity": None, "text": "no priority at all"}),
    ("<14>Error: disk full", {"app": "", "text": "Error: disk full"}),
    ("<14>myapp: disk full", {"app": "myapp", "text": "disk full"}),
    ("<14>myapp[7]: disk full\x00", {"app": "myapp", "process": "7", "text": "disk full"}),
    ("<14>Disk of db1: full", {"app": "", "text": "Disk of db1: full"}),
    ("<999>strange priority", {"facility": None, "text": "<999>strange priority"}),
    ("<>x", {"text": "<>x"}),
    ("", {"text": ""}),
    ("<13>Foo 99 99:99:99 host app: x", {"at": None}),
    ("<13>2024-13-41T99:00:00Z host app: x", {"at": None, "host": "host", "app": "app"}),
    ("<13>Mar  1 10:00:00 h app: Traceback (most recent):#012  File a#012ValueError: b",
     {"text": "Traceback (most recent):\n  File a\nValueError: b"}),
    ("<13>Mar  1 10:00:00 h app: see issue #012 please", {"text": "see issue #012 please"}),
    ("<13>Mar  1 10:00:00 h app: first\n\tat com.acme.A(A.java:1)", {"text": "first\n\tat com.acme.A(A.java:1)"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "due"), LINES, ids=[line[:60] for line, _ in LINES])
def test_a_line_is_read(line: str, due: dict[str, Any]) -> None:
    message = parse(line.encode(), RECEIVED)
    assert {name: getattr(message, name) for name in due} == due


def test_a_message_becomes_an_event() -> None:
    event = event_of(parse(b"<11>Mar  1 10:00:00 web1 shop[7]: payment failed", RECEIVED), "10.0.0.9")
    assert (event.message, event.source, event.severity) == ("payment failed", "shop", "medium")
    assert event.context["host"] == "web1"
    assert event.context["syslog"] == {
        "sender": "10.0.0.9", "facility": "user", "severity": "err", "program": "shop", "process": "7"
    }  # fmt: skip
    anonymous = event_of(parse(b"x", RECEIVED), "10.0.0.9")
    assert (anonymous.source, anonymous.context["host"], anonymous.severity) == ("syslog", "10.0.0.9", None)


@given(st.binary(max_size=300))
def test_any_bytes_are_read(line: bytes) -> None:
    for begins in (b"", b"<13>", b"<13>1 ", b"<13>Mar  1 10:00:00 ", b"<13>1 - h a p m ["):
        event = event_of(parse(begins + line, RECEIVED), "10.0.0.9")
        assert event.message
        event.message.encode()

"""Mails of programs as events: who, what, how bad, over or not, and the same group for trouble and its end."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from opsteward.events.sources.mail.message import event_of_mail
from opsteward.events.types import NewEvent

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)


def mail(
    subject: str, text: str = "see above", *, sender: str = "Nagios <nagios@mon1.example>", **headers: str
) -> bytes:
    found = EmailMessage()
    found["From"], found["To"], found["Subject"] = sender, "alerts@example.com", subject
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    found.set_content(text)
    return bytes(found)


def event(raw: bytes) -> NewEvent:
    return event_of_mail(raw, "10.0.0.7", AT)


@pytest.mark.parametrize(
    ("trouble", "end", "severity"),
    [
        ("** PROBLEM Service Alert: db1/Disk is CRITICAL **", "** RECOVERY Service Alert: db1/Disk is OK **", "high"),
        ("** PROBLEM Host Alert: db1 is DOWN **", "** RECOVERY Host Alert: db1 is UP **", "high"),
        ("[FIRING:1] disk of db1 at 97 %", "[RESOLVED] disk of db1 at 20 %", "high"),
        ("PROBLEM: disk of db1 is WARNING (91.5 %)", "RECOVERY: disk of db1 is OK (20 %)", "medium"),
        ("Problem: db1: no answer for 5 minutes [DOWN]", "Problem: db1: no answer for 9 minutes [RESOLVED]", "high"),
        ("db1.example is down", "db1.example is up", "high"),
        ("CRITICAL: queue of shop holds 12,000", "OK: queue of shop holds 3", "high"),
        ("monit alert -- Size failed db1", "monit alert -- Size succeeded db1", None),
        ("monit alert -- Does not exist db1", "monit alert -- Exists db1", None),
        ("monit alert -- Connection failed db1", "monit alert -- Connection succeeded db1", None),
        ("Backup failed for db1 after 30 minutes", "Backup succeeded for db1 after 12 minutes", None),
        ("Power failed at db1", "Power restored at db1", None),
    ],
)
def test_trouble_and_its_end_are_one_group(trouble: str, end: str, severity: str | None) -> None:
    fired, over = event(mail(trouble)), event(mail(end))
    assert (fired.resolved, over.resolved) == (False, True)
    assert fired.group_key == over.group_key is not None
    assert (fired.severity, over.severity) == (severity, None)
    other = event(mail(trouble.replace("db1", "db2").replace("shop", "mill")))
    assert other.group_key != fired.group_key, "another thing"
    assert event(mail(trouble, sender="nagios@mon2.example")).group_key != fired.group_key


@pytest.mark.parametrize(
    "subject",
    [
        "Cron <root@db1> /usr/local/bin/backup",
        "SMART error (FailedOpenDevice) detected on host: db1",
        "UPS on battery at db1",
        "monit alert -- Monit instance changed db1",
        "mkdir: cannot create directory: File exists",
        "",
    ],
)
def test_what_says_no_state_is_grouped_as_any_event(subject: str) -> None:
    found = event(mail(subject))
    assert (found.resolved, found.group_key, found.severity) == (False, None, None)
    assert found.message.startswith(subject or "(no subject)")


@pytest.mark.parametrize(
    "note", ["ACKNOWLEDGEMENT", "DOWNTIMESTART", "DOWNTIMEEND", "FLAPPINGSTART", "FLAPPINGSTOP", "CUSTOM"]
)
@pytest.mark.parametrize("state", ["DOWN", "UP"])
def test_what_nagios_tells_beside_is_neither_trouble_nor_its_end(note: str, state: str) -> None:
    trouble = event(mail("** PROBLEM Host Alert: db1 is DOWN **"))
    told = event(mail(f"** {note} Host Alert: db1 is {state} **"))
    assert (told.resolved, told.severity, told.routine) == (False, "low", True)
    assert told.group_key == trouble.group_key
    assert not trouble.routine


def test_what_a_mail_says_stands_in_the_event() -> None:
    raw = mail(
        "Käse ist alle",
        "Zeile eins\nZeile zwei",
        sender="Cron Daemon <root@db1.example>",
        Date="Fri, 27 Nov 2026 11:59:00 +0000",
        X_Priority="1 (Highest)",
    )
    found = event(raw)
    assert found.message == "Käse ist alle\nZeile eins\nZeile zwei"
    assert (found.source, found.context["host"], found.severity) == ("root", "db1.example", "high")
    assert found.occurred_at == datetime(2026, 11, 27, 11, 59, tzinfo=UTC)
    assert found.context["mail"] == {"sender": "10.0.0.7", "from": "root@db1.example", "to": "alerts@example.com"}
    assert event(mail("x", Date="Fri, 27 Nov 2037 11:59:00 +0000")).occurred_at is None


def test_html_is_read_without_its_marks_and_attachments_by_name() -> None:
    found = EmailMessage()
    found["From"], found["Subject"] = "ups@rack2", "report"
    found.set_content(
        "<head><style>b{}</style></head><p>On <b>battery</b></p><ul><li>load 40&nbsp;%</ul>", subtype="html"
    )
    found.add_attachment(b"\x00\x01", maintype="image", subtype="png", filename="graph.png")
    read = event(bytes(found))
    assert read.message == "report\nOn battery\nload 40 %"
    assert read.context["mail"]["attachments"] == ["graph.png"]  # type: ignore[index, call-overload]


def test_hostile_mails_are_events_too() -> None:
    nested = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' * 2_000
    strange = [
        b"", b"\x00", b"\xff\xfe" * 100, b"Subject: \x00x",
        b"Subject: =?x-none?B?////?=\r\n\r\nx",
        b"Subject: =?utf-8?B?" + b"A" * 5_000 + b"\r\n\r\nx", b"From: " + b"<" * 50_000 + b"\r\n\r\nx", nested,
        b"Content-Type: text/plain; charset=nowhere\r\n\r\nx\xff", b"Date: " + b"9" * 10_000 + b"\r\n\r\nx",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2_000)),
        b"Content-Type: message/rfc822\r\n\r\n" * 2_000, b'From: "<(' + b'"<(' * 700 + b"\r\n\r\nx",
        b"Content-Type: text/html\r\n\r\n" + b"<![" * 50,
        b"Content-Type: text/html\r\n\r\n" + b"<!--" * 50_000, b"Content-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Subject: " + b"is DOWN (" * 20_000 + b"\r\n\r\nx",
    ]  # fmt: skip
    for raw in strange:
        found = event(raw)
        assert found.message and "\x00" not in found.message and found.source
    dice, whole = random.Random(20261127), mail("PROBLEM: db1 is DOWN", "text " * 50, X_Priority="1")
    for _ in range(300):
        place = dice.randrange(len(whole))
        assert event(whole[:place] + dice.randbytes(3) + whole[place + dice.randrange(4) :]).message

"""What a line that says itself how it stands is about: one thing in trouble and over, never another of its kind."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.mail.message import event_of_mail
from opsteward.events.sources.mapping import read
from opsteward.events.types import NewEvent


def of_body(title: str, **more: str) -> NewEvent:
    return read(source_named("generic"), {"title": title, **more}, {}, limit=1).events[0]


def of_mail(title: str) -> NewEvent:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "monitor@mon1.example", title
    mail.set_content("see above")
    return event_of_mail(bytes(mail), "10.0.0.7", datetime(2026, 11, 27, tzinfo=UTC))


@pytest.mark.parametrize(
    ("trouble", "end"),
    [
        ("Node 4 is DOWN", "Node 4 is UP"),
        ("Disk of db3 is CRITICAL: 97%", "Disk of db3 is OK: 41%"),
        ("Load of web2 is CRITICAL: 12.40, 9.11", "Load of web2 is OK: 0.40, 0.31"),
        ("CRITICAL: 12,400 messages wait", "OK: 1,030 messages wait"),
        ("Shop needs > 500 [CRITICAL]", "Shop needs > 90 [OK]"),
        ("[FIRING:3] latency of api", "[RESOLVED:1] latency of api"),
        ("Tunnel to fra1 is DOWN since 10:02", "Tunnel to fra1 is UP since 10:41"),
        ("db1 unreachable for 5m [CRITICAL]", "db1 unreachable for 12m [RESOLVED]"),
        ("Rack 3 is CRITICAL (41 °C)", "Rack 3 is OK (22 °C)"),
        ("Memory at 93 on app1 CRITICAL", "Memory at 40 on app1 OK"),
        ("lag=340 on pg2 CRITICAL", "lag=2 on pg2 OK"),
        ("Backup failed for job 17 after 3 hours", "Backup succeeded for job 17 after 2 hours"),
        ("Free on vol1: 2.5 GiB [CRITICAL]", "Free on vol1: 90 GiB [OK]"),
    ],
)
def test_measurements_are_not_what_it_is_about(trouble: str, end: str) -> None:
    for event in (of_body, of_mail):
        fired, over = event(trouble), event(end)
        assert (fired.resolved, over.resolved) == (False, True)
        assert fired.group_key == over.group_key is not None


@pytest.mark.parametrize(
    ("trouble", "end_of_another"),
    [
        ("Node 3 is DOWN", "Node 4 is UP"),
        ("Backup failed for job 17", "Backup succeeded for job 18"),
        ("Shard 7 CRITICAL", "Shard 8 OK"),
        ("Port 80 is down on web1", "Port 443 is up on web1"),
        ("Host 10.0.0.5 is DOWN", "Host 10.0.0.6 is UP"),
        ("10.2.3.4:5432 is down", "10.2.3.4:5433 is up"),
        ("Interface 1/24 is DOWN", "Interface 1/25 is UP"),
        ("Build of python 3.11 FAILED", "Build of python 3.12 PASSED"),
        ("Pipeline #881 failed", "Pipeline #882 succeeded"),
        ("CRITICAL", "[OK]"),
        ("CRITICAL", "[FAILED]"),
    ],
)
def test_the_number_of_a_thing_is_its_name(trouble: str, end_of_another: str) -> None:
    for event in (of_body, of_mail):
        assert event(trouble).group_key != event(end_of_another).group_key


def test_a_mere_state_is_of_the_object_beside_it() -> None:
    fired, over = of_body("CRITICAL", host="web1"), of_body("[OK]", host="web1")
    assert over.resolved and over.group_key == fired.group_key != of_body("CRITICAL", host="web2").group_key

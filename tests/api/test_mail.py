"""Mail by SMTP from a real client: stored before it is answered for, from who may send, and within bounds."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest

from opsteward.core.errors import Invalid, Unavailable
from opsteward.events.sources.mail.listener import MailListener
from opsteward.events.sources.mail.settings import MailSettings
from support.instance import Tenant

WITHIN = 20.0


@asynccontextmanager
async def listening(tenant: Tenant, **settings: Any) -> AsyncIterator[MailListener]:
    services = tenant.instance.services
    given: dict[str, Any] = {"mail_smtp": "0", "mail_senders": {"127.0.0.0/8": tenant.name}} | settings
    listener = MailListener(services.web, services.intake_queue, services.source_tallies, MailSettings(**given))
    running = asyncio.create_task(listener.run())
    waiting = asyncio.create_task(listener.listening.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=WITHIN)
        if running.done():
            running.result()
        yield listener
    finally:
        waiting.cancel()
        running.cancel()
        await asyncio.wait({running})


def _send(port: int, subjects: list[str], size: int = 0) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=WITHIN) as client:
        for subject in subjects:
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "monit@db1.example", "alerts@example.com", subject
            mail.set_content("the text " + "x" * 60 * (size // 60))
            client.send_message(mail)


async def send(listener: MailListener, *subjects: str, size: int = 0) -> None:
    assert listener.address is not None
    await asyncio.get_running_loop().run_in_executor(None, partial(_send, listener.address[1], list(subjects), size))


async def test_mails_open_an_incident_and_end_it(tenant: Tenant) -> None:
    async with listening(tenant) as listener:
        await send(listener, "PROBLEM: nginx on db1 is DOWN")
        (event,) = (await tenant.http.get("/api/v1/events")).json()["items"]
        assert (event["source"], event["severity"], event["resolved"]) == ("monit", "high", False)
        (incident,) = (await tenant.http.get("/api/v1/incidents")).json()["items"]
        assert incident["status"] == "open"
        await send(listener, "PROBLEM: nginx on db1 is DOWN", "RECOVERY: nginx on db1 is UP")
        (incident,) = (await tenant.http.get("/api/v1/incidents")).json()["items"]
        assert (incident["status"], incident["event_count"]) == ("resolved", 3)
    sources = (await tenant.http.get("/api/v1/sources", params={"search": "mail"})).json()["items"]
    assert any(one["slug"] == "mail" for one in sources)


async def test_who_may_not_send_and_what_is_too_large_is_refused(tenant: Tenant) -> None:
    async with listening(tenant, mail_senders={"192.0.2.0/24": tenant.name}) as listener:
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            await send(listener, "x")
        assert refused.value.smtp_code == 554
    async with listening(tenant, mail_bytes=10_000) as listener:
        with pytest.raises(smtplib.SMTPException):
            await send(listener, "x", size=20_000)
        await send(listener, "y")
    assert tenant.count("events") == 1
    with pytest.raises(Invalid, match="no tenant"):
        async with listening(tenant, mail_senders={"127.0.0.0/8": "nobody"}):
            pass


async def test_a_quarter_of_the_connections_is_one_senders(tenant: Tenant) -> None:
    async with listening(tenant, mail_connections=8) as listener:
        assert listener.address is not None
        held = [await asyncio.open_connection(*listener.address) for _ in range(2)]
        assert {(await reader.readline())[:3] for reader, _ in held} == {b"220"}
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            await send(listener, "x")
        assert refused.value.smtp_code == 421
        held[0][1].close()
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    await send(listener, "x")
                    break
                except smtplib.SMTPConnectError:
                    await asyncio.sleep(0.01)
        held[1][1].close()
    assert tenant.count("events") == 1


async def test_what_cannot_be_stored_now_is_asked_for_again(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(tenant) as listener:

        async def away(**_: Any) -> None:
            raise Unavailable("the database is away")

        with monkeypatch.context() as patch:
            patch.setattr(tenant.instance.services.intake_queue, "take", away)
            with pytest.raises(smtplib.SMTPDataError) as told:
                await send(listener, "x")
            assert told.value.smtp_code == 451
        await send(listener, "x")
    assert tenant.count("events") == 1


async def test_a_mail_that_takes_long_to_be_taken_apart_is_taken_as_an_outline(tenant: Tenant) -> None:
    costly = b"Content-Type: text/plain" + (b"; a=b" * 150 + b"\r\n ") * 1_200  # the library takes the square of it
    raw = b"From: monit@db1.example\r\nSubject: nginx on db1 is DOWN\r\n" + costly + b"\r\n\r\nx\r\n"

    def deliver(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=WITHIN) as client:
            client.sendmail("monit@db1.example", ["alerts@example.com"], raw)

    async with listening(tenant) as listener:
        assert listener.address is not None
        await asyncio.get_running_loop().run_in_executor(None, deliver, listener.address[1])
    (event,) = (await tenant.http.get("/api/v1/events")).json()["items"]
    assert (event["source"], event["severity"]) == ("monit", "high")
    assert event["message"] == "nginx on db1 is DOWN", "nothing of what was too costly"

"""Events of many senders are stored together: who kills the process that takes them harms none that was answered."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections import Counter

import httpx
import pytest

from support.live import running_instance

_SENDERS, _ANSWERED = 20, 200
_WITHIN = 60.0  # seconds


@pytest.mark.slow(reason="starts an instance of its own, to kill it")
async def test_what_was_answered_is_stored_once_when_the_process_is_killed() -> None:
    sent: set[str] = set()
    answered: set[str] = set()

    async def send(http: httpx.AsyncClient, sender: int) -> None:
        for number in itertools.count():
            message = f"order {sender * 100_000 + number} crashed"
            event = {"source": f"app-{sender}", "message": message, "error_type": "CrashError", "severity": "high"}
            sent.add(message)
            try:
                answer = await http.post("/api/v1/events", json=event)
            except httpx.TransportError:  # it is dead
                return
            assert answer.status_code == 202, answer.text
            answered.add(message)

    with running_instance() as live:
        [(pid,)] = live.sql("select pid from opsteward.processes")
        credential = {"Authorization": f"Bearer {live.admin.token}"}
        async with httpx.AsyncClient(base_url=live.url, headers=credential, timeout=_WITHIN) as http:
            senders = [asyncio.create_task(send(http, sender)) for sender in range(_SENDERS)]
            async with asyncio.timeout(_WITHIN):
                while len(answered) < _ANSWERED and not any(task.done() for task in senders):
                    await asyncio.sleep(0.005)
            os.kill(pid, signal.SIGKILL)
            await asyncio.gather(*senders)
        rows = live.sql("select message, xmin::text from opsteward.events where error_type = 'CrashError'")
        counted = live.sql("select sum(event_count) from opsteward.incidents where source like 'app-%%'")
    stored = Counter(message for message, _ in rows)
    assert len(answered) >= _ANSWERED
    assert answered <= stored.keys() <= sent
    assert set(stored.values()) == {1}
    assert len({transaction for _, transaction in rows}) < len(rows), "none was stored together with another"
    assert counted == [(len(rows),)], "an incident counts what is stored, and nothing else"

"""Senders that wait for no answer, as Python's GELF handlers do: what came whole is taken."""

from __future__ import annotations

import json
import socket
import time
from urllib.parse import urlsplit
from uuid import uuid4

from support.live import Live

_WITHIN = 30.0  # seconds


def test_what_came_whole_is_taken_though_its_sender_has_gone(live: Live) -> None:
    owner = live.tenant(f"gone-{uuid4().hex[:10]}").owner
    url = urlsplit(live.url)
    body = json.dumps({"version": "1.1", "host": "web1", "short_message": "cart is broken", "level": 3}).encode()
    head = f"POST /api/v1/intake/gelf?token={owner.token} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(5):
        with socket.create_connection((url.hostname, url.port)) as sender:
            sender.sendall(head.encode() + body)
    half = head.encode() + body[:-1]
    with socket.create_connection((url.hostname, url.port)) as sender:
        sender.sendall(half)
    until = time.monotonic() + _WITHIN
    while (counted := [one["event_count"] for one in owner.http.get("/api/v1/incidents").json()["items"]]) != [5]:
        assert time.monotonic() < until, counted
        time.sleep(0.05)

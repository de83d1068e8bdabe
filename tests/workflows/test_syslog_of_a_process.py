"""`opsteward up` listens for syslog where its settings say."""

from __future__ import annotations

import socket
import time

from support.live import running_instance
from support.syslog import free_udp_port


def test_up_listens_where_its_settings_say() -> None:
    port = free_udp_port()
    with running_instance({"OPSTEWARD_SYSLOG_UDP": str(port)}) as live:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(b"<11>shop: payment gateway timed out", ("127.0.0.1", port))
        until = time.monotonic() + 20
        while not (found := live.admin.http.get("/api/v1/incidents").json()["items"]):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert [(one["title"], one["source"]) for one in found] == [("payment gateway timed out", "shop")]

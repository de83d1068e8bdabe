"""The lab's name server: answers over UDP from `network/zone.json`, read anew for each question.

    {"records": {"shop.lab": ["127.0.0.1"]}, "ttl": 60, "delay": 0.0, "answers": true}

Run by the lab's supervisor as `python -m opsteward.lab.names HOME`.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from opsteward.lab.folder import LabFacts, LabFolder, write_private
from opsteward.lab.pidfiles import write_pidfile

NAME = "shop.lab"
_NXDOMAIN, _A = 3, 1


class Zone(TypedDict):
    """Addresses by name; `delay` in seconds; `answers` false: questions are dropped."""

    records: dict[str, list[str]]
    ttl: int
    delay: float
    answers: bool


USUAL: Zone = {"records": {NAME: ["127.0.0.1"]}, "ttl": 60, "delay": 0.0, "answers": True}


def set_zone(folder: LabFolder, zone: Zone = USUAL) -> None:
    """What is answered from the next question on."""
    folder.network.mkdir(exist_ok=True, mode=0o700)
    write_private(folder.network / "zone.json", json.dumps(zone))


def answer(question: bytes, zone: Zone) -> bytes:
    """The reply to a query of one question. Raises ValueError for what is none."""
    labels: list[str] = []
    at = 12
    while at < len(question) and question[at]:
        size = question[at]
        labels.append(question[at + 1 : at + 1 + size].decode("ascii"))
        at += size + 1
    end = at + 5
    if len(question) < end:
        raise ValueError("cut short")
    asked = question[12:end]
    addresses = zone["records"].get(".".join(labels).lower())
    records = b""
    if addresses and struct.unpack("!H", question[at + 1 : at + 3])[0] == _A:
        for address in addresses:
            records += b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, zone["ttl"], 4) + socket.inet_aton(address)
    count = len(addresses) if records and addresses else 0
    code = 0 if addresses is not None else _NXDOMAIN
    return question[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, count, 0, 0) + asked + records


def main() -> None:
    """Answer until SIGTERM."""
    folder = LabFolder(Path(sys.argv[1]).resolve())
    write_pidfile(folder.run / "names.json")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", LabFacts.load(folder).names_port))
        while True:
            question, peer = server.recvfrom(4096)
            threading.Thread(target=_reply, args=(folder, server, question, peer), daemon=True).start()


def _reply(folder: LabFolder, server: socket.socket, question: bytes, peer: tuple[str, int]) -> None:
    zone: Zone = json.loads((folder.network / "zone.json").read_text())
    time.sleep(zone["delay"])
    with suppress(ValueError, OSError):
        if zone["answers"]:
            server.sendto(answer(question, zone), peer)


if __name__ == "__main__":
    main()

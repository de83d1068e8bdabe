"""Secrets that are planted, to be looked for later: each by a core of letters and digits that no encoding hides."""

from __future__ import annotations

import base64
import random
import string
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer

_CORE = 20
_SIGNS = "/+&%=β "


@dataclass
class Planted:
    """Makes secrets and finds them again, also encoded."""

    cores: dict[str, str] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=lambda: random.Random(20261127))

    def secret(self, name: str, *, signs: bool = True) -> str:
        """A new one; `signs` around its core are those that addresses, JSON and shells write in other ways."""
        core = "".join(self._dice.choices(string.ascii_letters + string.digits, k=_CORE))
        self.cores[name] = core
        return f"Q{_SIGNS}{core}{_SIGNS}z" if signs else core

    def base64_secret(self, name: str) -> str:
        """Base64 of a secret, as a key for signatures is given."""
        return base64.b64encode(f"padding {self.secret(name, signs=False)} padding".encode()).decode()

    def found_in(self, content: bytes) -> list[str]:
        """The names of secrets that are in it, and how they are written there."""
        found = []
        for name, forms in self._forms().items():
            found += [f"{name} ({how})" for how, form in forms.items() if form in content]
        return found

    def _forms(self) -> Mapping[str, Mapping[str, bytes]]:
        return {name: _forms_of(core.encode()) for name, core in self.cores.items()}


def _forms_of(core: bytes) -> dict[str, bytes]:
    utf16 = core.decode().encode("utf-16-le")
    forms = {"as it is": core, "hexadecimal": core.hex().encode(), "UTF-16": utf16}
    for before in range(3):  # whatever stands before it, the inner characters are these
        whole = base64.b64encode(b"\x00" * before + core)
        inner = whole[4 if before else 0 : len(whole) - 4]
        forms[f"base64, {before} bytes in"] = inner
    return forms


@contextmanager
def telltale() -> Iterator[int]:
    """The port of a server that answers everything with an error that repeats all it was sent."""

    class Handler(StreamRequestHandler):
        timeout = 2

        def handle(self) -> None:
            with suppress(OSError):
                head = self.connection.recv(65_536)
                if b" HTTP/1." in head and b"\r\n\r\n" in head:
                    size = _content_length(head)
                    while len(head.partition(b"\r\n\r\n")[2]) < size:
                        head += self.connection.recv(65_536)
                    body = b"<title>refused</title>you sent: " + head
                    told = f"HTTP/1.1 500 Refused\r\nContent-Length: {len(body)}\r\nContent-Type: text/html\r\n"
                    echoed = head.partition(b"uthorization: ")[2].partition(b"\r\n")[0]
                    self.wfile.write(told.encode() + b"X-You-Said: " + echoed + b"\r\nConnection: close\r\n\r\n" + body)
                else:
                    self.wfile.write(b"-ERR you sent: " + head + b"\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _content_length(head: bytes) -> int:
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0

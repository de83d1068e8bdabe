"""The library's SMTP server with a bound of connections; it is imported when mail is listened for."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiosmtpd.smtp import SMTP


class _Door(Protocol):
    def admit(self, sender: str) -> str | None: ...
    def left(self, sender: str) -> None: ...


class BoundedSmtp(SMTP):
    """Of one connection. Its handler says whether it is let in."""

    event_handler: _Door
    _counted = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or tell it why not."""
        peer = transport.get_extra_info("peername")
        sender = str(peer[0]) if peer else ""
        why = self.event_handler.admit(sender)
        if why is not None and isinstance(transport, asyncio.WriteTransport):
            transport.write(f"{why}\r\n".encode())
            transport.close()
            return
        self._counted = sender
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It has ended."""
        if self._counted:
            self.event_handler.left(self._counted)
            self._counted = ""
            super().connection_lost(error)

"""The mail listener: an SMTP server that takes mail as events and forwards nothing.

A mail is answered for with 250 once its event is stored; what can't be stored for the moment is to be sent again (451),
which every mail server does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.computing import TooExpensive, compute
from opsteward.core.db import Database
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.fair_share import Busy, Party, current_party
from opsteward.core.log import get_logger
from opsteward.events.intake_queue import IntakeQueue
from opsteward.events.sources.mail.message import event_of_mail, outline_of_mail
from opsteward.events.sources.mail.settings import MailSettings
from opsteward.events.sources.network_senders import NetworkSenders, bound_socket, plain_address
from opsteward.events.sources.tallies import SourceTallies
from opsteward.events.types import NewEvent

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

log = get_logger(__name__)

SLUG = "mail"
ACTOR = "system:mail"
_IDLE_SECONDS = 60.0
_RECIPIENTS_LIMIT = 100
_READ_SECONDS = 2.0  # of processor time


class MailListener:
    """Of one process."""

    def __init__(self, db: Database, queue: IntakeQueue, tallies: SourceTallies, settings: MailSettings) -> None:
        self._db = db
        self._queue = queue
        self._tallies = tallies
        self._settings = settings
        self._senders = NetworkSenders(settings.mail_senders, setting="OPSTEWARD_MAIL_SENDERS")
        self._connections: Counter[str] = Counter()
        #: Where it listens, once `listening` is set.
        self.address: tuple[str, int] | None = None
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled. Raises Invalid that names the setting that can't be."""
        assert self._settings.mail_smtp is not None
        await self._senders.learn_tenants(self._db)
        import socket

        endpoint = bound_socket(self._settings.mail_smtp, socket.SOCK_STREAM, "OPSTEWARD_MAIL_SMTP")
        self.address = endpoint.getsockname()[:2]
        server = await asyncio.get_running_loop().create_server(self._protocol, sock=endpoint)
        log.info("events.mail.listening", address=f"{self.address[0]}:{self.address[1]}")
        self.listening.set()
        async with server:
            await server.serve_forever()

    def _protocol(self) -> SMTP:
        from opsteward.events.sources.mail.smtp_protocol import BoundedSmtp

        return BoundedSmtp(
            self,
            data_size_limit=self._settings.mail_bytes,
            enable_SMTPUTF8=True,
            hostname="opsteward",
            ident="Opsteward",
            timeout=_IDLE_SECONDS,
            command_call_limit={"*": 50, "MAIL": 1_000, "RCPT": 10_000, "DATA": 1_000, "RSET": 1_000},
            loop=asyncio.get_running_loop(),
        )

    # ------------------------------------------------------------ what the protocol asks

    def admit(self, sender: str) -> str | None:
        """Count a connection; why it is not let in, if it is not."""
        address, most = plain_address(sender), self._settings.mail_connections
        if self._senders.tenant_of(address) is None:
            self._refused(None, f"from no network of OPSTEWARD_MAIL_SENDERS ({address})")
            return "554 you may not send mail here"
        if self._connections.total() >= most or self._connections[address] >= max(1, most // 4):
            return "421 too many connections"
        self._connections[address] += 1
        return None

    def left(self, sender: str) -> None:
        """A connection that was let in has ended."""
        self._connections -= Counter([plain_address(sender)])

    async def handle_RCPT(  # noqa: N802 -- the name is the library's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Any recipient will do: nothing is forwarded."""
        if len(envelope.rcpt_tos) >= _RECIPIENTS_LIMIT:
            return "452 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store its event."""
        sender = plain_address(str(session.peer[0]) if session.peer else "")
        tenant = self._senders.tenant_of(sender)
        content: Any = envelope.content
        if tenant is None or not isinstance(content, bytes):
            return "554 you may not send mail here"
        current_party.set(Party(str(tenant), SLUG))
        try:
            event = await _read(content, sender)
            await self._queue.take(tenant_id=tenant, events=[event], actor=ACTOR, size=len(content))
        except (Unavailable, Busy):
            return "451 can't be stored for the moment, send it again"
        except OpsError as error:
            self._refused(tenant, error.detail)
            return "554 can't be taken"
        self._tallies.note_taken(tenant, SLUG, bodies=1, events=1)
        return "250 OK"

    def _refused(self, tenant: UUID | None, why: str) -> None:
        tenant = tenant or self._senders.first_tenant
        if tenant is not None:
            self._tallies.note_refused(tenant, SLUG, why)


async def _read(content: bytes, sender: str) -> NewEvent:
    """Of a mail that takes too long to be taken apart, an outline. Raises Busy."""
    try:
        return await compute(_READ_SECONDS, event_of_mail, content, sender, now())
    except TooExpensive:
        return await in_thread(outline_of_mail, content, sender, now())

"""One bound connection to a directory; the only user of ldap3. Its calls run on a thread and are bounded in time."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, RateLimited, Timeout
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host, unreachable
from opsteward.integrations.ldap.config import LdapConfig
from opsteward.integrations.ldap.replies import read_entries_quickly

if TYPE_CHECKING:
    import ldap3

T = TypeVar("T")
SUCCESS, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT = 0, 3, 4, 11
NO_SUCH_ATTRIBUTE, NO_SUCH_OBJECT, ALREADY_EXISTS = 16, 32, 68
#: Codes of a list that was not given whole.
CUT_OFF = frozenset({TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT})
_AUTH = frozenset({7, 8, 13, 48, 49, 50, 53})
_BUSY = frozenset({51, 52})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one operation gave: entries and other messages as the library has them."""

    code: int
    text: str
    messages: Sequence[Mapping[str, Any]] = ()
    controls: Mapping[str, Any] = field(default_factory=dict)


class LdapClient:
    """Binds with the first operation. Raises only ConnectorError subclasses; answers any result code."""

    def __init__(self, config: LdapConfig) -> None:
        self._config = config
        self._connection: ldap3.Connection | None = None
        self._turn = asyncio.Lock()  # one operation after the other

    async def search(
        self,
        base: str,
        query: str,
        attributes: Sequence[str],
        *,
        scope: str = "SUBTREE",
        controls: Sequence[tuple[str, bool, bytes | None]] = (),
        page: tuple[int, bytes] | None = None,
    ) -> Answer:
        """One search; `page` is a size and the cookie of the page before."""

        def ask(connection: ldap3.Connection) -> object:
            return connection.search(
                base,
                query,
                search_scope=scope,
                dereference_aliases="NEVER",  # as content synchronisation asks, and an alias leads elsewhere
                attributes=list(attributes),
                controls=list(controls) or None,
                paged_size=page[0] if page else None,
                paged_cookie=page[1] if page else None,
            )

        return await self._ask(ask)

    async def add(self, dn: str, attributes: Mapping[str, list[bytes]]) -> Answer:
        """Make an entry."""
        return await self._ask(lambda connection: connection.add(dn, attributes=dict(attributes)))

    async def modify(self, dn: str, replaced: Mapping[str, list[bytes]]) -> Answer:
        """Set attributes; an empty list removes one."""
        return await self._ask(
            lambda connection: connection.modify(
                dn, {name: [("MODIFY_REPLACE", values)] for name, values in replaced.items()}
            )
        )

    async def rename(self, dn: str, rdn: str, parent: str | None) -> Answer:
        """Give an entry another name, and another parent."""
        return await self._ask(lambda connection: connection.modify_dn(dn, rdn, new_superior=parent))

    async def delete(self, dn: str) -> Answer:
        """Remove an entry that has none below it."""
        return await self._ask(lambda connection: connection.delete(dn))

    async def server_info(self) -> Mapping[str, list[str]]:
        """The root entry's attributes in lower case: naming contexts, controls, vendor."""
        connection = await self._open()
        raw = connection.server.info.raw if connection.server.info else {}
        return {
            name.lower(): [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
            for name, values in raw.items()
        }

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _cut(connection)

    async def _ask(self, call: Callable[[ldap3.Connection], object]) -> Answer:
        async with self._turn:
            answer = await self._answer(call)
        if answer.code in _AUTH:
            raise AuthFailed(f"the directory does not permit it: {answer.text}", extra={"kind": "permission"})
        if answer.code in _BUSY:
            raise RateLimited(f"the directory is busy: {answer.text}")
        return answer

    async def _answer(self, call: Callable[[ldap3.Connection], object]) -> Answer:
        connection = await self._open()

        def ask() -> Answer:
            call(connection)
            result = connection.result or {}
            return Answer(
                code=int(result.get("result", -1)),
                text=str(result.get("message") or result.get("description") or "")[:300],
                messages=list(connection.response or ()),
                controls=result.get("controls") or {},
            )

        return await self._bounded(ask, connection, self._config.settings.timeout_seconds)

    async def _bounded(self, call: Callable[[], T], connection: ldap3.Connection, seconds: float) -> T:
        from ldap3.core import exceptions

        try:
            async with asyncio.timeout(seconds):
                return await in_thread(call)
        except (TimeoutError, asyncio.CancelledError) as error:
            _cut(connection)  # the thread that reads from it ends with it
            self._connection = None
            if isinstance(error, TimeoutError):
                raise Timeout(f"the directory did not answer within {seconds:g} s") from None
            raise
        except ConnectorError:  # an answer beyond all bounds, of which more may come; a sign-in that was refused
            _cut(connection)
            self._connection = None
            raise
        except (exceptions.LDAPExceptionError, OSError) as error:
            _cut(connection)
            self._connection = None
            raise _mapped(error) from None
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            # what the library makes of bytes that are no LDAP
            _cut(connection)
            self._connection = None
            raise BadReply(f"the directory answered something that is no LDAP ({type(error).__name__})") from None

    async def _open(self) -> ldap3.Connection:
        if self._connection is not None:
            return self._connection
        config, settings = self._config, self._config.settings
        addresses = await resolve_host(config.host, config.port, REGISTERED_SYSTEMS)
        failure: ConnectorError | None = None
        for _, address in addresses:
            connection = self._prepared(address)
            try:
                await self._bounded(partial(self._bind, connection), connection, settings.connect_timeout_seconds)
            except ConnectorError as error:
                failure = error
                if isinstance(error, AuthFailed):
                    raise
                continue
            self._connection = connection
            return connection
        raise failure or unreachable("dns", f"{config.host} has no address")

    def _prepared(self, address: str) -> ldap3.Connection:
        import ldap3

        config, settings = self._config, self._config.settings
        tls = ldap3.Tls(
            validate=ssl.CERT_REQUIRED if settings.verify_certificate else ssl.CERT_NONE,
            ca_certs_file=settings.ca_file or None,
            valid_names=[config.host],
            sni=config.host,
        )
        server = ldap3.Server(
            address,
            port=config.port,
            use_ssl=config.tls,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=settings.connect_timeout_seconds,
        )
        login = config.credentials
        return ldap3.Connection(
            server,
            user=login.username or None,
            password=login.password.get_secret_value() or None,
            authentication=ldap3.SIMPLE if login.username else ldap3.ANONYMOUS,
            auto_referrals=False,  # another server is another system, with other addresses allowed
            check_names=False,
            raise_exceptions=False,
            receive_timeout=math.ceil(settings.timeout_seconds),
            return_empty_attributes=False,
        )

    def _bind(self, connection: ldap3.Connection) -> None:
        import ldap3

        connection.open(read_server_info=False)
        if self._config.settings.start_tls and not self._config.tls:
            connection.start_tls(read_server_info=False)
        if not connection.bind(read_server_info=False):
            result = connection.result or {}
            raise AuthFailed(
                f"the directory refused our sign-in: {result.get('description', '')} {result.get('message') or ''}"[
                    :300
                ],
                extra={"kind": "auth"},
            )
        connection.server.get_info = ldap3.DSA
        connection.server.get_info_from_server(connection)
        read_entries_quickly(connection)


def _cut(connection: ldap3.Connection) -> None:
    with contextlib.suppress(Exception):  # it is of no use any more, whatever state it is in
        if connection.socket is not None:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.socket.close()


def _mapped(error: Exception) -> ConnectorError:
    from ldap3.core import exceptions as ldap

    text = str(error).split("\n", 1)[0][:200]
    if isinstance(error, ldap.LDAPSocketReceiveError) and "timed out" in text:
        return Timeout("the directory did not answer in time")
    if (
        isinstance(error, ldap.LDAPStartTLSError | ldap.LDAPSSLConfigurationError | ssl.SSLError)
        or "certificate" in text
    ):
        return unreachable("tls", f"TLS to the directory failed: {text}")
    if isinstance(error, ldap.LDAPInvalidFilterError | ldap.LDAPInvalidDnError | ldap.LDAPAttributeError):
        return BadReply(f"the directory can't be asked this: {text}")
    if "timed out" in text:
        return Timeout("the directory did not accept us in time")
    return unreachable("tcp", f"no connection to the directory: {text}")

"""One HTTP request and its reply over one new connection: what is read, how much of it, and how failures are told.

As tolerant of a server as a browser: large headers, bodies cut short, early hints, bytes of any encoding.
Where to connect, redirects and time limits belong to `core.http_client`.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from opsteward.core.errors import BadReply, ConnectorError
from opsteward.core.http_client.reply import HttpReply, safe_url, unreachable
from opsteward.core.http_client.reply_head import first_head
from opsteward.core.json_types import JsonObject
from opsteward.core.tls_look import trusting

#: What browsers take: one header of 64 KB, 256 KB of headers in all.
_HEADER_BYTES_LIMIT = 64 * 1024
_HEAD_BYTES_LIMIT = 256 * 1024
_HEADER_COUNT_LIMIT = 2_000
_EPOCH_EXPIRY = re.compile(r";\s*expires=[^;]*\b(?:1970|70)\b[^;]*", re.IGNORECASE)
#: Bodies of these types go on for as long as somebody listens: their head is the whole answer.
_ENDLESS_TYPES = frozenset({"text/event-stream", "multipart/x-mixed-replace"})


def cookies_of_one_fetch() -> aiohttp.CookieJar:
    """An empty jar, to be dropped after the fetch. Cookies go back as they came: browsers quote nothing."""
    return _Cookies(unsafe=True, quote_cookie=False)


class _Cookies(aiohttp.CookieJar):
    """The library takes the usual way to delete a cookie, an expiry at the very start of 1970, for no expiry at all."""

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        told = [h if "max-age" in h.lower() else _EPOCH_EXPIRY.sub("; Max-Age=0", h) for h in headers]
        super().update_cookies_from_headers(told, response_url)


def cookie_header(cookies: aiohttp.CookieJar, url: str) -> str:
    """The cookies that this address would be sent."""
    return cookies.filter_cookies(URL(url, encoded=True)).output(header="", sep=";")


async def exchange(
    url: str,
    *,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    addresses: Sequence[tuple[socket.AddressFamily, str]],
    cookies: aiohttp.CookieJar,
    max_bytes: int,
    skip_redirect_body: bool,
    authority: str = "",
) -> HttpReply:
    """The reply to one request, sent to one of the addresses. Raises Unreachable or BadReply; no time limit here."""
    connector = aiohttp.TCPConnector(
        resolver=cast("AbstractResolver", _PinnedAddresses(addresses)), use_dns_cache=False, force_close=True
    )
    # The library's parser takes well-formed heads only, and counts each header, not their sum.
    connector._factory = cast(
        "partial[ResponseHandler]", partial(_TolerantReply, method=method, loop=asyncio.get_running_loop())
    )
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,  # a small compressed body may unpack to any size
                cookie_jar=cookies,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                max_line_size=_HEADER_BYTES_LIMIT,
                max_field_size=_HEADER_BYTES_LIMIT,
                max_headers=_HEADER_COUNT_LIMIT,
            ) as session,
            session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
                ssl=trusting(authority) if authority else True,
            ) as response,
        ):
            head = HttpReply(
                url=safe_url(url), status=response.status, headers=_headers(response), body=b"", truncated=True
            )
            if (skip_redirect_body and head.redirects_to) or response.content_type.lower() in _ENDLESS_TYPES:
                return head
            content, truncated, incomplete = await _read_body(response.content, max_bytes)
            return HttpReply(
                url=head.url,
                status=head.status,
                headers=head.headers,
                body=content,
                truncated=truncated,
                incomplete=incomplete,
            )
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        if isinstance(exc, TimeoutError):
            raise
        # Not chained: aiohttp's own text can hold the whole URL, and with it a token.
        raise _mapped(exc, safe_url(url)) from None


class HeadTooLarge(ValueError):
    """The headers of a reply have no end within the bound."""


class _TolerantReply(ResponseHandler):
    """Puts the head of the reply right before it is parsed, bounds it, and drops what follows the body.

    Early hints count towards the bound: a server that never comes to its answer is told apart from a large one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, method: str) -> None:
        super().__init__(loop)
        self._method = method
        self._head = b""
        self._head_bytes = 0
        self._in_body = False
        self._body_left: int | None = None

    def data_received(self, data: bytes) -> None:
        if not data or self._in_body:
            self._pass_body(data)
            return
        self._head += data
        self._head_bytes += len(data)
        try:
            while not self._in_body and (head := first_head(self._head, method=self._method)):
                rest, self._head = self._head[head.size :], b""
                super().data_received(head.content)
                if head.status >= 200 or head.status == 101:
                    self._in_body, self._body_left = True, head.body_length
                    self._pass_body(rest)
                else:
                    self._head = rest
        except ValueError as exc:
            self._give_up(exc)
        if not self._in_body and self._head_bytes > _HEAD_BYTES_LIMIT:
            self._give_up(HeadTooLarge())

    def _pass_body(self, data: bytes) -> None:
        if self._body_left is not None:
            data = data[: self._body_left]
            self._body_left -= len(data)
        if data:
            super().data_received(data)
        broken, payload = self.exception(), self._payload
        if broken is not None and payload is not None and not payload.is_eof():
            # the parser tells it to who waits for a head only: who reads the body would wait for ever
            payload.set_exception(aiohttp.ClientPayloadError("a body that can't be parsed"))

    def _give_up(self, reason: ValueError) -> None:
        self._head, self._in_body, self._body_left = b"", True, 0
        if self.transport is not None:
            self.transport.abort()
        self.set_exception(reason)


class _PinnedAddresses:
    """A resolver for aiohttp that knows only the addresses which passed the policy."""

    def __init__(self, addresses: Sequence[tuple[socket.AddressFamily, str]]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[JsonObject]:
        return [
            {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
            for kind, address in self._addresses
            if family in (0, kind)
        ]

    async def close(self) -> None:
        return None


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Of each name the first value. What is no UTF-8 is read as Latin-1; in an address its bytes stay what they are."""
    seen: dict[str, str] = {}
    for raw_name, value in response.raw_headers:
        name = raw_name.decode("latin-1").lower()
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = "".join(f"%{b:02X}" if b > 127 and name == "location" else chr(b) for b in value)
        seen.setdefault(name, text.replace("\x00", "\ufffd").strip())
    return seen


async def _read_body(content: aiohttp.StreamReader, max_bytes: int) -> tuple[bytes, bool, bool]:
    """At most `max_bytes` of the body, whether there was more, and whether it was broken off.

    A body broken off before its first byte is no answer: that error is let through.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                return b"".join(chunks)[:max_bytes], True, False
    except (aiohttp.ClientError, OSError) as exc:
        if not size or isinstance(exc, TimeoutError):
            raise
        return b"".join(chunks), False, True
    return b"".join(chunks), False, False


def _mapped(exc: Exception, where: str) -> ConnectorError:
    """Our error for one of aiohttp's."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        reason = getattr(exc.certificate_error, "verify_message", "") or "the certificate is not trusted"
        return unreachable("tls", f"TLS to {where} failed: {reason}")
    if isinstance(exc, aiohttp.ClientSSLError):
        reason = getattr(exc.os_error, "reason", "") or "the handshake failed"
        return unreachable("tls", f"TLS to {where} failed: {reason}")
    if isinstance(exc, aiohttp.ClientConnectorError):
        return unreachable("tcp", f"No connection to {where}: {exc.os_error.strerror or 'connection failed'}")
    if isinstance(exc, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError)):
        return unreachable("broken", f"{where} closed the connection without an answer")
    if isinstance(exc, aiohttp.ClientPayloadError):
        return BadReply(f"{where} broke its answer off", extra={"kind": "broken"})
    if isinstance(exc, HeadTooLarge):
        return BadReply(f"{where} sent more than {_HEAD_BYTES_LIMIT // 1024} KB of headers")
    return BadReply(f"{where} did not answer in valid HTTP")

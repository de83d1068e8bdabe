"""Messages of Amazon's Simple Notification Service: their signature, and the confirmation of a subscription.

The certificate is fetched from Amazon alone (by host, over TLS, never to an address of a private network) and kept.
A subscription is confirmed only for topics that the tenant has allowed, and only when its request is signed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from opsteward.core.clock import now
from opsteward.core.errors import BadReply, Denied, Unauthenticated
from opsteward.core.http_client import HttpClient, NetworkPolicy
from opsteward.core.json_types import Json

TYPES = frozenset({"Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"})
_AMAZON = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?")
_CONFIRMED_FIELDS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_NOTIFIED_FIELDS = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CERTIFICATES_LIMIT = 50
_KEPT_FOR = timedelta(hours=24)
_OLDEST = timedelta(hours=24)  # its own retries come to an end long before
_FETCH_SECONDS = 5.0


class SnsMessages:
    """One per process; keeps certificates."""

    def __init__(self, endpoints: tuple[str, ...] = ()) -> None:
        """`endpoints`: origins that are believed besides Amazon's."""
        self._endpoints = frozenset(endpoints)
        hosts = frozenset(urlsplit(one).hostname or "" for one in endpoints)
        policy = NetworkPolicy(allowed_hosts=hosts)
        self._http = HttpClient(policy, timeout=_FETCH_SECONDS, max_bytes=64 * 1024, max_redirects=0)
        self._certificates: dict[str, tuple[datetime, bytes]] = {}
        self._one_fetch = asyncio.Lock()

    async def check(self, body: Json, topics: tuple[str, ...]) -> None:
        """Whether the body is a message of one of these topics, as its service signed it.

        Raises Denied for another topic, Unauthenticated for what is not signed, ConnectorError without a certificate.
        """
        message = _texts(body)
        if message.get("Type") not in TYPES:
            raise Unauthenticated(
                "this is no signed message of SNS", remedy="switch raw message delivery off, or allow no topics here"
            )
        if message.get("TopicArn") not in topics:
            raise Denied("this topic is not allowed here", remedy="add it to the topics of this source")
        sent_at = _instant(message.get("Timestamp", ""))
        if sent_at is None or abs(now() - sent_at) > _OLDEST:
            raise Unauthenticated("the message is more than a day from our clock")
        certificate = await self._certificate(message.get("SigningCertURL") or message.get("SigningCertUrl", ""))
        _verify(certificate, message)

    async def confirm(self, body: Json) -> str | None:
        """Confirm the subscription that a checked message asks to confirm; gives its topic. None: it asks for nothing.

        Raises ConnectorError, or Denied for an address that is not of the service.
        """
        message = _texts(body)
        if message.get("Type") != "SubscriptionConfirmation":
            return None
        url = self._believed(message.get("SubscribeURL", ""), "SubscribeURL")
        reply = await self._http.fetch(url)
        if reply.status != 200:
            raise BadReply(f"the subscription could not be confirmed: status {reply.status}")
        return message["TopicArn"]

    async def _certificate(self, url: str) -> bytes:
        url = self._believed(url, "SigningCertURL")
        async with self._one_fetch:
            kept = self._certificates.get(url)
            if kept is not None and now() - kept[0] < _KEPT_FOR:
                return kept[1]
            reply = await self._http.fetch(url)
            if 400 <= reply.status < 500 or reply.truncated:
                raise Unauthenticated("the certificate that the message names does not exist")
            if reply.status != 200:
                raise BadReply(f"the certificate of SNS could not be fetched: status {reply.status}")
            if len(self._certificates) >= _CERTIFICATES_LIMIT:
                self._certificates.clear()
            self._certificates[url] = (now(), reply.body)
            return reply.body

    def _believed(self, url: str, field: str) -> str:
        """The address, if it is of the service itself. Raises Denied."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname or ""
        except ValueError:
            raise Denied(f"{field} is no address") from None
        if f"{parts.scheme}://{parts.netloc}" in self._endpoints:
            return url
        plain = parts.netloc == host and port is None
        if parts.scheme != "https" or not plain or not _AMAZON.fullmatch(host) or not url.isascii():
            raise Denied(f"{field} is not of sns.<region>.amazonaws.com")
        return url


def _texts(body: Json) -> Mapping[str, str]:
    return {k: v for k, v in body.items() if isinstance(v, str)} if isinstance(body, dict) else {}


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _verify(certificate: bytes, message: Mapping[str, str]) -> None:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    fields = _NOTIFIED_FIELDS if message["Type"] == "Notification" else _CONFIRMED_FIELDS
    signed = "".join(f"{name}\n{message[name]}\n" for name in fields if name in message)
    algorithm = {"1": SHA1(), "2": SHA256()}.get(message.get("SignatureVersion", ""))  # noqa: S303 -- it is theirs
    try:
        loaded = x509.load_pem_x509_certificate(certificate)
        key = loaded.public_key()
        if algorithm is None or not isinstance(key, rsa.RSAPublicKey):
            raise ValueError("neither version 1 nor 2")
        if not loaded.not_valid_before_utc <= now() <= loaded.not_valid_after_utc:
            raise ValueError("the certificate is not of this time")
        signature = base64.b64decode(message.get("Signature", ""), validate=True)
        key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm)
    except (ValueError, binascii.Error, InvalidSignature):
        raise Unauthenticated("the signature of this message of SNS is missing or wrong") from None

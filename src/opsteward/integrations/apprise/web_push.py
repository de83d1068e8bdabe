"""Tells browsers by Web Push (RFC 8030): encrypted for each of them (RFC 8291), signed as ours (RFC 8292).

A browser that wants to be told is a URL of a route like any other, `webpush://` with its subscription. Its address at
its vendor's push service comes from a browser, so it is held against the guard of `core.http_client`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opsteward.core.errors import ConnectorError, Invalid
from opsteward.core.http_client import HttpClient, NetworkPolicy
from opsteward.integrations.apprise import push_encryption

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

SCHEME = "webpush"
_KEEP_SECONDS = 4 * 3600  # how long a push service keeps what a browser can't take yet
_TOKEN_SECONDS = 12 * 3600  # of at most 24 h
_TITLE_LIMIT, _BODY_LIMIT = 200, 400  # characters; a push service takes 4096 bytes, whatever these are written as
_SEND_SECONDS = 10.0
_POINT_BYTES, _AUTH_BYTES = 65, 16
_ENDPOINT_LIMIT = 1_000  # characters
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256
_GONE = (404, 410)


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A browser: its address at its push service and its two keys, base64url; `site` is our address as it knows it."""

    endpoint: str
    p256dh: str
    auth: str = field(repr=False)
    site: str

    @property
    def url(self) -> str:
        """As a URL of a route. It holds secrets."""
        return f"{SCHEME}://{base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()}"

    @property
    def service(self) -> str:
        """The host of its push service."""
        return urlsplit(self.endpoint).hostname or ""

    @classmethod
    def of_url(cls, url: str) -> Subscription | None:
        """None for a URL of another service."""
        scheme, _, rest = url.partition("://")
        return cls(**json.loads(base64.urlsafe_b64decode(rest))) if scheme == SCHEME else None


@dataclass(frozen=True, kw_only=True)
class PushMessage:
    """What a browser shows, and the page of ours that opens by it. A later one of the same `tag` takes its place."""

    title: str
    body: str
    path: str

    def content(self) -> bytes:
        """As our service worker reads it."""
        shown = {"title": self.title[:_TITLE_LIMIT], "body": self.body[:_BODY_LIMIT], "path": self.path}
        return json.dumps(shown | {"tag": self.path}, ensure_ascii=False).encode()


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """The push services that took it, those that did not with the reason, and the URLs of browsers that are gone."""

    sent: list[str]
    failed: list[str]
    gone: list[str]


class PushKey:
    """The key by which push services know this installation, of 32 secret bytes."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def _private(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec

        return ec.derive_private_key(int.from_bytes(self._seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())

    def public(self) -> str:
        """What browsers need to subscribe."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        point = self._private().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _encoded(point)

    def authorization(self, one: Subscription) -> str:
        """The header that says who sends."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        service = urlsplit(one.endpoint)
        claims = {
            "aud": f"{service.scheme}://{service.netloc}",
            "exp": int(time.time()) + _TOKEN_SECONDS,
            "sub": one.site if one.site.startswith("https://") else "mailto:opsteward@localhost",
        }
        parts = [_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims)]
        signed = ".".join(parts)
        r, s = decode_dss_signature(self._private().sign(signed.encode(), ec.ECDSA(SHA256())))
        signature = _encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return f"vapid t={signed}.{signature}, k={self.public()}"


def checked_subscription(*, endpoint: str, p256dh: str, auth: str, site: str, hosts: Sequence[str]) -> Subscription:
    """What a browser gave, if a message could be sent by it. `hosts`: push services that may be on private addresses,
    and without TLS. Raises Invalid naming the field."""
    from ipaddress import ip_address

    from cryptography.hazmat.primitives.asymmetric import ec

    remedy = "subscribe anew in the browser"
    try:
        parts = urlsplit(endpoint)
        host = (parts.hostname or "").lower()
        usable = bool(host) and not parts.username and (parts.port is None or parts.port > 0)
    except ValueError:
        host, usable = "", False
    own = host in hosts
    if not usable or len(endpoint) > _ENDPOINT_LIMIT or parts.scheme not in (("https", "http") if own else ("https",)):
        raise Invalid.field("endpoint", "is no https address of a push service", remedy)
    try:
        refusal = NetworkPolicy(allowed_hosts=frozenset(hosts)).refusal(host, str(ip_address(host)))
    except ValueError:
        refusal = None  # a name: it is looked up, and judged, whenever something is sent
    if refusal:
        raise Invalid.field("endpoint", f"is refused: {refusal}", "see OPSTEWARD_NOTIFY_PUSH_HOSTS")
    try:
        point = _decoded(p256dh)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        point = b""
    if len(point) != _POINT_BYTES:
        raise Invalid.field("p256dh", "is no public key of P-256", remedy)
    try:
        secret = _decoded(auth)
    except ValueError:
        secret = b""
    if len(secret) != _AUTH_BYTES:
        raise Invalid.field("auth", f"is not {_AUTH_BYTES} bytes, base64url", remedy)
    return Subscription(endpoint=endpoint, p256dh=_encoded(point), auth=_encoded(secret), site=site)


def encrypted(content: bytes, one: Subscription) -> bytes:
    """For this browser alone."""
    return push_encryption.encrypted(content, _decoded(one.p256dh), _decoded(one.auth))


async def push(urls: Sequence[str], message: PushMessage, key: PushKey, hosts: Sequence[str]) -> Pushed:
    """Send it to each of these browsers, once."""
    http = HttpClient(NetworkPolicy(allowed_hosts=frozenset(hosts)), timeout=_SEND_SECONDS, max_bytes=4096)
    subscriptions = [(url, one) for url in urls if (one := Subscription.of_url(url)) is not None]
    replies = await asyncio.gather(*(_send(http, one, message, key) for _, one in subscriptions))
    sent, failed, gone = [], [], []
    for (url, one), reply in zip(subscriptions, replies, strict=True):
        if isinstance(reply, str):
            failed.append(f"browser ({one.service}): {reply}")
        elif reply in _GONE:
            gone.append(url)
        elif 200 <= reply < 300:
            sent.append(f"browser ({one.service})")
        else:
            failed.append(f"browser ({one.service}): answered {reply}")
    return Pushed(sent=sent, failed=failed, gone=gone)


async def _send(http: HttpClient, one: Subscription, message: PushMessage, key: PushKey) -> int | str:
    """The status, or why there is none."""
    headers = {
        "Authorization": key.authorization(one),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(_KEEP_SECONDS),
        "Urgency": "high",
    }
    try:
        reply = await http.fetch(one.endpoint, method="POST", headers=headers, body=encrypted(message.content(), one))
    except ConnectorError as error:
        return error.detail
    return reply.status


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(words: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode(words.rstrip("=") + "=" * (-len(words.rstrip("=")) % 4), altchars=b"-_", validate=True)

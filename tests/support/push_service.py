"""A push service of browsers on loopback, and the browsers that it reaches: each decrypts what is sent to it."""

from __future__ import annotations

import base64
import hmac
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(words: str) -> bytes:
    return base64.urlsafe_b64decode(words + "=" * (-len(words) % 4))


@dataclass
class Taken:
    """One request: to which path, with which headers (lower case) and body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Browser:
    """A browser that is subscribed."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def form(self) -> dict[str, str]:
        """As a page of ours sends it."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": self.endpoint, "p256dh": encoded(point), "auth": encoded(self.secret)}

    def reads(self, taken: Taken) -> dict[str, Any]:
        """What it is told. Raises for what was not encrypted for it."""
        return dict(json.loads(decrypted(taken.body, self.key, self.secret)))


def decrypted(body: bytes, key: ec.EllipticCurvePrivateKey, secret: bytes) -> bytes:
    """As a browser does it (RFC 8291, sections 3.3 and 4): the keys by HMAC alone."""
    own = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    salt, sender, sealed = body[:16], body[21 : 21 + body[20]], body[21 + body[20] :]
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    material = _hmac(_hmac(secret, shared), b"WebPush: info\0" + own + sender + b"\1")
    root = _hmac(salt, material)
    content_key = _hmac(root, b"Content-Encoding: aes128gcm\0\1")[:16]
    nonce = _hmac(root, b"Content-Encoding: nonce\0\1")[:12]
    plain, mark = AESGCM(content_key).decrypt(nonce, sealed, None).rstrip(b"\0").rsplit(b"\2", 1)
    assert mark == b""
    return plain


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


@dataclass
class PushService:
    """`status` is what it answers, but for the browsers (by their address) that are `gone`."""

    port: int
    status: int = 201
    gone: set[str] = field(default_factory=set)
    taken: list[Taken] = field(default_factory=list)

    def browser(self, name: str) -> Browser:
        return Browser(endpoint=f"http://127.0.0.1:{self.port}/{name}")

    def sent_to(self, browser: Browser) -> list[dict[str, Any]]:
        """What this browser was told."""
        return [browser.reads(one) for one in self.taken if browser.endpoint.endswith(one.path)]


def sender_of(taken: Taken) -> dict[str, Any]:
    """The claims of who sent it, and its key as `k`. Raises for a signature that is not of that key."""
    scheme, _, rest = taken.headers["authorization"].partition(" ")
    assert scheme == "vapid"
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    head, claims, signature = given["t"].split(".")
    raw = decoded(signature)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(given["k"]))
    signed = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        key.verify(signed, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise AssertionError("the signature is not of this key") from None
    return {**json.loads(decoded(claims)), "k": given["k"]}


@contextmanager
def push_service() -> Iterator[PushService]:
    """Takes every message and answers with its status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            service.taken.append(Taken(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            gone = any(endpoint.endswith(self.path) for endpoint in service.gone)
            self.send_response(410 if gone else service.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = PushService(port=server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()

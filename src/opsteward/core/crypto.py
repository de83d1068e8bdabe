"""Secrets: encryption at rest, token hashes, and passwords derived for our own database roles.

All of it hangs on one key of 32 bytes: see `core.secret_key`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import replace
from typing import Any

from opsteward.core.credential_keys import ID_BYTES, CredentialKeys
from opsteward.core.errors import Invalid

TOKEN_PREFIX = "ops_"  # noqa: S105 - how our tokens start, so that scanners and redaction find them


def new_token() -> str:
    """A new secret token of 256 random bits; only its hash is stored."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """SHA-256 is enough: the token has full entropy, so there is nothing to guess."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces. What is hashed or signed passes through here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """SHA-256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def keyed_digest(value: object, key: bytes) -> str:
    """HMAC-SHA256 (hex) of the canonical JSON of a value: nobody without the key can make or check it."""
    return hmac.new(key, canonical_json(value).encode(), hashlib.sha256).hexdigest()


#: What encrypted bytes start with: by the installation's secret key, or by the key whose id follows.
_OWN_KEY, _NAMED_KEY = b"\x01", b"\x02"


class SecretBox:
    """Encrypts with AES-256-GCM under a key derived from the installation's secret."""

    def __init__(self, secret: bytes, keys: CredentialKeys | None = None) -> None:
        """`keys` encrypt credentials instead, where there are some."""
        if len(secret) < 32:
            raise Invalid.field("OPSTEWARD_SECRET_KEY", "shorter than 32 bytes", "use 32 random bytes, base64")
        self._secret = secret
        self._keys = keys

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).digest()

    def role_password(self, role: str) -> str:
        """The password of one of our own database roles: the same in every process that has the secret."""
        return base64.urlsafe_b64encode(self._derive(f"database role {role}")).decode().rstrip("=")

    def session_secret(self) -> str:
        """Signs the console's browser storage."""
        return self._derive("console storage").hex()

    def audit_key(self) -> bytes:
        """Keys the audit log's chain (32 bytes), so that who may write to the database can't make it anew."""
        return self._derive("audit chain")

    def push_seed(self) -> bytes:
        """What our key at the push services of browsers is made of (32 bytes)."""
        return self._derive("web push")

    def fingerprint(self) -> str:
        """Tells this key from another, and nothing more: what it encrypted can't be read with it."""
        return self._derive("fingerprint").hex()[:16]

    def encrypt(self, value: object, *, bound_to: str) -> bytes:
        """`bound_to` (say, tenant and system) must be given again to decrypt: a copied cell opens nothing."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, plain = os.urandom(12), canonical_json(value).encode()
        current = self._keys.current() if self._keys else None
        if current is None:
            return _OWN_KEY + nonce + AESGCM(self._derive("credentials")).encrypt(nonce, plain, bound_to.encode())
        key_id, key = current
        return _NAMED_KEY + key_id + nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())

    def is_current(self, sealed: bytes) -> bool:
        """Whether this was encrypted with the key that new credentials are encrypted with."""
        current = self._keys.current() if self._keys else None
        return sealed.startswith(_OWN_KEY if current is None else _NAMED_KEY + current[0])

    def encrypt_anew(self, sealed: bytes, *, bound_to: str, of: str) -> bytes | None:
        """The same with the key that new credentials are encrypted with; None: it is already. Raises Invalid that says
        `of` what the credentials are which can't be read."""
        if self.is_current(sealed):
            return None
        try:
            return self.encrypt(self.decrypt(sealed, bound_to=bound_to), bound_to=bound_to)
        except Invalid as error:
            problems = [replace(one, problem=f"those of {of} {one.problem}") for one in error.problems]
            raise Invalid(problems=problems) from None

    def decrypt(self, sealed: bytes, *, bound_to: str) -> Any:
        """Raises Invalid when the key or the binding is another one."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key: bytes | None = self._derive("credentials")
        content = sealed[1:]
        if sealed.startswith(_NAMED_KEY):
            key = self._keys.find(content[:ID_BYTES]) if self._keys else None
            content = content[ID_BYTES:]
        if key is None:
            raise Invalid.field(
                "credentials",
                "are encrypted with a key that is not here",
                "put back credentials.keys of this installation, or store them again",
            )
        try:
            plain = AESGCM(key).decrypt(content[:12], content[12:], bound_to.encode())
        except InvalidTag:
            raise Invalid.field(
                "credentials",
                "can't be decrypted with this secret key",
                "set OPSTEWARD_SECRET_KEY to the key they were stored with, or store them again",
            ) from None
        return json.loads(plain)

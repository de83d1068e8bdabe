"""Messages that only one browser can read: RFC 8291, which is RFC 8188's content coding with a key made for it."""

from __future__ import annotations

import os
import struct

_RECORD_BYTES = 4096  # all of a message is one record
_LAST_RECORD = b"\x02"


def encrypted(content: bytes, receiver: bytes, secret: bytes, *, salt: bytes = b"", private_value: int = 0) -> bytes:
    """`receiver`: the browser's point of P-256; `secret`: what it shares with us. Whoever carries the message can't
    read it. `salt` and `private_value` are made anew for each unless they are given. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve = ec.SECP256R1()
    own = ec.derive_private_key(private_value, curve) if private_value else ec.generate_private_key(curve)
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, receiver))
    salt = salt or os.urandom(16)
    material = _derived(shared, secret, b"WebPush: info\0" + receiver + point, 32)
    key = _derived(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(material, salt, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(key).encrypt(nonce, content + _LAST_RECORD, None)
    if len(sealed) > _RECORD_BYTES:
        raise ValueError("the message is too long for one record")
    return salt + struct.pack(">IB", _RECORD_BYTES, len(point)) + point + sealed


def _derived(secret: bytes, salt: bytes, about: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt, about).derive(secret)

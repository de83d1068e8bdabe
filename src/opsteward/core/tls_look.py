"""A look at a server's TLS: does it speak it, in which protocol, and what is wrong with its certificate.

One handshake that verifies as any client does; where that fails, a second one that only looks, for the evidence.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

Problem = Literal["", "expired", "not_yet_valid", "name", "chain", "untrusted", "old_protocol", "not_spoken", "refused"]

#: OpenSSL's verify codes.
_PROBLEMS: dict[int, Problem] = {9: "not_yet_valid", 10: "expired", 62: "name", 64: "name", 18: "untrusted"}


@dataclass(frozen=True, kw_only=True)
class TlsSeen:
    """What the handshake showed. `days` until the certificate ends; `sent`: how many certificates were sent along."""

    problem: Problem
    detail: str = ""
    protocol: str = ""
    days: float | None = None
    names: list[str] = field(default_factory=list)
    issuer: str = ""
    sent: int | None = None


@lru_cache(maxsize=64)
def trusting(authority: str) -> ssl.SSLContext:
    """A context that trusts this machine's authorities and those of `authority` (PEM). Raises ValueError for no PEM."""
    context = ssl.create_default_context()
    if authority:
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError("it holds no certificate in PEM form") from error
    return context


def look_at_tls(address: str, port: int, name: str, *, authority: str, timeout: float) -> TlsSeen:
    """Blocking; at most three connections, each for `timeout` seconds. Raises OSError where none is made."""
    try:
        with _connected(address, port, timeout) as plain:
            context = trusting(authority)
            with context.wrap_socket(plain, server_hostname=name) as secure:
                return _described(secure, "")
    except ssl.SSLCertVerificationError as error:
        problem = _PROBLEMS.get(error.verify_code, "untrusted")
        seen = _unverified(address, port, name, timeout)
        if problem == "untrusted" and seen.sent == 1 and error.verify_code in (20, 21):
            problem = "chain"
        return replace(seen, problem=problem, detail=error.verify_message or "it is not trusted")
    except ssl.SSLError as error:
        reason = (error.reason or "handshake failed").replace("_", " ").lower()
        seen = _unverified(address, port, name, timeout)
        if seen.protocol:
            return replace(seen, problem="old_protocol", detail=f"it speaks only {seen.protocol} ({reason})")
        return TlsSeen(problem="not_spoken" if _answers_in_plain(error) else "refused", detail=reason)
    except TimeoutError:
        # many plain servers wait for more of what they take for a request
        if _speaks_plain_http(address, port, name, timeout):
            return TlsSeen(problem="not_spoken", detail="it speaks HTTP without TLS")
        raise
    except (ConnectionResetError, BrokenPipeError):
        return TlsSeen(problem="refused", detail="it closed the connection in the middle of the handshake")


_OF_PLAIN_ANSWERS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


def _answers_in_plain(error: ssl.SSLError) -> bool:
    return (error.reason or "") in _OF_PLAIN_ANSWERS


def _speaks_plain_http(address: str, port: int, name: str, timeout: float) -> bool:
    try:
        with _connected(address, port, timeout / 2) as plain:
            plain.sendall(f"HEAD / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode("ascii", "replace"))
            return plain.recv(5) == b"HTTP/"
    except OSError:
        return False


def _connected(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout=timeout)


def _unverified(address: str, port: int, name: str, timeout: float) -> TlsSeen:
    """What is sent, whoever sends it: nothing is sent back, and nothing is trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with _connected(address, port, timeout) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
            return _described(secure, "")
    except OSError:
        return TlsSeen(problem="")


def _described(secure: ssl.SSLSocket, problem: Problem) -> TlsSeen:
    from cryptography import x509

    raw = secure.getpeercert(binary_form=True)
    chain = getattr(getattr(secure, "_sslobj", None), "get_unverified_chain", None)
    sent = len(chain() or ()) if chain is not None else None
    protocol = secure.version() or ""
    if raw is None:
        return TlsSeen(problem=problem, protocol=protocol, sent=sent)
    try:
        certificate = x509.load_der_x509_certificate(raw)
        ends = certificate.not_valid_after_utc
        issuer = certificate.issuer.rfc4514_string()[:200]
        try:
            alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = [str(each.value) for each in alternatives][:20]
        except x509.ExtensionNotFound:
            names = []
    except ValueError:
        return TlsSeen(problem=problem, protocol=protocol, sent=sent)
    days = (ends - datetime.now(UTC)).total_seconds() / 86_400
    return TlsSeen(problem=problem, protocol=protocol, days=round(days, 2), names=names, issuer=issuer, sent=sent)

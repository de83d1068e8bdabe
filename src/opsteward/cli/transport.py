"""One HTTP request after another to one address, by the standard library alone: a command starts in half the time.

TLS, proxies of the environment and timeouts work as elsewhere. What is a redirect is the caller's to judge.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

_LOOPBACK = ("localhost", "127.", "[::1]", "::1")
#: What OpenSSL finds wrong with a certificate, in our words.
_UNTRUSTED = {
    9: "is not valid yet", 10: "has expired", 18: "is signed by itself", 19: "is signed by an unknown authority",
    20: "is signed by an unknown authority", 21: "is signed by an unknown authority", 62: "is for another host name",
    64: "is for another address",
}  # fmt: skip


class NoAnswer(Exception):
    """The request came to no answer of HTTP: `problem` says why, `remedy` what may help."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Answer:
    """What came back; `kind` is its content type without parameters."""

    status: int
    kind: str
    location: str
    body: bytes


class Transport:
    """Requests to the address `url` (its path is put before each request's). `timeout`: seconds without a byte."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Raises NoAnswer for what is no address."""
        self._to = _parts(url)
        self._timeout = timeout

    def request(self, method: str, target: str, *, headers: Mapping[str, str], body: _Body = None) -> Answer:
        """Send and read it all. A body in pieces is sent as they come. Raises NoAnswer."""
        with self._asked(method, target, headers, body) as response:
            return self._answer(response, response.read())

    @contextmanager
    def streamed(
        self, method: str, target: str, *, headers: Mapping[str, str]
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """The answer without its body, and the body in blocks. Raises NoAnswer."""
        with self._asked(method, target, headers, None) as response:
            blocks = iter(lambda: response.read(256 * 1024), b"")
            yield self._answer(response, b""), blocks

    @staticmethod
    def _answer(response: http.client.HTTPResponse, body: bytes) -> Answer:
        kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        return Answer(response.status, kind, response.getheader("Location") or "", body)

    @contextmanager
    def _asked(
        self, method: str, target: str, headers: Mapping[str, str], body: _Body
    ) -> Iterator[http.client.HTTPResponse]:
        connection, target, further = self._connection(self._to.path.rstrip("/") + target)
        try:
            with _in_words(self._to, self._timeout):
                own = {"Connection": "close", "Accept": "application/json", **further, **headers}
                with suppress(BrokenPipeError, ConnectionResetError):  # who refuses a long body says so and closes
                    connection.request(method, target, body=body, headers=own)
                yield connection.getresponse()
        finally:
            connection.close()

    def _connection(self, target: str) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """(an unopened connection, what to ask for on it, headers for a proxy)."""
        host, port, secure = self._to.hostname or "", self._to.port, self._to.scheme == "https"
        proxy = _proxy(self._to)
        if proxy is None:
            return self._opened(host, port, secure=secure), target, {}
        sign_in = _proxy_headers(proxy)
        if not secure:
            connection = self._opened(proxy.hostname or "", proxy.port, secure=proxy.scheme == "https")
            return connection, f"http://{self._to.netloc.rpartition('@')[2]}{target}", sign_in
        tunnel = self._opened(proxy.hostname or "", proxy.port or 8080, secure=True)
        tunnel.set_tunnel(host, port or 443, headers=sign_in)
        return tunnel, target, {}

    def _opened(self, host: str, port: int | None, *, secure: bool) -> http.client.HTTPConnection:
        if secure:
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=_trust())
        return http.client.HTTPConnection(host, port, timeout=self._timeout)


_Body = bytes | Iterable[bytes] | None


def _parts(url: str) -> SplitResult:
    remedy = "give it as http://host:port or https://host"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise NoAnswer(f"{url!r} is no address", remedy) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoAnswer(f"{url!r} is no address", remedy)
    return parts


def _trust() -> ssl.SSLContext:
    """The system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    return ssl.create_default_context()


def _proxy(to: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for this address. Raises NoAnswer for one of a kind that is not served."""
    host = to.hostname or ""
    if host.startswith(_LOOPBACK) or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    found = proxies.get(to.scheme) or proxies.get("all")
    if not found or proxy_bypass(host):
        return None
    proxy = urlsplit(found if "://" in found else f"http://{found}")
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise NoAnswer(
            f"a {proxy.scheme} proxy is not served", f"set {to.scheme}_proxy to an http:// one, or no_proxy to {host}"
        )
    return proxy


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    secret = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(secret.encode()).decode()}


@contextmanager
def _in_words(to: SplitResult, timeout: float) -> Iterator[None]:
    """What the network does to a request, as NoAnswer in our words."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        fault = _UNTRUSTED.get(error.verify_code, "is not trusted")
        raise NoAnswer(f"its certificate {fault}", "SSL_CERT_FILE names a file of authorities to trust") from None
    except ssl.SSLError:
        raise NoAnswer("what listens there speaks no TLS", "try http:// instead of https://") from None
    except TimeoutError:
        raise NoAnswer(f"no answer within {timeout:g} s", "look whether it is up, and try again") from None
    except socket.gaierror:
        raise NoAnswer(f"there is no host {to.hostname}", "correct the address") from None
    except ConnectionRefusedError:
        raise NoAnswer("nothing listens there", "start one with 'opsteward up', or set OPSTEWARD_URL") from None
    except (ConnectionError, http.client.RemoteDisconnected, http.client.IncompleteRead):
        raise NoAnswer("the connection was closed before the answer was complete", "try again") from None
    except http.client.HTTPException:
        raise NoAnswer("what answers there speaks no HTTP", "correct the address") from None
    except OSError as error:
        raise NoAnswer(
            f"the connection failed: {error.strerror or 'no reason was given'}", "look at the network"
        ) from (None)

"""Credentials of senders that can't send a bearer token: taken from where they can put one, for the intake alone.

The address that is logged and shown from then on no longer holds the token.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from opsteward.integrations.pagerduty.events_v2 import KEY_FIELDS
from opsteward.integrations.sentry.envelopes import key_in_envelope

#: What begins an address at which a token may come otherwise than as a bearer token.
INTAKE = ("/api/v1/intake/", "/api/v2/alerts")
#: Addresses of other products' protocols, at which their own clients send here.
OTLP = "/v1/logs"
PAGERDUTY_V1 = "/generic/2010-04-15/create_event.json"
PAGERDUTY = ("/v2/enqueue", "/v2/change/enqueue", PAGERDUTY_V1)
OPSGENIE = re.compile(r"/v2/alerts(?:/.*)?")
#: Its key stands in the path, before the routing key, and is taken out of it.
VICTOROPS = re.compile(r"(/integrations/generic/[0-9]{8}/alert)(?:/([^/]*))?(/[^/]*)?/?")
SENTRY = re.compile(r"/api/([0-9]{1,19})/(?:envelope|store)/?")
#: How a DSN's key is handed on: it is no token, and admits to Sentry's addresses alone.
DSN_SCHEME = "DSN"
#: Most bytes of a body that may be read to find out who sends it.
KEYED_BYTES_LIMIT = 1_048_576
_QUERY_NAMES = ("token", "api_key", "apikey")
_HEADERS = (b"x-opsteward-token", b"x-api-key", b"x-gitlab-token")
_SENTRY_KEY = re.compile(r"\bsentry_key=([A-Za-z0-9_-]{1,200})")
_TOKEN_LIMIT = 1_000
_SCHEMES = ("token", "geniekey", "apikey", "splunk")


def adopt(scope: Scope) -> None:
    """Put the sender's token into the Authorization header: of another header, basic auth, or `?token=`."""
    if scope["type"] != "http":
        return
    if SENTRY.fullmatch(scope["path"]):
        _adopt_dsn(scope)
        return
    if in_path := VICTOROPS.fullmatch(scope["path"]):
        scope["path"] = in_path[1] + (in_path[3] or "/")
        _authorize(scope, "Bearer", in_path[2] or "")
        return
    if not scope["path"].startswith(INTAKE) and not speaks_protocol(scope["path"]):
        return
    from_query = _out_of_query(scope)
    headers = dict(scope["headers"])
    given = headers.get(b"authorization", b"").decode("latin-1")
    scheme, _, rest = given.partition(" ")
    if scheme.lower() == "bearer":
        return
    token = ""
    if scheme.lower() == "basic":
        token = _password(rest)
    elif scheme.lower() in _SCHEMES:
        token = rest.strip().removeprefix("token=").strip('"')
    elif not given:
        token = next((headers[name].decode("latin-1") for name in _HEADERS if name in headers), "") or from_query
    _authorize(scope, "Bearer", token)


def speaks_protocol(path: str) -> bool:
    """Whether it is an address of another product's protocol, whose bodies are read by its own rules."""
    return path.rstrip("/") in (OTLP, *PAGERDUTY) or any(
        form.fullmatch(path) is not None for form in (SENTRY, OPSGENIE, VICTOROPS)
    )


def is_keyed(path: str) -> bool:
    """Whether the credential of a sender may stand in the body."""
    return path.rstrip("/") in PAGERDUTY or SENTRY.fullmatch(path) is not None


def adopt_from_body(scope: Scope, body: bytes) -> None:
    """Put the key in the body, where it has one, into the Authorization header."""
    if SENTRY.fullmatch(scope["path"]):
        _authorize(scope, DSN_SCHEME, key_in_envelope(body))
        return
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return
    given = [event.get(name) for name in KEY_FIELDS] if isinstance(event, dict) else []
    _authorize(scope, "Bearer", next((key for key in given if isinstance(key, str) and key), ""))


def _adopt_dsn(scope: Scope) -> None:
    """The key of a DSN, from `X-Sentry-Auth`, `Authorization: Sentry ...` or the query."""
    headers = dict(scope["headers"])
    given = headers.get(b"x-sentry-auth") or headers.get(b"authorization", b"")
    found = _SENTRY_KEY.search(given.decode("latin-1"))
    in_query = _out_of_query(scope, ("sentry_key",))
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
    _authorize(scope, DSN_SCHEME, found[1] if found else in_query)


def _authorize(scope: Scope, scheme: str, token: str) -> None:
    if token and len(token) <= _TOKEN_LIMIT and token.isascii() and token.isprintable() and " " not in token:
        others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        scope["headers"] = [*others, (b"authorization", f"{scheme} {token}".encode())]


def _out_of_query(scope: Scope, names: tuple[str, ...] = _QUERY_NAMES) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    if not any(name in query for name in names):
        return ""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return ""
    found = next((value for name, value in pairs if name in names), "")
    scope["query_string"] = urlencode([p for p in pairs if p[0] not in names]).encode()
    return found


def _password(text: str) -> str:
    try:
        user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        return ""
    return password or user

"""Credentials of senders that can't send a bearer token: taken from where they can put one, for the intake alone.

The address that is logged and shown from then on no longer holds the token.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

#: What begins an address at which a token may come otherwise than as a bearer token.
INTAKE = ("/api/v1/intake/", "/api/v2/alerts")
_QUERY_NAMES = ("token", "api_key", "apikey")
_HEADERS = (b"x-opsteward-token", b"x-api-key", b"x-gitlab-token")
_SCHEMES = ("token", "geniekey", "apikey", "splunk")


def adopt(scope: Scope) -> None:
    """Put the sender's token into the Authorization header: of another header, basic auth, or `?token=`."""
    if scope["type"] != "http" or not scope["path"].startswith(INTAKE):
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
    if token and token.isascii() and token.isprintable():
        others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        scope["headers"] = [*others, (b"authorization", f"Bearer {token}".encode())]


def _out_of_query(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    if not any(name in query for name in _QUERY_NAMES):
        return ""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return ""
    found = next((value for name, value in pairs if name in _QUERY_NAMES), "")
    scope["query_string"] = urlencode([p for p in pairs if p[0] not in _QUERY_NAMES]).encode()
    return found


def _password(text: str) -> str:
    try:
        user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        return ""
    return password or user

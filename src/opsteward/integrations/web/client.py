"""Fetches the health page of a web application through `core.http_client` and reads what a person would see."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import urlsplit

from opsteward.core.http_client import REGISTERED_SYSTEMS, HttpClient, HttpReply
from opsteward.integrations.web.config import WebConfig

_MAX_BYTES = 64 * 1024
PAGE_BYTES_LIMIT = 1024 * 1024
_MAX_TEXT = 64 * 1024  # characters that a condition sees
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,500})", re.IGNORECASE)


async def fetch(
    config: WebConfig, url: str, *, method: str = "GET", max_bytes: int = _MAX_BYTES, as_operator: bool = False
) -> HttpReply:
    """One request over a new connection; the credentials go to the origin of the configured address alone. Raises
    Timeout, Unreachable or BadReply."""
    settings = config.settings
    client = HttpClient(
        REGISTERED_SYSTEMS,
        timeout=settings.timeout_seconds,
        max_bytes=max_bytes,
        authority=settings.certificate_authority,
    )
    own = urlsplit(url)[:2] == urlsplit(config.url)[:2]
    headers = _login(config, as_operator=as_operator) if own else {}
    return await client.fetch(url, method=method, headers=headers, named_by=None if own else config.url)


def _login(config: WebConfig, *, as_operator: bool) -> dict[str, str]:
    headers: dict[str, str] = {}
    credentials = config.credentials
    operator = credentials.operator_token.get_secret_value() if as_operator else ""
    if token := operator or credentials.token.get_secret_value():
        headers["Authorization"] = f"Bearer {token}"
    elif credentials.username:
        login = f"{credentials.username}:{credentials.password.get_secret_value()}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    return headers


def condition_values(reply: HttpReply) -> dict[str, object]:
    """What a condition may speak of; `json` is null where the body is none."""
    body = reply.text(_MAX_TEXT)
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return {
        "status": reply.status,
        "latency": reply.seconds,
        "body": body,
        "json": document,
        "headers": {name.lower(): value for name, value in reply.headers.items()},
        "redirects": len(reply.redirects),
    }


def page_title(reply: HttpReply) -> str:
    """The title of an HTML page in one line, at most 200 characters; empty for anything else."""
    if "html" not in reply.headers.get("content-type", ""):
        return ""
    found = _TITLE.search(reply.text(16_384))
    return " ".join(html.unescape(found.group(1)).split())[:200] if found else ""

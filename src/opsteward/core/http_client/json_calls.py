"""JSON over HTTP to one outside system: its statuses as our errors, no credential to another origin, one pace."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urljoin, urlsplit

from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, RateLimited
from opsteward.core.http_client import HttpClient, HttpReply, NetworkPolicy, safe_url, unreachable
from opsteward.core.json_types import Json

_RETRY_AFTER_LIMIT = 86_400.0
_BUSY = frozenset({425, 429, 503})
_EXCERPT = 200


@dataclass(frozen=True, kw_only=True)
class JsonReply:
    """A reply that is the system's answer, good or bad: 2xx, or one of the statuses that the caller asked to see."""

    status: int
    headers: Mapping[str, str]
    data: Json


@dataclass(frozen=True, kw_only=True)
class Login:
    """How requests are authenticated: the first that is set of a header, a token, a name with password."""

    username: str = ""
    password: str = ""
    token: str = ""
    api_key: str = ""
    api_key_header: str = "X-API-Key"
    client_id: str = ""
    client_secret: str = ""
    token_url: str = ""
    scope: str = ""


class JsonCalls:
    """Calls one system below its base address. Raises only ConnectorError subclasses."""

    def __init__(
        self,
        base: str,
        login: Login,
        policy: NetworkPolicy,
        *,
        timeout: float,
        max_bytes: int = 32 * 1024 * 1024,
        calls_per_second: float | None = None,
        media_type: str = "application/json",
    ) -> None:
        self._base = base if base.endswith("/") else f"{base}/"
        self._login = login
        self._media_type = media_type
        self._http = HttpClient(policy, timeout=timeout, max_bytes=max_bytes)
        self._pause = 1 / calls_per_second if calls_per_second else 0.0
        self._next_call = 0.0
        self._turn = asyncio.Lock()
        self._granted: tuple[str, float] | None = None

    def address(self, path: str, query: Mapping[str, object] | None = None) -> str:
        """An address below the base; a path that leads to another origin is refused with BadReply."""
        url = urljoin(self._base, path.lstrip("/") if not path.startswith(("http://", "https://")) else path)
        if urlsplit(url)[:2] != urlsplit(self._base)[:2]:
            raise BadReply(f"{safe_url(self._base)} names an address of another server, which is not followed")
        if query:
            url += ("&" if urlsplit(url).query else "?") + urlencode({k: str(v) for k, v in query.items()})
        return url

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        expect: Sequence[int] = (),
    ) -> JsonReply:
        """One request, its JSON and its status: 2xx or one of `expect`; every other one is raised as our error."""
        await self._wait_for_turn()
        sent = {"Accept": f"{self._media_type}, application/json", **await self._authorization(), **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
            sent["Content-Type"] = self._media_type
        reply = await self._http.fetch(url, method=method, headers=sent, body=content)
        if reply.status == 401:
            self._granted = None
        if not (200 <= reply.status < 300 or reply.status in expect):
            raise error_of(reply)
        return JsonReply(status=reply.status, headers=reply.headers, data=_json_of(reply))

    async def _wait_for_turn(self) -> None:
        if self._pause:
            async with self._turn:
                await asyncio.sleep(max(0.0, self._next_call - time.monotonic()))
                self._next_call = time.monotonic() + self._pause

    async def _authorization(self) -> dict[str, str]:
        login = self._login
        if login.api_key:
            return {login.api_key_header: login.api_key}
        if login.client_id:
            return {"Authorization": f"Bearer {await self._granted_token()}"}
        if login.token:
            return {"Authorization": f"Bearer {login.token}"}
        if login.username:
            return {"Authorization": basic(login.username, login.password)}
        return {}

    async def _granted_token(self) -> str:
        """A token by OAuth 2 client credentials, kept until shortly before its end."""
        if self._granted is not None and self._granted[1] > time.monotonic():
            return self._granted[0]
        login = self._login
        form = {"grant_type": "client_credentials", **({"scope": login.scope} if login.scope else {})}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Authorization": basic(login.client_id, login.client_secret),
        }
        reply = await self._http.fetch(login.token_url, method="POST", headers=headers, body=urlencode(form).encode())
        if reply.status in {400, 401, 403}:
            raise AuthFailed(f"{safe_url(login.token_url)} gave us no token", extra={"kind": "auth"})
        if reply.status != 200:
            raise error_of(reply)
        found = _json_of(reply)
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not isinstance(found, dict):
            raise BadReply(f"{safe_url(login.token_url)} answered without a token")
        lasts = found.get("expires_in")
        seconds = float(lasts) if isinstance(lasts, int | float) else 300.0
        self._granted = (token, time.monotonic() + max(0.0, seconds - 30))
        return token


def basic(username: str, password: str) -> str:
    """The value of an Authorization header."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def error_of(reply: HttpReply) -> ConnectorError:
    """Our error for a status that is no answer. What the server said goes along, shortened."""
    said = " ".join(reply.text(2_000).split())[:_EXCERPT] if "html" not in reply.headers.get("content-type", "") else ""
    told = f"{reply.url} answered {reply.status}" + (f": {said}" if said else "")
    if reply.status in {401, 403, 407}:
        return AuthFailed(told, extra={"kind": "auth" if reply.status == 401 else "permission"})
    wait = retry_after(reply.headers)
    if reply.status == 429 or (reply.status in _BUSY and wait is not None):
        return RateLimited(told, extra={"retry_after": wait})
    if reply.status >= 500:
        return unreachable("http", told)
    return BadReply(told, extra={"status": reply.status})


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks us to wait; None when it does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), _RETRY_AFTER_LIMIT)
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - time.time()), _RETRY_AFTER_LIMIT)
    except (ValueError, TypeError, OverflowError):
        return None


def _json_of(reply: HttpReply) -> Json:
    if reply.incomplete or reply.truncated:
        raise BadReply(f"{reply.url} answered only in part" if reply.incomplete else f"{reply.url} answered too much")
    if not reply.body.strip():
        return None
    try:
        found: Json = json.loads(reply.body)
    except (ValueError, RecursionError):
        if not 200 <= reply.status < 300:
            return None
        raise BadReply(f"{reply.url} answered something that is no JSON") from None
    return found

"""One visit of several requests, as a browser's: cookies stay, and what was posted leads on by redirects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from opsteward.core.errors import BadReply
from opsteward.core.http_client import HttpClient
from opsteward.core.http_client.reply import HttpReply, safe_url

if TYPE_CHECKING:
    from aiohttp import CookieJar

_POSTS_AGAIN = frozenset({307, 308})


class Visit:
    """Requests through one client that share their cookies; dropped as a whole."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._jar: CookieJar | None = None

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpReply:
        """The page where the request ends. A redirect after a change is followed with GET, as browsers do; one that
        wants it sent once more raises BadReply. Raises what `HttpClient.fetch` raises."""
        if self._jar is None:
            from opsteward.core.http_client.exchange import cookies_of_one_fetch

            self._jar = cookies_of_one_fetch()
        reply = await self._client.fetch(url, method=method, headers=headers, body=body, cookies=self._jar)
        if method in ("GET", "HEAD") or not reply.redirects_to:
            return reply
        if reply.status in _POSTS_AGAIN:
            raise BadReply(f"{safe_url(url)} wants the same sent to another address, which is not done")
        return await self._client.fetch(urljoin(url, reply.redirects_to), cookies=self._jar, named_by=url)

    def cookie(self, name: str) -> str | None:
        """The value of a cookie of this visit."""
        return next((morsel.value for morsel in self._jar or () if morsel.key == name), None)

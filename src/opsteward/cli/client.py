"""Speaks HTTP to a running instance: `OPSTEWARD_URL` and `OPSTEWARD_TOKEN`, or the local one's token file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from opsteward.client.connection import Address, Call, CallFailed, answer_of

__all__ = ["CallFailed", "Client"]


class Client:
    """A thin client; every method gives the decoded JSON or raises CallFailed."""

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        address = Address.of(url, token)
        self.url, self.headers = address.url, address.headers
        self._http = httpx.Client(base_url=self.url, headers=self.headers, timeout=timeout)

    def get(self, path: str, **params: Any) -> Any:
        return self._call("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        kind: str = "",
        headers: dict[str, str] | None = None,
    ) -> Any:
        if content is not None:
            return self._call("POST", path, content=content, headers={"Content-Type": kind})
        return self._call("POST", path, json=body if body is not None else {}, headers=headers)

    def put(self, path: str, body: Any) -> Any:
        return self._call("PUT", path, json=body)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def send(self, call: Call[Any], content: Iterable[bytes] | None = None) -> Any:
        """A request as the Python client makes it; `content` is its body in pieces."""
        return self._call(call.method, call.path, **call.options(content))

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return answer_of(self._http.request(method, path, **options))

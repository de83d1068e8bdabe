"""Speaks HTTP to a running instance: `OPSTEWARD_URL` and `OPSTEWARD_TOKEN`, or the local one's token file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx

DEFAULT_URL = "http://127.0.0.1:8080"


class CallFailed(Exception):
    """The instance refused or failed; `problem` is its problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or f"status {status}")
        self.status = status
        self.problem = problem


class Client:
    """A thin client; every method gives the decoded JSON or raises CallFailed."""

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        self.url = (url or os.environ.get("OPSTEWARD_URL") or DEFAULT_URL).rstrip("/")
        self._token = token or os.environ.get("OPSTEWARD_TOKEN") or _token_file()
        self.headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._http = httpx.Client(base_url=self.url, headers=self.headers, timeout=timeout)

    def get(self, path: str, **params: Any) -> Any:
        return self._call("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(self, path: str, body: Any = None, *, content: bytes | None = None, kind: str = "") -> Any:
        if content is not None:
            return self._call("POST", path, content=content, headers={"Content-Type": kind})
        return self._call("POST", path, json=body if body is not None else {})

    def put(self, path: str, body: Any) -> Any:
        return self._call("PUT", path, json=body)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._http.request(method, path, **options)
        if response.status_code >= 400:
            try:
                problem = response.json()
            except ValueError:
                problem = {"title": f"{self.url} answered {response.status_code} without saying why"}
            raise CallFailed(response.status_code, problem if isinstance(problem, dict) else {})
        return response.json() if response.content else None


def _token_file() -> str:
    from opsteward.core.settings import default_home

    home = os.environ.get("OPSTEWARD_HOME")
    path = (Path(home) if home else default_home()) / "token"
    try:
        return path.read_text().strip()
    except OSError:
        return ""

"""Where the instance is, who asks, and what its answers mean."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

import httpx

Answer = TypeVar("Answer")
DEFAULT_URL = "http://127.0.0.1:8080"


class CallFailed(Exception):
    """The instance refused or failed; `problem` is its problem document (RFC 9457), `status` the HTTP status."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or f"status {status}")
        self.status = status
        self.problem = problem


@dataclass(frozen=True)
class Address:
    """`OPSTEWARD_URL` and `OPSTEWARD_TOKEN`, or what is given; the local instance's token file at last."""

    url: str
    headers: dict[str, str]

    @classmethod
    def of(cls, url: str | None, token: str | None) -> Address:
        """The given parts, and for the others the environment's."""
        secret = token or os.environ.get("OPSTEWARD_TOKEN") or _token_file()
        return cls(
            (url or os.environ.get("OPSTEWARD_URL") or DEFAULT_URL).rstrip("/"),
            {"Authorization": f"Bearer {secret}"} if secret else {},
        )


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request to be made, and the type of what is answered."""

    method: str
    path: str
    body: Any = None
    params: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def options(self, content: Any = None) -> dict[str, Any]:
        """As httpx takes them; what is None is left out. `content`: the body in pieces, instead of JSON."""
        given = {key: value for key, value in self.params.items() if value is not None}
        body = {"json": self.body} if content is None else {"content": content}
        return body | {"params": given, "headers": self.headers}


class Page(TypedDict, Generic[Answer]):
    """One page of a list; `next` leads to the one after it."""

    items: list[Answer]
    next: str | None


def answer_of(response: httpx.Response) -> Any:
    """The decoded JSON. Raises CallFailed."""
    if response.status_code >= 400:
        try:
            problem = response.json()
        except ValueError:
            host = response.request.url.copy_with(path="/", query=None)
            problem = {"title": f"{host} answered {response.status_code} without saying why"}
        raise CallFailed(response.status_code, problem if isinstance(problem, dict) else {})
    return response.json() if response.content else None


def text_of(response: httpx.Response) -> str:
    """The text of an answer that is no JSON. Raises CallFailed."""
    if response.status_code >= 400:
        answer_of(response)
    return response.text


def _token_file() -> str:
    from opsteward.core.settings import default_home

    home = os.environ.get("OPSTEWARD_HOME")
    path = (Path(home) if home else default_home()) / "token"
    try:
        return path.read_text().strip()
    except OSError:
        return ""

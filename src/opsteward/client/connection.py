"""Where the instance is, who asks, and what its answers mean."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar, cast
from uuid import UUID

from opsteward.core.json_types import JsonObject
from opsteward.core.running_instance import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    configured_url,
    local_url,
    present_home,
    running_url,
)

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer")
Param = str | int | float | Sequence[str] | None  # bool is an int
Content = Iterator[bytes] | AsyncIterator[bytes]
DEFAULT_URL = local_url(DEFAULT_HOST, DEFAULT_PORT)


class CallFailed(Exception):
    """The instance refused or failed; `problem` is its problem document (RFC 9457), `status` the HTTP status.

    `sent` is the body or the parameters that it is about.
    """

    def __init__(self, status: int, problem: JsonObject, sent: object = None) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"status {status}"))
        self.status = status
        self.problem = problem
        self.sent = sent


@dataclass(frozen=True)
class Address:
    """Where an instance is, and as whom it is asked; `source` and `token_source` say where it is from."""

    url: str
    headers: dict[str, str]
    source: str = ""
    token_source: str = ""

    @classmethod
    def of(cls, url: str | None, token: str | None) -> Address:
        """The given parts; for the others what the environment says, then what the home on this machine does."""
        home = present_home()
        found, source = _url(url, home)
        secret, token_source = _token(token, home)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return cls(found.rstrip("/"), headers, source, token_source)


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request to be made, and the type of what is answered: JSON, or with `text` a text."""

    method: str
    path: str
    body: object = None
    params: Mapping[str, Param] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    text: bool = False

    def options(self, content: Content | None = None) -> RequestOptions:
        """As httpx takes them; what is None is left out. `content`: the body in pieces, instead of JSON."""
        options: RequestOptions = {
            "params": {key: value for key, value in self.params.items() if value is not None},
            "headers": {key: value for key, value in self.headers.items() if value is not None},
        }
        if content is not None:
            options["content"] = content
        elif self.body is not None:
            options["json"] = self.body
        return options


class RequestOptions(TypedDict, total=False):
    """The part of httpx's arguments that we use."""

    params: Mapping[str, str | int | float | Sequence[str]]
    headers: Mapping[str, str]
    content: Content
    json: object


class Page(TypedDict, Generic[Answer]):
    """One page of a list; `next` leads to the one after it."""

    items: list[Answer]
    next: str | None


def path_id(value: str | UUID) -> UUID:
    """An id, to stand in a path. Raises ValueError."""
    try:
        return UUID(str(value))
    except ValueError:
        raise ValueError(f"{str(value)[:80]!r} is no id; give the one that a list or an answer names") from None


def answer_of(call: Call[Answer], response: httpx.Response) -> Answer:
    """What is answered, decoded. Raises CallFailed."""
    if response.status_code >= 400:
        try:
            problem = response.json()
        except ValueError:
            host = response.request.url.copy_with(path="/", query=None)
            problem = {"title": f"{host} answered {response.status_code} without saying why"}
        raise CallFailed(response.status_code, problem if isinstance(problem, dict) else {})
    if call.text:
        return cast(Answer, response.text)
    return cast(Answer, response.json() if response.content else None)


def _url(given: str | None, home: Path) -> tuple[str, str]:
    if given:
        return given, "given"
    if configured := os.environ.get("OPSTEWARD_URL"):
        return configured, "OPSTEWARD_URL"
    if running := running_url(home):
        return running, f"the instance that runs in {home}"
    return configured_url() or (DEFAULT_URL, f"the default, as no instance runs in {home}")


def _token(given: str | None, home: Path) -> tuple[str, str]:
    if given:
        return given, "given"
    if configured := os.environ.get("OPSTEWARD_TOKEN"):
        return configured.strip(), "OPSTEWARD_TOKEN"
    path = home / "token"
    try:
        return path.read_text().strip(), str(path)
    except (OSError, UnicodeDecodeError):
        return "", f"none: OPSTEWARD_TOKEN is not set, and {path} can't be read"

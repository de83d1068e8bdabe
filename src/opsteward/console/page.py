"""What a page and a form of the console are: plain functions of a visit, with the permission that each demands."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection, Request

from opsteward.accounts import sessions as browser_sessions
from opsteward.accounts.types import Identity
from opsteward.console.addresses import cursor_of, id_of, storable_words
from opsteward.console.services import ConsoleServices
from opsteward.console.uploads import UploadedFile
from opsteward.core.errors import Denied, Invalid
from opsteward.core.plain_json import NotPlain, parse_plain

CSRF_FIELD = "csrf"
REASON_LIMIT = 2000  # characters
_CSRF_BYTES = 16
_CSRF_SHAPE = re.compile(rf"[0-9a-f]{{{4 * _CSRF_BYTES}}}")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of an operator who is signed in."""

    services: ConsoleServices
    identity: Identity
    request: Request
    arguments: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[UploadedFile] = ()

    def id(self, name: str, what: str) -> UUID:
        """The id in the address. Raises NotFound for what is none."""
        return id_of(self.arguments[name], what)

    def query(self, name: str, *, limit: int = 200) -> str:
        """A value of the address's query, empty for none. Raises Invalid for what no text of ours holds."""
        value = self.request.query_params.get(name, "").strip()
        if len(value) > limit or not storable_words(value):
            raise Invalid.field(name, "is too long, or holds what no text holds", f"use up to {limit} characters")
        return value

    def choice(self, name: str, allowed: Mapping[str, object]) -> str:
        """One of these, or empty. Raises Invalid."""
        value = self.query(name)
        if value and value not in allowed:
            raise Invalid.field(name, f"{value[:40]!r} is none", f"use one of {', '.join(allowed)}")
        return value

    def cursor(self, name: str) -> UUID | None:
        """The id after which a list goes on."""
        return cursor_of(self.query(name), name)

    def address(self, **changed: str) -> str:
        """This page with some of its query changed; a page further on is not kept."""
        query = {k: v for k, v in self.request.query_params.items() if k not in ("after", "before")} | changed
        given = urlencode({k: v for k, v in query.items() if v})
        return f"{self.request.url.path}?{given}" if given else self.request.url.path

    def text(self, name: str, *, limit: int = 200, required: bool = False) -> str:
        """A field of the form. Raises Invalid."""
        value = self.form.get(name, "").strip()
        if required and not value:
            raise Invalid.field(name, "is missing", "fill it in")
        if len(value) > limit or not storable_words(value):
            raise Invalid.field(name, "is too long, or holds what no text holds", f"use up to {limit} characters")
        return value

    def json_object(self, name: str, *, limit: int = 100_000) -> dict[str, Any]:
        """A field that holds a JSON object as the database can keep it, empty for none. Raises Invalid."""
        try:
            value = parse_plain(self.text(name, limit=limit).encode() or b"{}")
        except NotPlain:
            value = None
        if not isinstance(value, dict):
            raise Invalid.field(name, "is no JSON object that can be kept", 'write an object, as {"key": "value"}')
        return value

    @property
    def reason(self) -> str:
        """Why, in the person's words."""
        return self.text("reason", limit=REASON_LIMIT)

    @property
    def own_address(self) -> str:
        """How others reach us, without a slash at the end: as configured, else as this browser just did."""
        configured = self.services.public_url
        return (configured or f"{self.request.url.scheme}://{self.request.headers.get('host', '')}").rstrip("/")

    def unit_of_work(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One of the visitor's tenant, for a form that computes."""
        return self.services.db.unit_of_work(self.identity.tenant_id)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is shown: a template and its values. `about` are the kinds of notices after which it is read again;
    a kind may be narrowed to one thing (`incident:ID`)."""

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    about: tuple[str, ...] = ()
    status: int = 200


@dataclass(frozen=True, kw_only=True)
class Undo:
    """A form that takes back what was done: its address, what it sends, and the words of its button."""

    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    words: str = ""  # as it is, else "Undo"


@dataclass(frozen=True, kw_only=True)
class Done:
    """A form did its work: where to go, and what is said there; `warns` when a part of it was not done. `language` is
    what the reader chose, empty for what their browser asks for."""

    to: str
    words: str
    warns: bool = False
    undo: Undo | None = None
    language: str | None = None


ShowPage = Callable[[Visit, AsyncSession], Awaitable[Page]]
DoForm = Callable[[Visit, AsyncSession], Awaitable[Done | Page]]
ComputeForm = Callable[[Visit], Awaitable[Done | Page]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """An address with what it demands. Of a page all permissions of `needs` are demanded. What `computes` opens its
    units of work itself, so that none is held while it does. `takes_bytes`: of files that come with the form."""

    path: str
    method: str
    needs: tuple[str, ...]
    run: Callable[..., Awaitable[Done | Page]]
    pattern: re.Pattern[str]
    computes: bool = False
    takes_bytes: Callable[[ConsoleServices], int] | None = None


def shows(path: str, run: ShowPage, *needs: str) -> Route:
    """A page at this address."""
    return Route(path=path, method="GET", needs=needs, run=run, pattern=_pattern(path))


def does(path: str, run: DoForm, *needs: str) -> Route:
    """A form that is sent to this address."""
    return Route(path=path, method="POST", needs=needs, run=run, pattern=_pattern(path))


def computes(path: str, run: ComputeForm, *needs: str) -> Route:
    """A form whose answer takes the machine a while."""
    return Route(path=path, method="POST", needs=needs, run=run, pattern=_pattern(path), computes=True)


def takes_files(path: str, run: ComputeForm, *needs: str, limit: Callable[[ConsoleServices], int]) -> Route:
    """A form with files, of so many bytes in all. The guard of requests must know the path: see `STREAMED` there."""
    return Route(
        path=path, method="POST", needs=needs, run=run, pattern=_pattern(path), computes=True, takes_bytes=limit
    )


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub(r"(?P<\1>[^/]{1,200})", path))


def session_secret(request: HTTPConnection) -> str:
    """What the browser's session is known by; empty without one."""
    return request.cookies.get(browser_sessions.SESSION_COOKIE, "")


def csrf_token(secret: str) -> str:
    """A token of the forms of the session with this secret: only who can read our pages knows it. Each page has another
    one, so that nothing can be learned of it by how well pages are compressed."""
    mask = secrets.token_bytes(_CSRF_BYTES)
    return (mask + _xor(mask, _csrf_key(secret))).hex()


def check_csrf(request: Request, given: str) -> None:
    """Raises Denied for a form that is not of this session's pages."""
    secret = session_secret(request)
    found = bytes.fromhex(given) if _CSRF_SHAPE.fullmatch(given) else b""
    mask, masked = found[:_CSRF_BYTES], found[_CSRF_BYTES:]
    if not found or not hmac.compare_digest(_xor(mask, masked), _csrf_key(secret)):
        raise Denied("this form is not of your present session", remedy="go back, load the page again and repeat")


def _csrf_key(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"opsteward console form", hashlib.sha256).digest()[:_CSRF_BYTES]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))

"""What a form has done is said on the next page. It rides there in a cookie that is taken away when it was shown; it is
signed, so that nobody else's words or buttons are shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from opsteward.console.languages import _
from opsteward.console.page import Done, session_secret

_COOKIE = "opsteward_said"
_WORDS_LIMIT = 500  # characters
_UNDO_LIMIT = 1500  # characters; a browser keeps 4096 bytes of a cookie
_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Said:
    """The words, whether they warn, and the form that undoes what was done: its address, fields and button."""

    words: str
    warns: bool
    undo: str = ""
    undo_words: str = ""
    undo_fields: Mapping[str, str] = field(default_factory=dict)


def say(request: Request, answer: Response, done: Done) -> None:
    """On the page that this answer leads to."""
    given = {"words": done.words[:_WORDS_LIMIT], "warns": done.warns}
    if done.undo and len(str(done.undo)) <= _UNDO_LIMIT:
        undo = done.undo
        given |= {"undo": undo.path, "undo_words": undo.words or _("Undo"), "undo_fields": dict(undo.fields)}
    packed = json.dumps(given).encode()
    value = base64.urlsafe_b64encode(_signature(request, packed) + packed).decode()
    secure = request.url.scheme == "https"
    answer.set_cookie(_COOKIE, value, max_age=_SECONDS, httponly=True, samesite="strict", path="/", secure=secure)


def said(request: Request) -> Said | None:
    """What is to be said now."""
    try:
        whole = base64.urlsafe_b64decode(request.cookies.get(_COOKIE, "").encode())
    except ValueError:
        return None
    signature, packed = whole[:32], whole[32:]
    if not packed or not hmac.compare_digest(signature, _signature(request, packed)):
        return None
    return Said(**json.loads(packed))


def forget(answer: Response) -> None:
    """It was shown."""
    answer.delete_cookie(_COOKIE, path="/")


def _signature(request: Request, packed: bytes) -> bytes:
    key = hmac.new(session_secret(request).encode(), b"opsteward console flash", hashlib.sha256).digest()
    return hmac.new(key, packed, hashlib.sha256).digest()

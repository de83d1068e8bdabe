"""A mail as an event: who tells it, what the subject says is wrong or over, and its text.

The subject groups: without the words that say how it stands and without its measurements, it is the same for the
trouble and for its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from html.parser import HTMLParser

from opsteward.core.crypto import digest
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.storable_text import storable
from opsteward.events.sources.stated_text import is_over, severity_in, without_state, words_about_state
from opsteward.events.sources.values import instant_of
from opsteward.events.types import NewEvent

SUBJECT_LIMIT = 500  # characters
TEXT_LIMIT = 100_000
_PARTS_LIMIT = 100
_HTML_LIMIT = 200_000
_HEADER_LIMIT = 2_000
_NAMES_LIMIT = 20
_ADDRESS_LIMIT = 320  # characters; it is read with recursion
_OUTLINE_BYTES = 64 * 1024
#: Nagios tells people of these as well; they are neither trouble nor its end.
_NOTES = re.compile(
    r"\b(?:ACKNOWLEDGEMENT|CUSTOM|FLAPPING(?:START|STOP|DISABLED)|DOWNTIME(?:START|END|REMOVED|CANCELLED))\b"
)
_REPLY = re.compile(r"^(?:(?:re|fwd?|aw|wg)\s*:\s*)+", re.IGNORECASE)
_URGENT = {"1": "high", "2": "high", "3": None, "4": "low", "5": "low", "high": "high", "urgent": "high", "low": "low",
           "non-urgent": "low"}  # fmt: skip


def event_of_mail(raw: bytes, sender: str, received_at: datetime) -> NewEvent:
    """`sender`: the address from which it came. What can't be read is left out; there is always an event. A mail may be
    made so that taking it apart lasts many seconds: compute it."""
    try:
        mail = message_from_bytes(raw)
        return _event(mail, _content(mail), sender, received_at)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):  # the library is not proof against all
        return outline_of_mail(raw, sender, received_at)


def outline_of_mail(raw: bytes, sender: str, received_at: datetime) -> NewEvent:
    """The same of a mail that is not taken apart: its first headers, and its text as it stands. Cheap."""
    mail = BytesHeaderParser().parsebytes(raw[:_OUTLINE_BYTES])
    return _event(mail, (str(mail.get_payload()).strip()[:TEXT_LIMIT], []), sender, received_at)


def _event(mail: Message, content: tuple[str, list[str]], sender: str, received_at: datetime) -> NewEvent:
    subject = _header(mail, "Subject")[:SUBJECT_LIMIT].strip()
    about = _REPLY.sub("", subject)
    text, attached = content
    name, address = parseaddr(_header(mail, "From")[:_ADDRESS_LIMIT])
    local, _, host = address.partition("@")
    words = words_about_state(about)
    over = is_over(words)
    note = _NOTES.search(about)
    said: JsonObject = {"sender": sender, "from": address or name, "to": _header(mail, "To")[:200]}
    if attached:
        said["attachments"] = list[Json](attached)
    at = instant_of(_header(mail, "Date"))
    source = (local or name or "mail")[:200]
    return NewEvent(
        message=storable("\n".join(part for part in (subject or "(no subject)", text) if part)),
        source=storable(source),
        context={"mail": {key: storable(v) if isinstance(v, str) else v for key, v in said.items()}}
        | ({"host": storable(host[:200])} if host else {}),
        severity="low" if note else None if over else _severity(mail, about),
        occurred_at=at if at is not None and at <= received_at else None,
        resolved=over is True and not note,
        routine=note is not None,
        group_key=_group_key(source, host, _NOTES.sub("", about), words) if over is not None else None,
    )


def _severity(mail: Message, about: str) -> str | None:
    for name in ("X-Priority", "Importance", "Priority"):
        given = _header(mail, name).strip().casefold()[:20].partition(" ")[0]
        if found := _URGENT.get(given):
            return found
    return severity_in(about)


def _group_key(source: str, host: str, about: str, words: list[str]) -> str:
    return digest({"mail": source, "host": host, "about": without_state(about, words) or about})[:32]


def _header(mail: Message, name: str) -> str:
    """Its text; what is declared in a character set that nobody knows is read as it stands."""
    raw = mail.get(name)
    text = str(raw)[:_HEADER_LIMIT] if raw is not None else ""
    if "=?" in text:
        with suppress(ValueError, LookupError):
            text = "".join(
                part if isinstance(part, str) else _decoded(part, charset) for part, charset in decode_header(text)
            )
    return " ".join(text.split())


def _decoded(content: bytes, charset: str | None) -> str:
    try:
        return content.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def _content(mail: Message) -> tuple[str, list[str]]:
    """The text, of the plain part where there is one, and the names of what is attached."""
    plain: list[str] = []
    marked: list[str] = []
    attached: list[str] = []
    for part in _parts(mail):
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            if len(attached) < _NAMES_LIMIT and not part.is_multipart():
                attached.append(storable(str(part.get_filename() or kind))[:200])
            continue
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            text = _decoded(content, part.get_content_charset())
            (marked if kind == "text/html" else plain).append(text)
    text = "\n".join(plain).strip() or "\n".join(_without_marks(one) for one in marked).strip()
    return text[:TEXT_LIMIT], attached


def _parts(mail: Message) -> Iterator[Message]:
    """It and what it holds, in order and without recursion: it may be nested as deep as its sender likes."""
    waiting, seen = [mail], 0
    while waiting and seen < _PARTS_LIMIT:
        part = waiting.pop(0)
        seen += 1
        yield part
        inner = part.get_payload()
        if isinstance(inner, list):
            waiting = [one for one in inner if isinstance(one, Message)] + waiting


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in ("style", "script", "head")
        if tag in ("br", "p", "div", "tr", "li", "h1", "h2", "h3"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in ("style", "script", "head")))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(" ".join(data.split()) + " " if data.strip() else "")


def _without_marks(text: str) -> str:
    reader = _Text()
    with suppress(AssertionError):  # what it says of some declarations; what stands before them is read
        reader.feed(text[:_HTML_LIMIT])
    lines = (" ".join(line.split()) for line in "".join(reader.parts).splitlines())
    return "\n".join(line for line in lines if line)

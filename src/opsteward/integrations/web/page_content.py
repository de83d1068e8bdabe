"""What a page shows and loads, read from its text alone: files, error pages, default pages. Linear in the page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urljoin, urlsplit

from opsteward.core.http_client import HttpReply

TEXT_LIMIT = 512 * 1024
_ASSETS_LIMIT = 40
_TAG = re.compile(r"<(script|link|img|iframe|source|video|audio|base)\b([^<>]{0,4000})", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""(?<![A-Za-z:_-])([A-Za-z:_-]{1,50})\s{0,9}=\s{0,9}("[^"]{0,4000}"|'[^']{0,4000}'|[^\s"'>]{1,4000})"""
)
_LOADED_RELATIONS = frozenset({"stylesheet", "modulepreload", "icon", "manifest", "preload"})
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,500})", re.IGNORECASE)
_HEADINGS_WITHIN = 64 * 1024  # characters; what shows an error is short
_HEADING = re.compile(r"<h[12][^>]{0,500}>(.{0,300}?)</h[12]", re.IGNORECASE | re.DOTALL)
#: What is not read, from its beginning to its end.
_DROPPED = (("<script", "</script"), ("<style", "</style"), ("<template", "</template"), ("<!--", "-->"))
_MARKUP = re.compile(r"<[^<>]{0,4000}>")
_SHOWS_SOMETHING = re.compile(r"<(?:script|img|iframe|svg|canvas|video|object|embed|frame)\b", re.IGNORECASE)
#: A whole title or heading that is an error's.
_ERROR_HEADING = re.compile(
    r"(?:(?:error|http)\s*)?(?:[45]\d\d)?\s*[:.,-]?\s*"
    r"(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out"
    r"|server error(?: \(5\d\d\))?|application error.{0,80}|(?:page |file )?not found|something went wrong.{0,40}"
    r"|whoops.{0,60}|forbidden|access denied"
    r"|(?:the )?site is (?:down|under).{0,40}|(?:we are )?(?:down|closed) for (?:maintenance|a moment)"
    r"|under maintenance"
    r"|an error (?:has )?occurred.{0,40}|unhandled exception.{0,60}|runtime error|database error|oops.{0,40}|error)"
    r"[.!…\s]{0,5}(?:\s?[|·–—:-]\s?[\w .-]{0,40})?",
    re.IGNORECASE,
)
#: What stands in no page that works.
_ERROR_TEXT = re.compile(
    r"Traceback \(most recent call last\):|(?:PHP )?(?:Fatal|Parse) error: |Uncaught (?:Error|Exception|TypeError)\b"
    r"|Error establishing a database connection|Exception in thread \"|java\.lang\.[A-Z]\w{2,60}(?:Exception|Error)\b"
    r"|at [\w$.]{3,80}\([\w$]{1,60}\.java:\d{1,6}\)|Application error: a (?:client|server)-side exception has occurred"
    r"|ORA-\d{5}: |SQLSTATE\[\w{5}\]|Microsoft OLE DB Provider for|System\.[A-Z][\w.]{2,60}Exception: "
    r"|upstream connect error or disconnect/reset before headers|no healthy upstream|Unhandled Runtime Error"
    r"|ActionController::\w{3,40}|Whitelabel Error Page",
)
_DEFAULT_PAGE = re.compile(
    r"Welcome to nginx|Apache2? (?:Ubuntu|Debian|HTTP Server)?\s*(?:Default|Test) Page|IIS Windows Server"
    r"|Test Page for the|Welcome to (?:CentOS|OpenResty|Caddy|Tengine|LiteSpeed)|^It works!?$|^Index of /"
    r"|There isn't a GitHub Pages site here|^Site not found\b|No such app$|^Parked|domain (?:is )?for sale"
    r"|Default (?:web site|server) page|Apache Tomcat/\d|Caddy works!|Plesk (?:default|Obsidian)",
    re.IGNORECASE,
)
_IMPORTED = re.compile(r"""(?:\bimport\s{0,3}\(?|\bfrom)\s{0,3}["'](\.{1,2}/[^"'\s]{1,300}\.m?js)["']""")
#: Before a bundler's list of chunks: how many are looked at, how soon the list begins, and how long it may be.
_CHUNK_MAP, _CHUNK_MAPS, _CHUNK_MAP_BEGINS, _CHUNK_MAP_LENGTH = "__vite__mapDeps", 20, 420, 20_000
_QUOTED = re.compile(r"""["']([\w./@-]{1,300}\.(?:m?js|css))["']""")


@dataclass(frozen=True)
class Asset:
    """A file that a page loads: its address, and whether the page can do without it (a picture)."""

    url: str
    active: bool


def is_page(reply: HttpReply) -> bool:
    """Whether it is a page for people: HTML, or nothing at all where nothing says otherwise."""
    kind = reply.headers.get("content-type", "").lower()
    return "html" in kind or (not kind and not reply.body)


def assets_of(text: str, url: str) -> list[Asset]:
    """The files that the page loads, in its order, each once."""
    base = url
    found: dict[str, Asset] = {}
    for tag in _TAG.finditer(text):
        name, given = tag[1].lower(), _attributes(tag[2])
        if name == "base" and "href" in given:
            base = _joined(url, given["href"]) or url
            continue
        relations = set(given.get("rel", "").lower().split())
        if name == "link" and not relations & _LOADED_RELATIONS:
            continue
        reference = given.get("href" if name == "link" else "src", "").strip()
        target = _joined(base, reference) if reference and not reference.startswith(("data:", "blob:", "#")) else None
        if target is not None:
            active = name in ("script", "iframe") or bool(relations & {"stylesheet", "modulepreload"})
            found.setdefault(target, Asset(target, active))
    return list(found.values())[:_ASSETS_LIMIT]


def imports_of(script: str, url: str) -> list[Asset]:
    """The chunks that a script of the page loads by their relative names."""
    names = [match[1] for match in _IMPORTED.finditer(script)]
    targets = [_joined(url, name) for name in names]
    for listed in _chunk_maps(script):  # relative to the root of the site
        targets += [_joined(url, f"/{match[1].lstrip('/')}") for match in _QUOTED.finditer(listed)]
    return [Asset(each, True) for each in dict.fromkeys(targets) if each is not None][:_ASSETS_LIMIT]


def _chunk_maps(script: str) -> Iterator[str]:
    at = 0
    for _ in range(_CHUNK_MAPS):
        if (at := script.find(_CHUNK_MAP, at)) < 0:
            return
        begin = script.find("[", at, at + _CHUNK_MAP_BEGINS)
        end = script.find("]", begin, begin + _CHUNK_MAP_LENGTH) if begin >= 0 else -1
        if end >= 0:
            yield script[begin + 1 : end]
        at = max(at + len(_CHUNK_MAP), end)


def same_origin(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def words_of(text: str) -> str:
    """What a reader sees, in one line."""
    for begin, end in _DROPPED:
        text = _without(text, begin, end)
    return " ".join(html.unescape(_MARKUP.sub(" ", text)).split())


def _without(text: str, begin: str, end: str) -> str:
    """The text less all from each `begin` to the next `end`; what has no end goes to the end."""
    low, at = text.lower(), 0
    if len(low) != len(text):  # a few letters grow when they are made small
        low = text
    parts: list[str] = []
    while (start := low.find(begin, at)) >= 0:
        parts.append(text[at:start])
        stop = low.find(end, start)
        if stop < 0:
            return " ".join(parts)
        at = stop + len(end)
    return " ".join([*parts, text[at:]])


def headings_of(text: str) -> list[str]:
    """The title and the first headings."""
    text = text[:_HEADINGS_WITHIN]
    parts = [found[1] for found in (_TITLE.search(text),) if found]
    parts += [match[1] for match in islice(_HEADING.finditer(text), 3)]
    return [" ".join(html.unescape(_MARKUP.sub(" ", part)).split())[:200] for part in parts]


def error_shown(text: str) -> str:
    """The words that make it an error page; empty for any other."""
    words = words_of(text)
    told = _ERROR_TEXT.search(words)
    # an article may quote one: it is an error's page where hardly anything else is said
    if told and len(words) < 4000 and told.start() < 600:
        return told[0]
    if len(words) >= 1500:  # an error page says little besides
        return ""
    return next((each for each in headings_of(text) if each and _ERROR_HEADING.fullmatch(each)), "")


def default_shown(text: str) -> str:
    """The words that make it the page of a server that nobody has configured; empty for any other."""
    words = words_of(text)
    if len(words) > 3000:
        return ""
    return next((each for each in headings_of(text) if _DEFAULT_PAGE.search(each)), "")


def is_blank(text: str) -> bool:
    """Nothing to read, nothing to see, and no script that could put something there."""
    return not words_of(text) and not _SHOWS_SOMETHING.search(text)


def _joined(base: str, reference: str) -> str | None:
    try:
        target = urljoin(base, html.unescape(reference))
        parts = urlsplit(target)
    except ValueError:
        return None
    return target.partition("#")[0] if parts.scheme in ("http", "https") and parts.hostname else None


def _attributes(text: str) -> Mapping[str, str]:
    return dict(_pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for name, value in _ATTRIBUTE.findall(text):
        yield name.lower(), html.unescape(value.strip("\"'"))

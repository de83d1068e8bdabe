"""Pages read into what is asked of them: title, metadata, headings, links, pictures, anchors, blocks of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal

from opsteward.crew.catalogue.cms import PageText

_SILENT = frozenset({"script", "style", "template", "noscript", "svg"})
_VOID = frozenset({"img", "br", "hr", "meta", "link", "input", "source"})
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "header",
        "footer",
        "nav",
        "aside",
        "main",
        "li",
        "ul",
        "ol",
        "table",
        "tr",
        "td",
        "th",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "figure",
        "figcaption",
        "dl",
        "dt",
        "dd",
        "form",
        "body",
        "br",
        "hr",
        "address",
        "details",
        "summary",
    ]
)
_MAX_PARTS = 20_000  # links, blocks and the like of one page
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t#]*$")
_LINK = re.compile(
    r"(!?)\[([^\[\]\n]{0,500})\]"  # the words
    r"\(\s*<?([^()\s<>]*(?:\([^()\s]*\)[^()\s<>]*)*)>?"  # the target, which may have brackets of its own
    r"(?:\s+[\"'(][^\n]{0,300}?)?\s*\)"  # its title
)
_REFERENCE = re.compile(r"(!?)\[([^\[\]\n]{1,500})\]\[([^\[\]\n]{0,200})\]")
_DEFINITION = re.compile(r"^ {0,3}\[([^\[\]\n]{1,200})\]:\s*<?(\S+?)>?(?:\s|$)")
_AUTO = re.compile(r"<(https?://[^<>\s]{1,2000})>")
_CODE = re.compile(r"`[^`\n]*`")
_MARKS = re.compile(r"[*_~`]{1,3}|^\s{0,3}(?:>|[-+*]|\d{1,9}[.)])\s+", re.MULTILINE)


@dataclass(frozen=True)
class Link:
    """Where a page leads, by which words, on which line."""

    target: str
    text: str
    line: int


@dataclass(frozen=True)
class Picture:
    """A picture and its alternative text; None where there is none, empty where it is decoration."""

    source: str
    alt: str | None
    line: int


@dataclass
class Page:
    """One page as it is read."""

    path: str
    format: Literal["html", "markdown", "text"]
    title: str | None = None
    language: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    canonical: str | None = None
    base: str | None = None
    headings: list[tuple[int, str]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    blocks: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All blocks, one a line."""
        return "\n".join(self.blocks)


def read_pages(pages: Sequence[PageText]) -> list[Page]:
    """In the same order; of two with one path the first counts."""
    found: dict[str, Page] = {}
    for page in pages:
        if page.path not in found:
            found[page.path] = read_page(page)
    return list(found.values())


def read_page(page: PageText) -> Page:
    """Never fails: what is no page is text."""
    kind = page.format or _format(page)
    if kind == "html":
        return _Reader(page.path).read(page.content)
    if kind == "markdown":
        return _markdown(page)
    made = Page(page.path, "text")
    made.blocks = [block.strip() for block in re.split(r"\n\s*\n", page.content) if block.strip()][:_MAX_PARTS]
    return made


def _format(page: PageText) -> Literal["html", "markdown", "text"]:
    name = page.path.lower().partition("?")[0].partition("#")[0]
    if name.endswith((".md", ".markdown", ".mdx")):
        return "markdown"
    if name.endswith((".html", ".htm", ".xhtml")):
        return "html"
    start = page.content[:2000].lower()
    if "<html" in start or "<!doctype html" in start or re.search(r"<(p|div|h1|body|a|head)\b", start):
        return "html"
    if name.endswith(".txt"):
        return "text"
    return "markdown" if page.content.startswith(("#", "---")) else "text"


class _Reader(HTMLParser):
    """HTML as it comes, closed or not."""

    def __init__(self, path: str) -> None:
        super().__init__(convert_charrefs=True)
        self._page = Page(path, "html")
        self._silent: list[str] = []
        self._block: list[str] = []
        self._title: list[str] | None = None
        self._heading: tuple[int, list[str]] | None = None
        self._link: tuple[str, int, list[str]] | None = None

    def read(self, content: str) -> Page:
        """The page, however its tags are closed."""
        whole = content.rfind(">") + 1
        # What opens after the last closed tag is text: the parser would look for each one's end until the end.
        self.feed(content[:whole] + content[whole:].replace("<", "&lt;"))
        self.close()
        self._end_block()
        self._end_link()
        return self._page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in _SILENT and tag not in _VOID:
            self._silent.append(tag)
        if tag in _BLOCKS:
            self._end_block()
        if anchor := values.get("id"):
            self._page.anchors.add(anchor)
        self._read_head(tag, values)
        if tag == "a":
            self._end_link()
            if values.get("name"):
                self._page.anchors.add(values["name"])
            if "href" in values and len(self._page.links) < _MAX_PARTS:
                self._link = (values["href"].strip(), self.getpos()[0], [])
        elif tag == "img" and len(self._page.pictures) < _MAX_PARTS:
            alt = values.get("alt")
            self._page.pictures.append(Picture(values.get("src", ""), alt, self.getpos()[0]))
            if alt and self._link:
                self._link[2].append(alt)
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._heading = (int(tag[1]), [])

    def _read_head(self, tag: str, values: dict[str, str]) -> None:
        if tag == "html" and values.get("lang"):
            self._page.language = values["lang"].strip()
        elif tag == "title" and self._page.title is None and "svg" not in self._silent:
            self._title = []
        elif tag == "meta":
            name = (values.get("name") or values.get("property") or values.get("http-equiv") or "").strip().lower()
            if name and name not in self._page.metadata:
                self._page.metadata[name] = values.get("content", "").strip()
            if "charset" in values:
                self._page.metadata["charset"] = values["charset"]
        elif tag == "base" and values.get("href"):
            self._page.base = values["href"].strip()
        elif tag == "link" and "canonical" in values.get("rel", "").lower().split():
            self._page.canonical = values.get("href", "").strip()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            while self._silent and self._silent.pop() != tag:
                pass
        if tag == "title" and self._title is not None:
            self._page.title = _joined(self._title)
            self._title = None
        if tag in _BLOCKS:
            self._end_block()
        if tag == "a":
            self._end_link()
        if self._heading is not None and tag == f"h{self._heading[0]}":
            if len(self._page.headings) < _MAX_PARTS:
                self._page.headings.append((self._heading[0], _joined(self._heading[1])))
            self._heading = None

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
            return
        if self._silent:
            return
        self._block.append(data)
        if self._heading is not None:
            self._heading[1].append(data)
        if self._link is not None:
            self._link[2].append(data)

    def _end_block(self) -> None:
        text = _joined(self._block)
        self._block = []
        if text and len(self._page.blocks) < _MAX_PARTS:
            self._page.blocks.append(text)

    def _end_link(self) -> None:
        if self._link is not None:
            target, line, words = self._link
            self._page.links.append(Link(target, _joined(words)[:200], line))
            self._link = None


def _markdown(page: PageText) -> Page:
    made = Page(page.path, "markdown")
    body, offset = page.content, 0
    if match := _FRONT.match(body):
        offset = match[0].count("\n")
        for line in match[1].splitlines()[:200]:
            name, colon, value = line.partition(":")
            if colon and name.strip() and not name.startswith((" ", "\t", "-", "#")):
                made.metadata[name.strip().lower()] = value.strip().strip("\"'")
        body = body[match.end() :]
    made.title = made.metadata.get("title")
    made.language = made.metadata.get("lang") or made.metadata.get("language")
    definitions: dict[str, str] = {}
    references: list[tuple[str, str, str, int]] = []
    block: list[str] = []
    fence = ""
    for number, line in enumerate(body.splitlines(), offset + 1):
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
            _end(made, block)
            continue
        if fence:
            continue
        plain = _CODE.sub("", line)
        if heading := _HEADING.match(line):
            _end(made, block)
            text = _plain(heading[2])
            made.headings.append((len(heading[1]), text))
            made.anchors.add(_slug(text, made.anchors))
            made.blocks.append(text)
        elif definition := _DEFINITION.match(plain):
            definitions[definition[1].strip().lower()] = definition[2]
            continue
        elif not line.strip():
            _end(made, block)
        else:
            block.append(_plain(line))
        _inline(made, plain, number, references)
    _end(made, block)
    for picture, text, name, number in references:
        if (target := definitions.get((name or text).strip().lower())) is not None:
            _found(made, picture, text, target, number)
    made.anchors |= set(re.findall(r"<a\s+(?:id|name)=[\"']([^\"'<>]{1,200})[\"']", body))
    made.anchors |= set(re.findall(r"\{#([\w-]{1,200})\}", body))
    return made


def _inline(made: Page, line: str, number: int, references: list[tuple[str, str, str, int]]) -> None:
    if len(made.links) + len(made.pictures) >= _MAX_PARTS or ("[" not in line and "<" not in line):
        return
    for match in _LINK.finditer(line):
        _found(made, match[1], match[2], match[3], number)
    for match in _REFERENCE.finditer(line):
        references.append((match[1], match[2], match[3], number))
    for match in _AUTO.finditer(line):
        made.links.append(Link(match[1], match[1], number))


def _found(made: Page, picture: str, text: str, target: str, number: int) -> None:
    if picture:
        made.pictures.append(Picture(target, text, number))
    else:
        made.links.append(Link(target, text[:200], number))


def _end(made: Page, block: list[str]) -> None:
    text = _joined(block, " ")
    block.clear()
    if text and len(made.blocks) < _MAX_PARTS:
        made.blocks.append(text)


def _plain(line: str) -> str:
    return _MARKS.sub("", _LINK.sub(lambda match: match[2], line)).strip()


def _slug(text: str, taken: set[str]) -> str:
    """As GitHub and most generators make them."""
    slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    made, number = slug, 1
    while made in taken:
        made, number = f"{slug}-{number}", number + 1
    return made


def _joined(words: Sequence[str], between: str = "") -> str:
    return " ".join(between.join(words).split())

"""HTML as text: what a reader of the page would read, and nothing that runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from opsteward.help.parsing.parsed import Parsed, SectionBuilder

_SILENT = frozenset(
    {"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "head", "select", "form"}
)
_CHROME = frozenset({"nav", "footer", "header", "aside", "button"})
_CHROME_WORDS = re.compile(
    r"\b(sphinxsidebar|related|nav(bar|igation|header|footer)?|toc|breadcrumbs?|headerlink|footer|sidebar|menu)\b"
)
_BLOCKS = frozenset(
    {
        "p", "div", "section", "article", "li", "ul", "ol", "dl", "dt", "dd", "table", "tr", "pre", "blockquote", "br",
        "hr", "h1", "h2", "h3", "h4", "h5", "h6", "main", "figure", "figcaption", "details", "summary", "address",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "param"}
)
_SITE = re.compile(r"\s+[—–|·»-]\s+")
_HEADING = re.compile(r"h[1-6]")
_TAG_BEGINS = re.compile(r"<[a-zA-Z/!?]")
_END_OF_COMMENT = re.compile(r"--!?\s{0,9}>")
_DEPTH_LIMIT = 2000


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.builder = SectionBuilder()
        self.title = ""
        self._stack: list[tuple[str, bool]] = []  # open elements, and whether what is in them is left out
        self._line: list[str] = []
        self._heading: list[str] | None = None
        self._anchor = ""
        self._pre = 0
        self._in_title = False

    @property
    def _left_out(self) -> bool:
        return bool(self._stack) and self._stack[-1][1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title" and not self.title:
            self._in_title = True
        if tag == "body":
            self._stack.clear()  # a head that was not closed
        given = dict(attrs)
        if tag in _BLOCKS:
            self._break()
        if tag in _CELLS:
            self._line.append(" | " if "".join(self._line).strip() else "")
        if anchor := given.get("id") or (given.get("name") if tag == "a" else None):
            self._anchor = anchor[:100] if not self._left_out else self._anchor
        if tag in _VOID:
            return
        hidden = self._left_out or tag in _SILENT or tag in _CHROME or "hidden" in given
        if not hidden and (words := given.get("class") or given.get("role")) and tag not in ("body", "html", "main"):
            hidden = bool(_CHROME_WORDS.search(words.lower()))
        if len(self._stack) < _DEPTH_LIMIT:
            self._stack.append((tag, hidden))
        if _HEADING.fullmatch(tag) and not hidden:
            self._heading = []
        self._pre += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if _HEADING.fullmatch(tag) and self._heading is not None:
            words = "".join(self._heading).replace("¶", "").strip()
            self._heading = None
            self.builder.heading(int(tag[1]), words, self._anchor)
        if tag in _BLOCKS:
            self._break()
        self._pre -= tag == "pre" and self._pre > 0
        for place in range(len(self._stack) - 1, max(-1, len(self._stack) - 50), -1):
            if self._stack[place][0] == tag:
                del self._stack[place:]
                break

    def parse_html_declaration(self, i: int) -> int:
        """Where a comment, a declaration or a marked section that begins at `i` is over. Nothing of it is read, and one
        without an end goes on to that of the page, as browsers have it: the base class would look for the end of
        each anew, which takes the square of their number."""
        if self.rawdata.startswith("<!--", i):
            found = _END_OF_COMMENT.search(self.rawdata, i + 2)
            return found.end() if found else len(self.rawdata)
        end = "]]>" if self.rawdata.startswith("<![CDATA[", i) else ">"
        place = self.rawdata.find(end, i)
        return place + len(end) if place >= 0 else len(self.rawdata)

    def parse_comment(self, i: int, report: bool = True) -> int:
        """As above."""
        return self.parse_html_declaration(i)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._left_out:
            (self._line if self._heading is None else self._heading).append(data)

    def finish(self) -> Parsed:
        self._break()
        title = " ".join(self.title.split())[:300]
        sections = self.builder.done()
        first = next((section.path[0] for section in sections if section.path), "")
        own = _SITE.split(title, maxsplit=1)[0].strip()  # a page's title is often followed by that of its site
        return Parsed(title=own or first, sections=sections)

    def _break(self) -> None:
        line = "".join(self._line)
        self._line.clear()
        if line.strip():
            self.builder.text(line.strip("\n") if self._pre else " ".join(line.split()))


def read_html(text: str) -> Parsed:
    """The headings and the text of a page, without scripts, styles, forms and what leads around in the site."""
    reader = _Reader()
    tags_end = text.rfind(">") + 1  # a tag that begins behind it has no end, which each would be searched for
    reader.feed(text[:tags_end] + _TAG_BEGINS.split(text[tags_end:], maxsplit=1)[0])
    reader.close()
    return reader.finish()

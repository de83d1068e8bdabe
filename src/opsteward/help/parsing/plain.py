"""Markdown, reStructuredText and plain text: headings by the marks that people write."""

from __future__ import annotations

import re
from collections.abc import Callable

from opsteward.help.parsing.parsed import Parsed, SectionBuilder

_INDENT_LIMIT, _LEVELS = 3, 6  # of headings of Markdown
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r"([=\-`:.'\"~^_*+#<>])\1{2,}\s*$")
_LINK = re.compile(r"!?\[([^\]\n]{0,500})\]\((?:[^()\s\n]{0,2000}|<[^>\n]{0,2000}>)(?:\s+\"[^\"\n]{0,200}\")?\)")
_REFERENCE_LINK = re.compile(r"\[([^\]\n]{1,500})\]\[[^\]\n]{0,200}\]")
_FRONT_MATTER = re.compile(r"\A---\s*\n(.{0,20000}?)\n(?:---|\.\.\.)\s*\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:(.+)$", re.MULTILINE)
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,1000}>")
_ROLE = re.compile(r":[a-zA-Z:+-]{1,40}:`([^`<\n]{1,500})(?:<[^>\n]{0,500}>)?`")
_RST_LINK = re.compile(r"`([^`<\n]{1,500})\s*<[^>\n]{0,1000}>`_{1,2}")
_MANUAL_HEADING = re.compile(r"[A-Z][A-Z0-9 ,/&-]{2,60}$")


def read_markdown(text: str) -> Parsed:
    """Headings by `#` or an underline; what is fenced is text as it stands."""
    title = ""
    if front := _FRONT_MATTER.match(text):
        named = _FRONT_TITLE.search(front[1])
        title, text = (named[1].strip().strip("\"'") if named else ""), text[front.end() :]
    builder = SectionBuilder()
    fence = ""
    previous: str | None = None
    for line in _without_comments(text).split("\n"):
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1][:3]
            elif line.strip().startswith(fence):
                fence = ""
            previous = _give(builder, previous)
        elif fence:
            builder.text(line)
        elif found := _markdown_heading(line):
            previous = _give(builder, previous)
            builder.heading(found[0], _inline(found[1]))
        elif previous and previous.strip() and line[:1] in "=-" and re.fullmatch(r"(=+|-{3,})\s*", line):
            builder.heading(1 if line[0] == "=" else 2, _inline(previous))
            previous = None
        else:
            previous = _give(builder, previous, then=line)
    _give(builder, previous)
    return _titled(title, builder)


def _without_comments(text: str) -> str:
    """By hand: as a pattern, beginnings without an end took the square of their number."""
    kept, begin = [], 0
    while (start := text.find("<!--", begin)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[begin:start])
        begin = end + 3
    return "".join([*kept, text[begin:]])


def _markdown_heading(line: str) -> tuple[int, str] | None:
    """Its level and words. By hand: as a pattern, a line of spaces took minutes."""
    marked = line.lstrip(" ")
    words = marked.lstrip("#")
    level = len(marked) - len(words)
    if len(line) - len(marked) > _INDENT_LIMIT or not 0 < level <= _LEVELS or not words[:1].isspace():
        return None
    text = words.strip()
    open_end = text.rstrip("#")
    if not open_end or open_end[-1].isspace():  # closed by marks of its own, and no C#
        text = open_end.rstrip()
    return (level, text) if text else None


def read_rst(text: str) -> Parsed:
    """Headings by an underline, in the order in which kinds of underlines are met."""
    builder = SectionBuilder()
    levels: list[str] = []
    previous: str | None = None
    for line in text.split("\n"):
        mark = _UNDERLINE.match(line)
        if mark and previous and previous.strip() and not _UNDERLINE.match(previous) and len(line) + 2 >= len(previous):
            if mark[1] not in levels:
                levels.append(mark[1])
            builder.heading(levels.index(mark[1]) + 1, _rst_inline(previous))
            previous = None
        elif mark or line.startswith(".. _") or re.match(r"\s*:[a-z-]+:\s", line):
            if previous:
                builder.text(_rst_inline(previous))
            previous = line if mark and previous is not None and not previous.strip() else ""
        else:
            if previous is not None and not _UNDERLINE.match(previous):
                builder.text(_rst_inline(previous))
            previous = line
    if previous and not _UNDERLINE.match(previous):
        builder.text(_rst_inline(previous))
    return _titled("", builder)


def read_text(text: str) -> Parsed:
    """Text without marks; lines in capitals that stand alone, as in manuals, are headings."""
    builder = SectionBuilder()
    lines = text.split("\n")
    for before, line in zip(["", *lines], lines, strict=False):
        if not before.strip() and _MANUAL_HEADING.match(line):
            builder.heading(2, line)
        else:
            builder.text(line)
    parsed = _titled("", builder)
    first = next((line.strip() for line in lines if line.strip()), "")
    return Parsed(title=first[:120], sections=parsed.sections)


def _give(builder: SectionBuilder, line: str | None, then: str | None = None) -> str | None:
    if line is not None:
        builder.text(_inline(line))
    return then


def _inline(text: str) -> str:
    """Links as their words, and no tags."""
    if "[" in text:
        text = _REFERENCE_LINK.sub(r"\1", _LINK.sub(r"\1", text))
    return _TAG.sub("", text) if "<" in text else text


def _rst_inline(text: str) -> str:
    return _RST_LINK.sub(r"\1", _ROLE.sub(r"\1", text)) if "`" in text else text


def _titled(title: str, builder: SectionBuilder) -> Parsed:
    sections = builder.done()
    first = next((section.path[0] for section in sections if section.path), "")
    return Parsed(title=title or first, sections=sections)


READERS: dict[str, Callable[[str], Parsed]] = {
    "text/markdown": read_markdown,
    "text/x-rst": read_rst,
    "text/plain": read_text,
}

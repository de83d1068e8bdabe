"""Documents in pieces that are found and quoted alone: by headings, long sections with overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CHUNK_CHARACTERS = 1400
_OVERLAP = 160  # characters of a piece that the next one of its section begins with
_SHORT = 240  # characters below which a section joins the one before
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Section:
    """Text under one heading. `path`: the headings above it and its own; `anchor`: its place in the document."""

    path: tuple[str, ...]
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document; `heading` is where it stands."""

    heading: str
    anchor: str
    text: str


def chunks_of(sections: Iterable[Section]) -> Iterator[Chunk]:
    """The pieces in the order of the document."""
    held: Section | None = None
    for section in sections:
        text = section.text.strip()
        if not text and not section.path:
            continue
        if held is not None and len(held.text) + len(text) < CHUNK_CHARACTERS and len(text) < _SHORT:
            name = section.path[-1] if section.path and section.path != held.path else ""
            held = Section(held.path, held.anchor, "\n".join(part for part in (held.text, name, text) if part))
            continue
        if held is not None:
            yield from _pieces(held)
        held = Section(section.path, section.anchor, text)
    if held is not None:
        yield from _pieces(held)


def _pieces(section: Section) -> Iterator[Chunk]:
    heading = " > ".join(section.path)[:500]
    text = section.text
    if len(text) <= CHUNK_CHARACTERS:
        yield Chunk(heading, section.anchor, text or section.path[-1])
        return
    begin = 0
    while begin < len(text):
        end = (
            len(text) if len(text) - begin <= CHUNK_CHARACTERS else _break_before(text, begin, begin + CHUNK_CHARACTERS)
        )
        yield Chunk(heading, section.anchor, text[begin:end].strip())
        if end >= len(text):
            return
        begin = max(begin + 1, _break_after(text, end - _OVERLAP, end))


def _break_before(text: str, begin: int, end: int) -> int:
    """The last end of a sentence or line before `end`, else of a word, else `end`."""
    least = begin + (end - begin) // 2
    breaks = [found.end() for found in _SENTENCE_END.finditer(text, least, end)]
    if breaks:
        return breaks[-1]
    space = text.rfind(" ", least, end)
    return space if space > 0 else end


def _break_after(text: str, begin: int, end: int) -> int:
    """The first begin of a sentence or word at or after `begin`, at most `end`."""
    found = _SENTENCE_END.search(text, begin, end)
    if found:
        return found.end()
    space = text.find(" ", begin, end)
    return space + 1 if space > 0 else end

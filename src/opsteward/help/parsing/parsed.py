"""What every reader of a format gives."""

from __future__ import annotations

import re
from dataclasses import dataclass

from opsteward.help.chunking import Section

TEXT_LIMIT = 20_000_000  # characters of one document
_UNSAFE_IN_ANCHOR = re.compile(r"[^\w-]+")


class Unreadable(Exception):
    """The file holds no text that can be read; the message says why, for people."""


@dataclass(frozen=True)
class Parsed:
    """The text of a document. `note`: what of it could not be read."""

    title: str
    sections: list[Section]
    note: str = ""


def anchor_of(heading: str) -> str:
    """A heading's place in a document, as web pages usually name it."""
    return _UNSAFE_IN_ANCHOR.sub("-", heading.lower()).strip("-")[:100]


class SectionBuilder:
    """Gathers text under headings as they come."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self._anchor = ""
        self._lines: list[str] = []
        self._characters = 0

    def heading(self, level: int, text: str, anchor: str = "") -> None:
        """A heading of a level from 1 begins a section."""
        text = " ".join(text.split())[:300]
        if not text:
            return
        self._close()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, text))
        self._anchor = anchor or anchor_of(text)

    def text(self, text: str) -> None:
        """Text of the present section. What is beyond the limit is left out."""
        if self._characters < TEXT_LIMIT:
            self._lines.append(text)
            self._characters += len(text)

    def done(self) -> list[Section]:
        """All sections."""
        self._close()
        return self.sections

    def _close(self) -> None:
        text = "\n".join(self._lines).strip()
        self._lines.clear()
        if text or self._path:
            self.sections.append(Section(tuple(name for _, name in self._path), self._anchor, text))

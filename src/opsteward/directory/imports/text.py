"""The text of a file that comes in blocks: which encoding it has, and its lines. Formats are read elsewhere."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from opsteward.core.errors import Invalid
from opsteward.directory.imports.records import MAX_RECORD, Blocks

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: What may be named as encoding, and Python's name of it.
ENCODINGS = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "utf-16": "utf-16",
    "latin-1": "latin-1",
    "iso-8859-1": "latin-1",
    "cp1252": "cp1252",
    "windows-1252": "cp1252",
}


class EncodingFinder:
    """Looks at every block of an upload; at the end it knows how the text is to be read."""

    def __init__(self, *, file_format: str, given: str = "") -> None:
        """`given`: the name the sender uses. Raises Invalid for one that is unknown."""
        self._format = file_format
        self._given = given.strip().lower()
        if self._given and self._given not in ENCODINGS:
            raise Invalid.field("encoding", f"{given[:40]!r} is not known", f"use one of {', '.join(ENCODINGS)}")
        self._decoder = codecs.getincrementaldecoder(ENCODINGS[self._given] if self._given else "utf-8")()
        self._begun = False
        self._read = 0
        self._beyond_ascii = False
        self._bad_at: int | None = None
        self._utf16 = False

    def look(self, block: bytes) -> None:
        """The next block."""
        if not self._begun:
            self._begun = True
            self._utf16 = block[:2] in _UTF16
            if self._utf16 and not self._given:
                self._decoder = codecs.getincrementaldecoder("utf-16")()
        if self._bad_at is not None:
            return
        self._decode(block, final=False)
        self._beyond_ascii |= self._bad_at is None and not block.isascii()
        self._read += len(block)

    def _decode(self, block: bytes, *, final: bool) -> None:
        try:
            self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            self._bad_at = self._read + error.start
            self._beyond_ascii |= not block[: error.start].isascii()

    def found(self) -> tuple[str, str]:
        """(Python's name of the encoding, a note for the report). Raises Invalid for text that is none."""
        if self._bad_at is None:
            self._decode(b"", final=True)
        wanted = self._given or ("utf-16" if self._utf16 else "utf-8")
        if self._bad_at is None:
            note = f"read as {wanted}" if self._given or self._utf16 else ""
            return ENCODINGS[wanted], note
        bad = f"is not {wanted.upper()} at byte {self._bad_at}"
        if self._given or self._utf16 or self._format != "csv":
            raise Invalid.field("body", bad, "encode it as UTF-8")
        if self._beyond_ascii:
            raise Invalid.field("body", f"{bad}, but is before it: it mixes encodings", "name its encoding, or mend it")
        return "cp1252-or-latin-1", f"{bad}: read as Windows-1252, as western HR exports are; check names with accents"


class _Raw(io.RawIOBase):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _undefined_as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """The five bytes that Windows-1252 leaves open are controls in Latin-1; names with them are refused later."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("opsteward.latin-1", _undefined_as_latin_1)


def lines(blocks: Blocks, encoding: str) -> Iterator[str]:
    """The lines of the text with their ends, as a stream; only line feeds and carriage returns end one.

    Of a line longer than `MOST_RECORD` no more than one character beyond it is given, and no end.
    """
    buffered = io.BufferedReader(_Raw(blocks), 1024 * 1024)
    if encoding == "cp1252-or-latin-1":
        return _limited(io.TextIOWrapper(buffered, "cp1252", errors="opsteward.latin-1", newline=""))
    return _limited(io.TextIOWrapper(buffered, encoding, newline=""))


def _limited(text: io.TextIOWrapper) -> Iterator[str]:
    read = text.readline
    while line := read(MAX_RECORD + 1):
        yield line
        while len(line) > MAX_RECORD and line[-1] not in "\r\n":
            line = read(MAX_RECORD + 1) or "\n"

"""The text of a file that comes in blocks: which encoding it has, and its lines. Formats are read elsewhere."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator

from opsteward.core.errors import Invalid
from opsteward.directory.imports.records import MAX_RECORD, Blocks

#: What may be named as encoding, and Python's name of it.
ENCODINGS = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
    "latin-1": "latin-1",
    "iso-8859-1": "latin-1",
    "cp1252": "cp1252",
    "windows-1252": "cp1252",
    **{
        name: name
        for name in (
            "iso-8859-2", "iso-8859-5", "iso-8859-7", "iso-8859-9", "iso-8859-15", "cp1250", "cp1251", "cp1253",
            "cp1254", "cp437", "cp850", "koi8-r", "shift_jis", "euc-jp", "gb18030", "big5", "euc-kr",
        )
    },
}  # fmt: skip
#: The longer byte order marks first: that of UTF-32 begins with one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: How files begin that hold no text at all, and what to do about them.
_OTHERS = (
    (b"PK\x03\x04", "is an Excel workbook or a ZIP archive", "save the sheet as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", "save the sheet as CSV"),
    (b"\x1f\x8b", "is compressed with gzip", "unpack it first"),
    (b"%PDF-", "is a PDF", "export it as CSV"),
)
#: Three and more letters beyond ASCII in a row are rare in western words, and common in Cyrillic or Greek ones.
_OTHER_SCRIPT = re.compile(rb"[\xc0-\xff]{4,}")
_LONE = re.compile(rb"(?<![\x80-\xff])[\xc0-\xff](?![\x80-\xff])")
_UTF8_LETTER = re.compile(rb"[\xc3-\xc5][\x80-\xbf](?![\x80-\xff])")


def encoding_at(begun: bytes) -> str:
    """What the beginning of a file says of its encoding, as one of ENCODINGS; empty where it says nothing."""
    for mark, name in _MARKS:
        if begun.startswith(mark):
            return name
    pairs = begun[:64]
    if len(pairs) >= 4 and pairs[:4].count(0) == 2:  # text of any format begins with ASCII
        if not any(pairs[1:4:2]):
            return "utf-16-le"
        if not any(pairs[0:4:2]):
            return "utf-16-be"
    return ""


def first_character(begun: bytes, given: str = "") -> str:
    """The first character of a file that is no white space, by its beginning; empty where there is none."""
    name = ENCODINGS.get(given.strip().lower() or encoding_at(begun) or "utf-8", "utf-8-sig")
    text = codecs.getincrementaldecoder(name)("replace").decode(begun[:65536])
    return text.lstrip(" \t\r\n\ufeff\x1e")[:1]


class EncodingFinder:
    """Looks at every block of an upload; at the end it knows how the text is to be read."""

    def __init__(self, *, given: str = "") -> None:
        """`given`: the name the sender uses. Raises Invalid for one that is unknown."""
        self._given = given.strip().lower()
        if self._given and self._given not in ENCODINGS:
            raise Invalid.field("encoding", f"{given[:40]!r} is not known", f"use one of {', '.join(ENCODINGS)}")
        self._told = ""
        self._decoder = codecs.getincrementaldecoder(ENCODINGS[self._given or "utf-8"])()
        self._begun = False
        self._read = 0
        self._beyond_ascii = False
        self._bad_at: int | None = None
        self._western = self._foreign = self._mixed = 0

    def look(self, block: bytes) -> None:
        """The next block. Raises Invalid for a file that holds no text."""
        if not self._begun:
            self._begin(block)
        if self._bad_at is None:
            self._decode(block, final=False)
            self._beyond_ascii |= self._bad_at is None and not block.isascii()
        if self._bad_at is not None:
            self._weigh(block[max(0, self._bad_at - self._read) :])
        self._read += len(block)

    def _begin(self, block: bytes) -> None:
        self._begun = True
        for beginning, what, remedy in _OTHERS:
            if block.startswith(beginning):
                raise Invalid.field("body", what, remedy)
        self._told = encoding_at(block)
        if self._told and not self._given:
            self._decoder = codecs.getincrementaldecoder(ENCODINGS[self._told])()

    def _decode(self, block: bytes, *, final: bool) -> None:
        try:
            self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            self._bad_at = self._read + error.start
            self._beyond_ascii |= not block[: error.start].isascii()

    def _weigh(self, block: bytes) -> None:
        """Does what is no UTF-8 look like western text?"""
        self._western += len(_LONE.findall(block))
        self._foreign += len(_OTHER_SCRIPT.findall(block))
        self._mixed += len(_UTF8_LETTER.findall(block))

    def found(self) -> tuple[str, str]:
        """(Python's name of the encoding, a note for the report). Raises Invalid for text that is none."""
        if self._bad_at is None:
            self._decode(b"", final=True)
        wanted = self._given or self._told or "utf-8"
        if self._bad_at is None:
            note = f"read as {wanted}" if self._given or wanted != "utf-8" else ""
            return ENCODINGS[wanted], note
        bad = f"is not {wanted.upper()} at byte {self._bad_at}"
        if self._given or self._told:
            raise Invalid.field("body", bad, "encode it as UTF-8")
        if self._beyond_ascii or self._mixed * 20 > self._western:
            raise Invalid.field("body", f"{bad}, but is elsewhere: it mixes encodings", "name its encoding, or mend it")
        if self._foreign > self._western:
            raise Invalid.field("body", f"{bad}, and no western text", "name its encoding, or encode it as UTF-8")
        return "cp1252-or-latin-1", f"{bad}: read as Windows-1252, as western HR exports are; check names with accents"

    def text_of(self, content: bytes) -> str:
        """The whole text of a small file. Raises Invalid for text that is none."""
        self.look(content)
        codec, errors = codec_of(self.found()[0])
        return content.decode(codec, errors)


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


def codec_of(encoding: str) -> tuple[str, str]:
    """(Python's name of the codec, its way with errors) of an encoding that was found."""
    return ("cp1252", "opsteward.latin-1") if encoding == "cp1252-or-latin-1" else (encoding, "strict")


def lines(blocks: Blocks, encoding: str) -> Iterator[str]:
    """The lines of the text with their ends, as a stream; only line feeds and carriage returns end one.

    Of a line longer than `MOST_RECORD` no more than one character beyond it is given, and no end.
    """
    buffered = io.BufferedReader(_Raw(blocks), 1024 * 1024)
    return _limited(io.TextIOWrapper(buffered, *codec_of(encoding), newline=""))


def _limited(text: io.TextIOWrapper) -> Iterator[str]:
    read = text.readline
    while line := read(MAX_RECORD + 1):
        yield line
        while len(line) > MAX_RECORD and line[-1] not in "\r\n":
            line = read(MAX_RECORD + 1) or "\n"

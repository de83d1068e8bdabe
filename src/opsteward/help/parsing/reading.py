"""One file of whatever format: what it is by name, declared type and content, and its text."""

from __future__ import annotations

import html
import re
from pathlib import PurePosixPath

from opsteward.help.parsing.html import read_html
from opsteward.help.parsing.office import read_docx, read_pdf
from opsteward.help.parsing.parsed import Parsed, Unreadable
from opsteward.help.parsing.plain import READERS

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
ZIP = "application/zip"
_BY_ENDING = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".mdx": "text/markdown", ".html": HTML, ".htm": HTML,
    ".xhtml": HTML, ".rst": "text/x-rst", ".txt": "text/plain", ".text": "text/plain", ".pdf": PDF, ".docx": DOCX,
    ".log": "text/plain", ".adoc": "text/plain", ".org": "text/plain", ".zip": ZIP, "": "text/plain",
}  # fmt: skip
_DECLARED = {
    "application/xhtml+xml": HTML,
    "text/x-markdown": "text/markdown",
    "text/prs.fallenstein.rst": "text/x-rst",
}
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_-]{1,40})", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: Signs that turn the direction of what follows, and such as are not seen: in a title they pass for another one.
_MISLEADING = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
TYPES = frozenset({*_BY_ENDING.values()})


def media_type_of(name: str, data: bytes, declared: str = "") -> str | None:
    """What a file is: by its content where that is certain, else as declared, else by its name's ending. None: nothing
    that can be read."""
    if data.startswith(b"%PDF-") or b"%PDF-" in data[:1024]:
        return PDF
    ending = PurePosixPath(name.lower()).suffix
    if data.startswith(b"PK\x03\x04"):
        return DOCX if ending == ".docx" or b"word/" in data[:4096] or declared == DOCX else ZIP
    if _LOOKS_LIKE_HTML.match(data[:4096]):
        return HTML
    declared = declared.partition(";")[0].strip().lower()
    declared = _DECLARED.get(declared, declared)
    if declared in TYPES and declared != "text/plain":
        return declared
    known = _BY_ENDING.get(ending)
    if known in (PDF, DOCX, ZIP):
        return None  # named so, and no such thing
    return known or ("text/plain" if declared == "text/plain" or _is_text(data[:4096]) else None)


def read_document(data: bytes, media_type: str) -> Parsed:
    """The text of a file. Raises Unreadable."""
    if media_type == PDF:
        return _cleaned(read_pdf(data))
    if media_type == DOCX:
        return _cleaned(read_docx(data))
    if media_type == HTML:
        text, note = decoded(data, given=_declared_charset(data))
        parsed = read_html(text)
    else:
        text, note = decoded(data)
        parsed = READERS[media_type](text)
    if not any(section.text or section.path for section in parsed.sections):
        raise Unreadable("it holds no text")
    return _cleaned(Parsed(parsed.title, parsed.sections, "; ".join(n for n in (parsed.note, note) if n)))


def decoded(data: bytes, given: str = "") -> tuple[str, str]:
    """The text of bytes, and a note if some of them were no text. Raises Unreadable for what is no text at all."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), ""
    for encoding in ("utf-8", given):
        try:
            return data.decode(encoding or "utf-8"), ""
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    if not _is_text(data):
        raise Unreadable("it is no text")
    if data.count(b"\xef\xbf\xbd") or _mostly_utf8(data):
        return data.decode("utf-8", "replace"), "bytes that are no UTF-8 are shown as �"
    return data.decode("cp1252", "replace"), "it is no UTF-8 and was read as Windows-1252"


def _mostly_utf8(data: bytes) -> bool:
    broken = data.decode("utf-8", "replace").count("�")
    high = sum(byte > 127 for byte in data[:100_000])
    return broken * 4 < high


def _is_text(data: bytes) -> bool:
    sample = data[:20_000]
    odd = sum(byte < 9 or 13 < byte < 32 for byte in sample)
    return odd * 50 <= len(sample)


def _declared_charset(data: bytes) -> str:
    found = _CHARSET.search(data[:4096])
    return found[1].decode() if found else ""


def _cleaned(parsed: Parsed) -> Parsed:
    """Without characters that no text has."""
    from opsteward.help.chunking import Section

    sections = [
        Section(tuple(_clean(part) for part in s.path), _clean(s.anchor), _clean(s.text)) for s in parsed.sections
    ]
    return Parsed(_MISLEADING.sub("", _clean(html.unescape(parsed.title))), sections, parsed.note)


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()

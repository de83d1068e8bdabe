"""PDF and DOCX, within bounds of pages, time and unpacked size."""

from __future__ import annotations

import io
import time
import zipfile
from xml.etree import ElementTree
from xml.parsers import expat

from opsteward.help.chunking import Section
from opsteward.help.parsing.parsed import TEXT_LIMIT, Parsed, SectionBuilder, Unreadable

PDF_PAGE_LIMIT = 3000
PDF_SECONDS = 40.0
_XML_LIMIT = 50_000_000  # bytes, unpacked
_DEPTH_LIMIT = 200  # of elements within each other
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def read_pdf(data: bytes) -> Parsed:
    """A section for each page. Raises Unreadable for what is broken, encrypted, or without text."""
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    until = time.monotonic() + PDF_SECONDS
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("the PDF is encrypted; save it without a password")
        count = len(reader.pages)
        title = str((reader.metadata.title if reader.metadata else "") or "")
    except Unreadable:
        raise
    except Exception as error:  # a boundary: the library raises whatever a broken file leads it to
        raise Unreadable(f"the PDF can't be read ({type(error).__name__})") from None
    sections, bad, characters, looked_at = [], 0, 0, 0
    for number in range(min(count, PDF_PAGE_LIMIT)):
        if time.monotonic() > until or characters > TEXT_LIMIT:
            break
        looked_at = number + 1
        try:
            text = reader.pages[number].extract_text()
        except Exception:  # as above, of one page
            bad += 1
            continue
        characters += len(text)
        if text.strip():
            sections.append(Section((f"Page {number + 1}",), f"page={number + 1}", text))
    if not sections:
        raise Unreadable("the PDF holds no text; a scanned one needs text recognition first")
    notes = [f"pages 1 to {looked_at} of {count} were read"] if looked_at < count else []
    notes += [f"{bad} pages could not be read"] if bad else []
    first = next((line.strip() for line in sections[0].text.split("\n") if line.strip()), "")
    return Parsed(title=" ".join(title.split())[:300] or first[:120], sections=sections, note="; ".join(notes))


def read_docx(data: bytes) -> Parsed:
    """Headings by the styles of Word. Raises Unreadable."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.getinfo("word/document.xml")
            with archive.open(info) as member:
                content = member.read(_XML_LIMIT + 1)
    except (zipfile.BadZipFile, KeyError, RuntimeError, OSError, EOFError, NotImplementedError, ValueError):
        raise Unreadable("it is no DOCX file that can be unpacked") from None
    except Exception as error:  # zlib's own error
        raise Unreadable(f"the DOCX can't be unpacked ({type(error).__name__})") from None
    if len(content) > _XML_LIMIT:
        raise Unreadable(f"the DOCX unpacks to more than {_XML_LIMIT // 1_000_000} MB")
    builder, body = SectionBuilder(), _parsed(content)
    for paragraph in body.iter(f"{_WORD}p"):
        text = "".join(_words_of(paragraph))
        style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
        name = (style.get(f"{_WORD}val") or "").lower() if style is not None else ""
        if name == "title":
            builder.heading(1, text)
        elif name.startswith("heading") and name[7:].isdigit():
            builder.heading(int(name[7:]) + 1, text)
        else:
            builder.text(text)
    sections = builder.done()
    if not sections:
        raise Unreadable("the DOCX holds no text")
    first = next((section.path[0] for section in sections if section.path), "")
    return Parsed(title=first or sections[0].text[:120].split("\n")[0], sections=sections)


def _parsed(content: bytes) -> ElementTree.Element:
    """The XML, of which no declaration of a type is taken, in whatever encoding it is written. Raises Unreadable."""

    def refuse(*_: object) -> None:
        raise Unreadable("the DOCX declares entities, which no word processor writes")

    parser = expat.ParserCreate(namespace_separator="}")
    builder = ElementTree.TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH_LIMIT:
            raise Unreadable(f"the DOCX is nested more than {_DEPTH_LIMIT} deep")
        builder.start(_named(tag), {_named(name): value for name, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_named(tag))

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError):  # the latter two of encodings that it does not know
        raise Unreadable("the DOCX holds broken XML") from None
    return builder.close()


def _named(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _words_of(paragraph: ElementTree.Element) -> list[str]:
    words = []
    for element in paragraph.iter():
        if element.tag == f"{_WORD}t":
            words.append(element.text or "")
        elif element.tag in (f"{_WORD}tab", f"{_WORD}br"):
            words.append("\t" if element.tag.endswith("tab") else "\n")
    return words

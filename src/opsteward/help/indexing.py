"""Files to documents with chunks, vectors and postings. Runs in a process that can be ended: see `core.computing`."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from opsteward.help.chunking import Chunk, Section, chunks_of
from opsteward.help.languages import language_of
from opsteward.help.parsing.parsed import Unreadable
from opsteward.help.parsing.reading import ZIP, media_type_of, read_document
from opsteward.help.postings import CHUNKS_PER_PAGE, PLACE_BITS, PageSize, PostingsWriter

ARCHIVE_FILE_LIMIT = 2_000
_ARCHIVE_BYTES_LIMIT = 256 * 1024 * 1024  # of all its files, unpacked
_FILE_BYTES_LIMIT = 32 * 1024 * 1024
_CHUNK_LIMIT = 60_000  # of one document
_NAME_LIMIT = 500  # characters
_CHUNKS_OF_SAMPLE = 5  # that tell a document's language
CASE_PREFIX = "case:"  # of the names of past incidents
_SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules", "__MACOSX"})


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """`number` counts from the first page of all that was indexed together."""

    number: int
    heading: str
    anchor: str
    text: str
    vector: bytes


@dataclass(slots=True)
class IndexedDocument:
    """What became of one file. With `refused` (why) there is nothing else of it."""

    name: str
    digest: str
    bytes: int
    media_type: str = ""
    title: str = ""
    note: str = ""
    refused: str = ""
    first_page: int = 0
    pages: list[PageSize] = field(default_factory=list)
    chunks: list[IndexedChunk] = field(default_factory=list)


@dataclass(slots=True)
class Indexed:
    """All documents of one upload and their postings, with pages numbered from 0."""

    documents: list[IndexedDocument] = field(default_factory=list)
    postings: dict[str, bytes] = field(default_factory=dict)
    pages: int = 0
    unchanged: int = 0


class Indexer:
    """Takes documents one after the other."""

    def __init__(self) -> None:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a buffer for each would not fit into the process's bound
        from opsteward.help.vectors import shipped_vectors

        self._vectors = shipped_vectors()
        self._writer = PostingsWriter()
        self.found = Indexed()

    def add_text(self, document: IndexedDocument, sections: list[Section], asked_as: str = "") -> None:
        """A document whose text is known. It is found by the words of `asked_as` too, which are not shown."""
        chunks: list[Chunk] = []
        for chunk in chunks_of(sections):
            if len(chunks) >= _CHUNK_LIMIT:
                document.note = "; ".join(n for n in (document.note, "the end of it was left out, for its length") if n)
                break
            chunks.append(chunk)
        document.first_page = len(self._writer.pages)
        language = language_of(" ".join(chunk.text for chunk in chunks[:_CHUNKS_OF_SAMPLE]))
        for begin in range(0, len(chunks), CHUNKS_PER_PAGE):
            own = chunks[begin : begin + CHUNKS_PER_PAGE]
            page = len(self._writer.pages)
            document.pages.append(self._writer.add_page(document.title, own, language, asked_as))
            for place, chunk in enumerate(own):
                named = asked_as if place == 0 else chunk.heading
                text = f"{document.title}. {named or chunk.heading}. {chunk.text}"
                vector = self._vectors.packed(text) if self._vectors else b""
                number = (page << PLACE_BITS) + place
                document.chunks.append(IndexedChunk(number, chunk.heading, chunk.anchor, chunk.text, vector))
        self.found.documents.append(document)

    def add_file(self, name: str, data: bytes, declared: str = "") -> None:
        """A file; one that can't be read is noted as refused."""
        document = IndexedDocument(name, hashlib.sha256(data).hexdigest(), len(data))
        media_type = media_type_of(name, data, declared)
        try:
            if media_type is None or media_type == ZIP:
                raise Unreadable(_no_format(name))
            parsed = read_document(data, media_type)
        except Unreadable as error:
            document.refused = str(error)
            self.found.documents.append(document)
            return
        document.media_type, document.note = media_type, parsed.note
        document.title = " ".join(parsed.title.split())[:300] or PurePosixPath(name).stem or name
        self.add_text(document, parsed.sections)

    def done(self) -> Indexed:
        """All of it."""
        self.found.postings, self.found.pages = self._writer.packed(), len(self._writer.pages)
        return self.found


def _no_format(name: str) -> str:
    ending = PurePosixPath(name.lower()).suffix
    if ending in (".pdf", ".docx"):
        return f"it is named {ending}, and is no {ending[1:].upper()}"
    if ending == ".zip":
        return "an archive within an archive is not opened, nor one that is none"
    return "it is in no format that can be read: Markdown, HTML, PDF, DOCX, reStructuredText, text"


def index_upload(name: str, data: bytes, declared: str, known: Mapping[str, str]) -> Indexed:
    """A file, or the files of a ZIP archive. `known`: digests of documents by name; what is the same is left out."""
    indexer = Indexer()
    if media_type_of(name, data, declared) == ZIP:
        for member, content in _members(data, indexer):
            if known.get(member) == hashlib.sha256(content).hexdigest():
                indexer.found.unchanged += 1
            else:
                indexer.add_file(member, content)
    else:
        indexer.add_file(name, data, declared)
    return indexer.done()


def index_texts(texts: list[tuple[str, str, list[Section]]], asked_as: Mapping[str, str] | None = None) -> Indexed:
    """Documents of our own making, each with its name, its title and its sections. `asked_as`: further words that one
    of a name is found by."""
    indexer = Indexer()
    for name, title, sections in texts:
        whole = "\n".join("\n".join((*section.path, section.text)) for section in sections)
        digest = hashlib.sha256(f"{title}\n{whole}".encode()).hexdigest()
        document = IndexedDocument(name, digest, len(whole), media_type="text/markdown", title=title)
        indexer.add_text(document, sections, (asked_as or {}).get(name, ""))
    return indexer.done()


def _members(data: bytes, indexer: Indexer) -> Iterator[tuple[str, bytes]]:
    """The files of an archive by name; what is too much or broken is noted as refused."""

    def refuse(name: str, size: int, why: str) -> None:
        indexer.found.documents.append(IndexedDocument(name[:_NAME_LIMIT], "", size, refused=why))

    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        refuse("(archive)", len(data), "it is no ZIP archive that can be unpacked")
        return
    left = _ARCHIVE_BYTES_LIMIT
    names: set[str] = set()
    with archive:
        for count, info in enumerate(archive.infolist()):
            name = _safe_name(info.filename)
            if info.is_dir() or not name or name in names:
                continue
            names.add(name)
            if count >= ARCHIVE_FILE_LIMIT:
                refuse(name, info.file_size, f"an archive may hold {ARCHIVE_FILE_LIMIT} files; the rest was left out")
                return
            try:
                with archive.open(info) as member:
                    content = member.read(min(left, _FILE_BYTES_LIMIT) + 1)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error, ValueError):
                refuse(name, info.file_size, "it can't be unpacked (broken, or with a password)")
                continue
            if len(content) > _FILE_BYTES_LIMIT:
                refuse(name, info.file_size, f"it unpacks to more than {_FILE_BYTES_LIMIT // 2**20} MB")
                continue
            if len(content) > left:
                refuse(name, info.file_size, f"the archive unpacks to more than {_ARCHIVE_BYTES_LIMIT // 2**20} MB")
                return
            left -= len(content)
            yield name, content


def _safe_name(name: str) -> str:
    """A relative path without steps upwards; empty for what is no document of its own, or is named like a case."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if any(part in _SKIPPED_FOLDERS or part.startswith(".") for part in parts):
        return ""
    name = "".join(char for char in "/".join(parts) if char.isprintable())[:_NAME_LIMIT]
    return "" if name.startswith(CASE_PREFIX) else name

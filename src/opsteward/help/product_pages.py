"""Opsteward's own documentation as a corpus: it ships in the wheel, and in a checkout is read where it is written."""

from __future__ import annotations

import re
import threading
from functools import cache
from importlib.resources import files
from pathlib import Path

from opsteward.core.computing import in_fair_thread
from opsteward.help.chunking import Section
from opsteward.help.corpus import MemoryCorpus
from opsteward.help.indexing import index_texts
from opsteward.help.parsing.plain import read_markdown

_FOLDERS = ("guides", "concepts", "reference", "decisions")
_GENERATED = re.compile(r"<!-- (?:begin generated: [a-z-]+|end generated) -->\n?")
#: What people call the subject of a page and its text does not: it is found by these words too, and they are not shown.
_ASKED_AS = re.compile(r"<!-- asked as: (.*?) -->\n?", re.DOTALL)
_lock = threading.Lock()
_kept: list[MemoryCorpus] = []


@cache
def _folder() -> Path | None:
    shipped = Path(str(files("opsteward.help"))) / "product"
    checkout = Path(__file__).parents[3] / "docs"
    return next((folder for folder in (shipped, checkout) if (folder / "guides").is_dir()), None)


def page_text(folder: str, name: str) -> str | None:
    """The Markdown of a page, `guides` and `install.md` for instance; None for what is none of ours."""
    text = _written(folder, name)
    return None if text is None else _ASKED_AS.sub("", text)


def _written(folder: str, name: str) -> str | None:
    root = _folder()
    if root is None or folder not in _FOLDERS or not re.fullmatch(r"[a-z0-9-]+\.md", name):
        return None
    file = root / folder / name
    return _GENERATED.sub("", file.read_text(encoding="utf-8")) if file.is_file() else None


def page_sections(text: str) -> tuple[str, list[Section]]:
    """A page's title and its sections."""
    parsed = read_markdown(text)
    return parsed.title, parsed.sections


async def product_corpus() -> MemoryCorpus:
    """All pages, indexed when they are first asked for."""
    return _kept[0] if _kept else await in_fair_thread(_indexed)


def _indexed() -> MemoryCorpus:
    with _lock:
        if not _kept:
            texts, urls, asked_as = [], {}, {}
            for folder in _FOLDERS:
                for name in sorted(file.name for file in (_folder() or Path("/nowhere")).glob(f"{folder}/*.md")):
                    written, key = _written(folder, name) or "", f"{folder}/{name}"
                    title, sections = page_sections(_ASKED_AS.sub("", written))
                    asked_as[key] = " ".join(_ASKED_AS.findall(written))
                    texts.append((key, title or name, sections))
                    urls[key] = f"/help/product/{folder}/{name}"
            _kept.append(MemoryCorpus(index_texts(texts, asked_as), urls=urls))
    return _kept[0]

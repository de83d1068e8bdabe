"""Documentation that this machine has, as files of the kinds that people add."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

HTML = {
    "python": Path("/usr/share/doc/python3.11/html"),
    "postgresql": Path("/usr/share/doc/postgresql-doc-15/html"),
    "django": Path("/usr/share/doc/python-django-doc/html"),
}
MANUALS = Path("/usr/share/man")
_NO_PAGES = re.compile(
    r"genindex|searchindex|/search\.html|_modules|_sources|_static|_images|bookindex|py-modindex|contents\.html"
)
_ESCAPES = (
    (r"\-", "-"),
    (r"\e", "\\"),
    (r"\&", ""),
    (r"\|", ""),
    (r"\ ", " "),
    (r"\(aq", "'"),
    (r"\(dq", '"'),
    (r"\/", ""),
    (r"\,", ""),
)
_FONT = re.compile(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d|\\m\[[^\]]*\]|\\\*(?:\(..|\[[^\]]*\]|.)|\\[cpd]")
_SPECIAL = re.compile(r"\\\((..)|\\\[([^\]]*)\]")
_SIGNS = {
    "bu": "*",
    "em": "-",
    "en": "-",
    "lq": '"',
    "rq": '"',
    "oq": "'",
    "cq": "'",
    "ti": "~",
    "ha": "^",
    "bv": "|",
    "rs": "\\",
    "co": "(c)",
}
_MACROS = re.compile(
    r"[.'](?:B|I|BR|RB|BI|IB|IR|RI|SM|SB|Nm|Fl|Ar|Cm|Pa|Xr|Op|Nd|Dv|Li|Ql|Sq|Em|Sy|Ev|Va|Ic|Ns|Fn|Ft|Fa|Er)\b ?"
)


def files(name: str) -> Iterator[tuple[str, bytes]]:
    """The files of a corpus by name: `man`, one of HTML, or any folder."""
    if name == "man":
        yield from _manuals()
        return
    folder = HTML.get(name, Path(name))
    for path in sorted(folder.rglob("*")):
        if (
            path.is_file()
            and not _NO_PAGES.search(str(path))
            and path.suffix in (".html", ".htm", ".md", ".rst", ".txt", ".pdf")
        ):
            yield f"{name if name in HTML else folder.name}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _manuals() -> Iterator[tuple[str, bytes]]:
    for section in sorted(MANUALS.glob("man[1-9]*")):
        for path in sorted(section.iterdir()):
            if path.is_file() and not path.is_symlink():
                source = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                text = source.decode("utf-8", "replace")
                if not text.lstrip().startswith(".so "):
                    name = path.name.removesuffix(".gz")
                    yield f"man/{name}", manual_as_markdown(text, name).encode()


def manual_as_markdown(text: str, name: str) -> str:
    """A manual page without its typesetting."""
    lines = [f"# {name.rpartition('.')[0]}"]
    for line in text.split("\n"):
        if line.startswith(('.\\"', "'\\\"", ".TH", ".Dd", ".Dt", ".Os")):
            continue
        heading = re.match(r"\.(?:SH|Sh)\s+(.*)|\.(?:SS|Ss)\s+(.*)", line)
        if heading:
            lines.append(("## " if heading[1] else "### ") + _plain((heading[1] or heading[2] or "").strip('"')))
        elif _MACROS.match(line):
            lines.append(_plain(_MACROS.sub("", line).replace('"', "")))
        elif line.startswith((".", "'")):
            lines.append("")
        else:
            lines.append(_plain(line))
    return "\n".join(lines)


def _plain(text: str) -> str:
    text = _FONT.sub("", text)
    for mark, plain in _ESCAPES:
        text = text.replace(mark, plain)
    return _SPECIAL.sub(lambda found: _SIGNS.get(found[1] or found[2], ""), text)

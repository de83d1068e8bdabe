"""Tables and colour where a person reads, JSON where a program does. One way for all commands.

On a terminal a row is one line: wide columns are cut with an ellipsis, ids and instants are shortened. Piped, a row
is one line too, and nothing is cut or shortened. Text from outside never plays with the terminal.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

_COLOURS = {"green": "32", "yellow": "33", "cyan": "36", "red": "31", "dim": "2"}
_STYLES = {
    "resolved": "green", "healthy": "green", "succeeded": "green", "approved": "green", "ok": "green",
    "not_needed": "green", "open": "yellow", "acknowledged": "yellow", "diagnosing": "cyan", "remediating": "cyan",
    "verifying": "cyan", "executing": "cyan", "pending": "yellow", "awaiting_approval": "yellow",
    "running": "green", "paused": "yellow", "starting": "cyan", "registered": "cyan", "stopped": "yellow",
    "completed": "green", "in_progress": "cyan", "cancelled": "dim", "dead_letter": "red", "critical": "red",
    "degraded": "yellow", "down": "red", "escalated": "red", "failed": "red", "high": "red", "denied": "red",
}  # fmt: skip
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
SHORT_ID = 8  # characters at its end: the beginning is the time, alike for what was made together
_GAP = 2
_LEAST, _LEAST_FIRST = 12, 24  # cells to which a column may be cut before one at the right is left out
_ALIGNED = 48  # cells to which piped columns are aligned; longer ones move their row only


def as_json(value: object) -> None:
    """For programs: one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def table(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, empty: str, whole: Sequence[str] = ()
) -> None:
    """For people: a table, or a sentence that helps on when there is nothing.

    On a terminal the columns at the right are left out if all don't fit, and named below; those of `whole` are not
    cut, nor is an id.
    """
    if not rows:
        say(empty)
        return
    width = _terminal_width()
    cells = [[cell(row.get(column), short=width is not None) for column in columns] for row in rows]
    titles = [column.replace("_", " ") for column in columns]
    widest = [max(_len(text) for text in (title, *shown)) for title, *shown in zip(titles, *cells, strict=True)]
    if width is None:
        fitted = [min(one, _ALIGNED) for one in widest]
        _write(titles, cells, fitted, cut=False)
        return
    firm = [column in whole or column == "id" for column in columns]
    number, fitted = _fitted(widest, firm, width)
    _write(titles[:number], [row[:number] for row in cells], fitted, cut=True)
    if number < len(columns):
        note(f"at this width without: {', '.join(titles[number:])} (piped or with --json all is shown)")


def record(fields: Mapping[str, object] | Iterable[tuple[str, object]]) -> None:
    """For people: one thing, a field a line, nothing cut."""
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    widest = max((_len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        say(f"{_padded(name.replace('_', ' '), widest)}  {cell(value)}")


def done(answer: object, sentence: str, *, json_wanted: bool) -> None:
    """What a command did: the answer for programs, or a sentence for people."""
    if json_wanted:
        as_json(answer)
    else:
        say(sentence)


def say(text: str) -> None:
    """One line for people."""
    sys.stdout.write(f"{plain(text)}\n")


def note(text: str) -> None:
    """One line about what was said, on standard error: it is no part of the answer."""
    sys.stdout.flush()
    sys.stderr.write(f"{plain(text)}\n")


def cell(value: object, *, short: bool = False) -> str:
    """One value as text of one line; `short`: ids and instants as people like them."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and all(isinstance(one, str | int) for one in value):
        return ", ".join(cell(one, short=short) for one in value) or "-"
    if isinstance(value, list | dict):
        return plain(json.dumps(value, ensure_ascii=False))
    text = plain(value)
    if short and _INSTANT.fullmatch(text):
        return _when(text)
    return short_ids(text) if short else text


def short_ids(text: str) -> str:
    """The text with each id in it as its last characters, which every command takes."""
    return _ID.sub(lambda found: found[0][-SHORT_ID:], text)


def plain(value: object) -> str:
    """Text of one line that does nothing to a terminal: control, direction and format characters are spelt out."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _HARMLESS else _spelt(char) for char in text)


_HARMLESS = "\u00a0\u3000\u200c\u200d"  # spaces, and the joiners that scripts and emoji need


def _spelt(char: str) -> str:
    if char.isspace():
        return " "
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def _when(instant: str) -> str:
    """In local time: the time of day, or the day if it is another one."""
    at = datetime.fromisoformat(instant).astimezone()
    today = datetime.now().astimezone()
    if at.date() == today.date():
        return at.strftime("%H:%M:%S")
    return at.strftime("%m-%d %H:%M") if at.year == today.year else at.strftime("%Y-%m-%d")


def _fitted(widest: Sequence[int], firm: Sequence[bool], width: int) -> tuple[int, list[int]]:
    """(how many of the columns fit, their cells): first the wide ones are cut, at last the right ones left out."""
    least = [_LEAST_FIRST, *[_LEAST] * (len(widest) - 1)]
    for number in range(len(widest), 0, -1):
        room = width - _GAP * (number - 1)
        for most in range(min(max(widest), width), _LEAST - 1, -1):
            cells = [n if firm[at] else min(n, max(most, least[at])) for at, n in enumerate(widest[:number])]
            if sum(cells) <= room:
                return number, cells
    return 1, [min(widest[0], width)]


def _write(titles: Sequence[str], rows: Sequence[Sequence[str]], cells: Sequence[int], *, cut: bool) -> None:
    colour = colours()
    for number, row in enumerate((titles, *rows)):
        line = []
        for text, n in zip(row, cells, strict=True):
            shown = _cut(text, n) if cut else text
            padding = " " * (n - _len(shown))
            if cut:
                shown = _isolated(shown)
            style = "1" if number == 0 else _COLOURS.get(_STYLES.get(text, ""), "")
            line.append((f"\x1b[{style}m{shown}\x1b[0m" if colour and style else shown) + padding)
        sys.stdout.write((" " * _GAP).join(line).rstrip() + "\n")


def _terminal_width() -> int | None:
    """Cells of a line; None where no person looks."""
    return max(20, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def colours() -> bool:
    """Whether standard output takes colours, and its user wants them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _len(text: str) -> int:
    """Cells: none for a combining mark, two for a wide character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - _len(text))


def _cut(text: str, cells: int) -> str:
    if _len(text) <= cells:
        return text
    dots = "\u2026" if (sys.stdout.encoding or "").lower().startswith("utf") else "~"
    if text.isascii():
        return text[: cells - 1] + dots
    from rich.cells import set_cell_size

    return set_cell_size(text, cells - 1).rstrip() + dots


def _isolated(text: str) -> str:
    """Text that runs to the left, so that the rest of its row stays where it is."""
    if text.isascii() or not any(unicodedata.bidirectional(char) in ("R", "AL") for char in text):
        return text
    return f"\u2068{text}\u2069"

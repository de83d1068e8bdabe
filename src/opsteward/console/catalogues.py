"""Catalogues of messages: what the console says, by its English words, in another language.

They are gettext's .po files, `locales/<language>/LC_MESSAGES/console.po`, read when the language is first asked for:
there is no compiled file that could be older than its source.
"""

from __future__ import annotations

import gettext
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "locales"
ENGLISH = "en"  # the language of the source: it has no catalogue
#: What can be chosen, by its name in itself. A language is added here, and by its folder.
LANGUAGES = {ENGLISH: "English", "de": "Deutsch"}

SCRIPTS = "script"  # the context of what the pages' scripts say

_ESCAPED = re.compile(r"\\(.)")

Key = tuple[str, str]  # the context, empty for none, and the English words (of several forms: of one)


def catalogue_file(language: str) -> Path:
    """Where the messages of a language stand."""
    return FOLDER / language / "LC_MESSAGES" / "console.po"


@dataclass(frozen=True)
class Entry:
    """A message of a catalogue: the forms that English has, and those of the language, one or several."""

    context: str
    english: tuple[str, ...]
    forms: tuple[str, ...]

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.context, self.english[0]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The messages of one language; `form_of` says which form a number takes."""

    language: str
    messages: Mapping[Key, tuple[str, ...]]
    form_of: Callable[[int], int]

    def forms(self, english: tuple[str, ...], context: str = "") -> tuple[str, ...]:
        """All forms of a message; what is not translated stays English."""
        found = self.messages.get((context, english[0]))
        return found if found and len(found) >= len(english) else english

    def say(self, english: tuple[str, ...], number: int = 1, context: str = "") -> str:
        """The form for a number."""
        forms = self.forms(english, context)
        return forms[min(self.form_of(number), len(forms) - 1)] if len(forms) > 1 else forms[0]

    def script_words(self) -> str:
        """What the pages' scripts say, by its English words, as JSON; empty in English, which they speak themselves."""
        words = {english: forms[0] for (context, english), forms in self.messages.items() if context == SCRIPTS}
        return json.dumps(words, ensure_ascii=False, separators=(",", ":")) if words else ""


def _two_forms(number: int) -> int:
    return int(number != 1)


@cache
def catalogue(language: str) -> Catalogue:
    """The messages of a language of `LANGUAGES`."""
    if language == ENGLISH:
        return Catalogue(ENGLISH, {}, _two_forms)
    entries = list(read_entries(catalogue_file(language).read_text(encoding="utf-8")))
    messages = {one.key: one.forms for one in entries if all(one.forms)}
    return Catalogue(language, messages, _plural_rule(messages.get(("", ""), ("",))[0]))


def _plural_rule(header: str) -> Callable[[int], int]:
    """What the catalogue's first entry says: `Plural-Forms: nplurals=2; plural=(n != 1);`."""
    for line in header.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "plural-forms":
            rule = gettext.c2py(value.partition("plural=")[2].strip(" ;"))
            return lambda number: rule(int(number or 0))
    return _two_forms


def read_entries(text: str) -> Iterator[Entry]:
    """The entries of a .po file. Raises ValueError for a line that is none of its kind."""
    parts: dict[str, str] = {}
    now = ""
    for number, line in enumerate([*map(str.strip, text.splitlines()), ""], 1):
        if not line or line.startswith("#"):
            if "msgid" in parts:
                yield _entry(parts)
            parts = {}
        elif line.startswith('"') and now:
            parts[now] += _unquoted(line)
        elif line.startswith("msg") and line.endswith('"'):
            now, _, value = line.partition(" ")
            parts[now] = _unquoted(value)
        else:
            raise ValueError(f"line {number} is no line of a catalogue: {line[:60]}")


def _unquoted(words: str) -> str:
    return _ESCAPED.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), words[1:-1])


def _entry(parts: Mapping[str, str]) -> Entry:
    english = tuple(parts[name] for name in ("msgid", "msgid_plural") if name in parts)
    forms = tuple(value for name, value in parts.items() if name.startswith("msgstr"))
    return Entry(parts.get("msgctxt", ""), english, forms)

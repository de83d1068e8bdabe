"""Questions of state in other languages, and as people type them, in plain English: see `glossary.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from opsteward.help.languages import language_of

#: Verbs that stand around what they are about: `let Ann in`, `turned it down`.
_AROUND = re.compile(
    r"\b(let|lets|turned|turn|signed|sign|picked|waved|took|taken|shut|switched|kicked|locked)\s+"
    r"((?!it\b|off\b|on\b|up\b|in\b|out\b|down\b)[\w.@-]+(?:\s+[\w.@-]+)?)\s+(in|down|off|up|through|out)\b",
    re.IGNORECASE,
)


def in_english(text: str) -> str:
    """The question with every word that the glossary of its language has put into English."""
    text = _put(text, "short")
    language = language_of(text)
    if language in _glossaries():
        text = " ".join(_put(text, language).split())
    return _AROUND.sub(r"\1 \3 \2", text)


def _put(text: str, language: str) -> str:
    pattern, english = _glossaries()[language]
    return pattern.sub(lambda found: english[found[0].lower()], text)


@cache
def _glossaries() -> Mapping[str, tuple[re.Pattern[str], Mapping[str, str]]]:
    """Of each language a pattern of all its phrases, the longest first, and their English."""
    import yaml

    text = (files("opsteward.help.live") / "glossary.yaml").read_text(encoding="utf-8")
    made = {}
    for language, entries in yaml.safe_load(text).items():
        english = {said: meant for meant, phrases in entries.items() for said in phrases}
        phrases = "|".join(re.escape(said) for said in sorted(english, key=len, reverse=True))
        made[language] = re.compile(rf"(?<![\w.@-])(?:{phrases})(?![\w.@-])", re.IGNORECASE), english
    return made

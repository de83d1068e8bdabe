"""Text as search terms: words by their stems, identifiers whole and in parts."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

TERM_LIMIT = 60  # characters; longer runs are keys, hashes and the like
_WORD = re.compile(r"[^\W_]+(?:[_.:/'’+-]+[^\W_]+)*\+{0,2}#?")
_PART = re.compile(r"[^\W\d_]+|\d+", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APOSTROPHE = re.compile(r"['’](?:s|re|ve|ll|d|m|t)$")
_PLAIN = re.compile(r"[a-z]+")

_SAYING_NOTHING = """
    a an and any are as at be been being but by can could did do does doing for from had has have having he
    her his how i if in into is it its itself just me my of on or our she should so some such than that the
    their them then there these they this those to too us was we were what when where which while who whom
    why will with would you your shall may might must about also am not no please tell show give
"""
STOP_WORDS = frozenset(_SAYING_NOTHING.split())


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """The stem of a word in small letters."""
    if len(word) < 4 or not _PLAIN.fullmatch(word):
        return word
    return str(_stemmer().stemWord(word))


@lru_cache(maxsize=200_000)
def _terms_of(word: str) -> tuple[str, ...]:
    """`max_connections` gives itself, max and connect; `don't` gives don."""
    word = _APOSTROPHE.sub("", word)
    if word.isalpha() and (word.islower() or word.istitle()):
        return (stem(word.lower()),) if len(word) <= TERM_LIMIT else ()
    parts = [part for piece in _CAMEL.split(word) for part in _PART.findall(piece)]
    whole = word.lower()
    terms = [stem(part.lower()) for part in parts if len(part) <= TERM_LIMIT]
    if len(terms) != 1 and len(whole) <= TERM_LIMIT:
        terms.insert(0, whole)
    return tuple(terms)


def normal(text: str) -> str:
    """The text in its composed form, as all of it is compared."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def terms(text: str) -> list[str]:
    """The terms of a text in their order, without words that say nothing."""
    found: list[str] = []
    for word in _WORD.findall(normal(text)):
        if word.lower() not in STOP_WORDS:
            found.extend(_terms_of(word))
    return found


def plain_words(text: str) -> list[str]:
    """All words in small letters, as people write them."""
    return [word.lower() for word in _WORD.findall(normal(text))]

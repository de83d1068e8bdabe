"""Text as search terms: words by their stems, identifiers whole and in parts."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from opsteward.help import languages
from opsteward.help.languages import ENGLISH, stem

TERM_LIMIT = 60  # characters; longer runs are keys, hashes and the like
_WORD = re.compile(r"[^\W_]+(?:[_.:/'’+-]+[^\W_]+)*\+{0,2}#?")
_PART = re.compile(r"[^\W\d_]+|\d+", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APOSTROPHE = re.compile(r"['’](?:s|re|ve|ll|d|m|t)$")
#: Scripts that are written without spaces: what stands there is found by its pairs of signs.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+")

STOP_WORDS = languages.STOP_WORDS[ENGLISH]


@lru_cache(maxsize=200_000)
def _terms_of(word: str, language: str) -> tuple[str, ...]:
    """`max_connections` gives itself, max and connect; `don't` gives don."""
    word = _APOSTROPHE.sub("", word)
    if not word.isascii() and _UNSPACED.search(word):
        return _pairs_of(word)
    if word.isalpha() and (word.islower() or word.istitle()):
        return (stem(word.lower(), language),) if len(word) <= TERM_LIMIT else ()
    parts = [part for piece in _CAMEL.split(word) for part in _PART.findall(piece)]
    whole = word.lower()
    terms = [stem(part.lower(), language) for part in parts if len(part) <= TERM_LIMIT]
    if len(terms) != 1 and len(whole) <= TERM_LIMIT:
        terms.insert(0, whole)
    return tuple(terms)


def _pairs_of(word: str) -> tuple[str, ...]:
    runs = _UNSPACED.findall(word)
    pairs = [run[place : place + 2] for run in runs for place in range(max(1, len(run) - 1))]
    return (*pairs, *(part.lower() for part in _UNSPACED.sub(" ", word).split() if len(part) <= TERM_LIMIT))


def normal(text: str) -> str:
    """The text in its composed form, as all of it is compared."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def terms(text: str, language: str = ENGLISH) -> list[str]:
    """The terms of a text in their order, without words that say nothing in its language."""
    found: list[str] = []
    saying_nothing = languages.STOP_WORDS[language]
    for word in _WORD.findall(normal(text)):
        if word.lower() not in saying_nothing:
            found.extend(_terms_of(word, language))
    return found


def words_by_term(text: str, language: str = ENGLISH) -> dict[str, str]:
    """The terms of a text, each once, with the word in small letters that it was first made of."""
    found: dict[str, str] = {}
    saying_nothing = languages.STOP_WORDS[language]
    for word in _WORD.findall(normal(text)):
        if word.lower() not in saying_nothing:
            for term in _terms_of(word, language):
                found.setdefault(term, word.lower())
    return found


def plain_words(text: str) -> list[str]:
    """All words in small letters, as people write them."""
    return [word.lower() for word in _WORD.findall(normal(text))]

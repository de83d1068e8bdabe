"""The language that a page is written in: what its reader chose, else what their browser asks for, else English.

What a person reads stands in the source in English, and is marked by the functions here: `_`, `ngettext` and `pgettext`
say it now, in the present request's language; `N_` marks what is said later. How it becomes another language:
`docs/decisions/0033-catalogues-of-the-console.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from starlette.requests import HTTPConnection

from opsteward.console.catalogues import ENGLISH, LANGUAGES, Catalogue, catalogue

COOKIE = "opsteward_language"
KEPT_SECONDS = 365 * 86_400
_KEPT_LANGUAGES = 20  # of what a browser asks for; more are no reader's
_ENGLISH_WORDS = catalogue(ENGLISH)
_present: ContextVar[Catalogue] = ContextVar("catalogue", default=_ENGLISH_WORDS)


def speak(language: str) -> None:
    """From here on this request's words are of this language."""
    _present.set(catalogue(language))


def language() -> str:
    """The present one."""
    return _present.get().language


def _(english: str, **given: object) -> str:
    """A message in the present language: `_("%(name)s is paused", name=name)`."""
    words = _present.get().say((english,))
    return words % given if given else words


def ngettext(one: str, many: str, number: int, /, **given: object) -> str:
    """The same of a number, which is `%(num)s` in it."""
    return _present.get().say((one, many), number) % {"num": number, **given}


def pgettext(context: str, english: str, **given: object) -> str:
    """The same of words that mean two things in English; the context says which."""
    words = _present.get().say((english,), context=context)
    return words % given if given else words


def N_(english: str) -> str:  # noqa: N802 -- gettext's name
    """Marks a message that is said later, by `_`."""
    return english


def said(choices: Mapping[str, str]) -> dict[str, str]:
    """Choices whose words were marked by `N_`, as they are offered now."""
    return {value: _(words) for value, words in choices.items()}


def chosen(request: HTTPConnection) -> str:
    """The language that the reader chose; empty for none."""
    found = request.cookies.get(COOKIE, "")
    return found if found in LANGUAGES else ""


def language_of(request: HTTPConnection) -> str:
    """The language to answer in."""
    return chosen(request) or preferred(request)


def preferred(request: HTTPConnection) -> str:
    """Of what the browser asks for, as `de-AT,de;q=0.9,en;q=0.5`, the one liked best that we have."""
    weighed = []
    for part in request.headers.get("accept-language", "").split(",")[:_KEPT_LANGUAGES]:
        name, _, weight = part.partition(";")
        language = name.strip().lower().partition("-")[0]
        weighed.append((_weight(weight), ENGLISH if language == "*" else language))
    liked = sorted((one for one in weighed if one[1] in LANGUAGES and one[0] > 0), key=lambda one: -one[0])
    return liked[0][1] if liked else ENGLISH


def _weight(words: str) -> float:
    name, _, value = words.strip().partition("=")
    try:
        return float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0

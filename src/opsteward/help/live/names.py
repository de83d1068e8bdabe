"""Which of the names that there are a question means, however it writes them: `prod-db`, `prod_db`, `the prod db`,
`production database`, `Prod DB's`, a slip of the keys, or the one word that tells it from the others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from opsteward.help.languages import stem
from opsteward.help.spelling import corrected

_PART = re.compile(r"[^\W_]+")
_GENITIVE = re.compile(r"['’]s\b")
#: Words that names and people shorten.
_SHORT = {
    "production": "prod", "development": "dev", "database": "db", "databases": "db", "application": "app",
    "applications": "app", "datenbank": "db", "produktion": "prod", "repository": "repo", "kubernetes": "k8s",
    "authentication": "auth", "configuration": "config", "environment": "env", "management": "mgmt",
}  # fmt: skip
#: Words of names that tell no name from another.
_OF_ANY_NAME = """
    api app server service services system systems db prod dev web host node cluster main primary the of and to for
    in on at by a an new old job task nightly daily weekly hourly run report check watch
"""
_GENERAL = frozenset(_OF_ANY_NAME.split())
_LONGEST = 8  # parts of a name
_SHORTEST = 3  # letters of a part that stands for the whole name
_SHORTEST_SLIP = 5
_FEW = 3  # names that one word may mean
_SLIPS_LIMIT = 8  # words of a question in which slips are looked for: each is held against all names


@dataclass(frozen=True)
class Meant:
    """A name that is meant. `whole`: all of it was said, not just the word that tells it from others."""

    name: str
    whole: bool


def parts_of(text: str) -> list[str]:
    """The words of a name or a question as they are compared."""
    return list(_parts_of(text))


@lru_cache(16_384)
def _parts_of(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", _GENITIVE.sub("", text.casefold()))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return tuple(_SHORT.get(part, part) for part in _PART.findall(plain))


def meant_of(names: Iterable[str], said: Sequence[str], common: Collection[str]) -> list[Meant]:
    """Those of the names that are meant by what was `said` (parts of the question), the longest first. `common`: words
    that are no part of a name unless all of it is said."""
    parts = {name: parts_of(name) for name in names}
    whole, taken = _whole(parts, said)
    if not whole:
        stems = {stem(part) for part in said}
        several = [name for name, own in parts.items() if len(own) > 1 and {stem(part) for part in own} <= stems]
        whole = several if len(several) == 1 else []
    if whole:
        return [Meant(name, True) for name in whole]
    left = [part for place, part in enumerate(said) if place not in taken and part not in common]
    return [Meant(name, False) for name in _by_one_word(parts, left)]


def _whole(parts: dict[str, list[str]], said: Sequence[str]) -> tuple[list[str], set[int]]:
    """The names all of whose parts stand next to each other, joined or not."""
    by_sign = dict[str, list[str]]()
    for name, own in parts.items():
        by_sign.setdefault("".join(own), []).append(name)
    found, taken = list[str](), set[int]()
    for length in range(min(_LONGEST, len(said)), 0, -1):
        for begin in range(len(said) - length + 1):
            places = range(begin, begin + length)
            named = by_sign.get("".join(said[begin : begin + length]))
            if named and not taken.intersection(places):
                found += [name for name in named if name not in found]
                taken.update(places)
    return found, taken


def _by_one_word(parts: dict[str, list[str]], left: Sequence[str]) -> list[str]:
    """The names that share most of their telling words with what is left, if they are few."""
    telling = {
        name: {part for part in own if part not in _GENERAL and len(part) >= _SHORTEST and not part.isdigit()}
        for name, own in parts.items()
    }
    all_telling = frozenset(part for own in telling.values() for part in own)
    unknown = [part for part in dict.fromkeys(left) if part not in all_telling]
    said = all_telling.intersection(left) | {_as_meant(part, all_telling) for part in unknown[:_SLIPS_LIMIT]}
    shared = {name: len(own & said) for name, own in telling.items() if own & said}
    most = max(shared.values(), default=0)
    best = [name for name, count in shared.items() if count == most]
    return best if len(best) <= _FEW else []


def _as_meant(part: str, known: frozenset[str]) -> str:
    if len(part) < _SHORTEST_SLIP:
        return part
    return corrected(part, {}, known) or part

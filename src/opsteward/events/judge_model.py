"""A small statistical judge: which category the words of an event speak for, and how sure that is.

A multinomial logistic regression over words, pairs of words and parts of words, hashed into a table of small integers,
and over what words mean, of which a list of common words with what each adds is left (`rules/judge_model.bin`, made by
`evals/judge/train.py`; its card is in the docs). It has never seen an event of yours; it knows how daemons and programs
put things. Pure Python: what each word adds is remembered, so that a line costs some microseconds. It only weighs
words: no text can make it do anything else.
"""

from __future__ import annotations

import json
import math
import re
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from zlib import crc32

BUCKETS = 1 << 18
TEXT_LIMIT = 2_000  # characters that are looked at
WORDS_LIMIT = 120
_MEMORY_LIMIT = 50_000
_FILE = Path(__file__).with_name("rules") / "judge_model.bin"
# Words, also of camelCase; codes such as 404, and that there are 0 of something. Longer numbers and the parts of
# addresses say nothing.
_WORD = re.compile(
    r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]{3}(?<![0-9.:]...)(?![0-9.:])|0(?<![\w.:/,-].)(?![\w.:,/-])|[%<$](?=[a-z0-9{])"
    r"|\.\./|=>|\[\]"
)
_HAS_CODE = re.compile(r"[ =:][1-5][0-9]{2}(?![0-9.])").search
# The status of a request, as servers write it: after the quoted request, a name, a method with its path, in a table.
_STATUS = re.compile(
    r"""(?:"|\b(?:status|code)|HTTP/[0-9.]{1,3})"?[ =:]{1,3}([1-5])[0-9]{2}\b|\|[ ]([1-5])[0-9]{2}(?=[ ]\|)
      |\b(?:GET|POST|PUT|PATCH|DELETE)[ ]\S{1,200}[ ]([1-5])[0-9]{2}\b
      |(?:^|[ ])([1-5])[0-9]{2}[ ][0-9]{1,9}[ ]-[ ]-[ ]""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`probabilities` by category; `words`: those that spoke most for the likeliest, the strongest first; `known`: the
    share of words that the model knows as such, 0 to 1."""

    probabilities: Mapping[str, float]
    words: tuple[str, ...]
    known: float

    @property
    def category(self) -> str:
        """The likeliest."""
        return max(self.probabilities, key=self.probabilities.__getitem__)


def words_of_event(error_type: str | None, message: str) -> list[str]:
    """The words that are weighed, lower case, each once, in order; the class of a request's status is one of them."""
    text = f"{error_type[:200]}: {message[:TEXT_LIMIT]}" if error_type else message[:TEXT_LIMIT]
    found = dict.fromkeys(word.lower() for word in _WORD.findall(text.replace("n't", "nt")))
    words = list(found)[:WORDS_LIMIT]
    status = _STATUS.search(text) if _HAS_CODE(text) else None
    if status:
        words.append(f"http{status[status.lastindex or 1]}")
    return words


def word_features(word: str) -> Iterator[int]:
    """The buckets of one word: itself, and its parts of three and four letters."""
    yield crc32(f"w {word}".encode()) % BUCKETS
    if len(word) > 3:
        padded = f"<{word[:24]}>"
        for size in (4, 5):
            for start in range(len(padded) - size + 1):
                yield crc32(f"c {padded[start : start + size]}".encode()) % BUCKETS


def pair_feature(one: str, other: str) -> int:
    """The bucket of two words that follow one another."""
    return crc32(f"p {one} {other}".encode()) % BUCKETS


class JudgeModel:
    """The table, read once."""

    def __init__(self, data: bytes) -> None:
        """`data`: a JSON head (categories, bias, scale, temperature, words) of the length in the first 4 bytes, a row
        of bytes for each category, one for each of what common words mean, and those `words`, packed."""
        (length,) = struct.unpack("<I", data[:4])
        head = json.loads(data[4 : 4 + length])
        self.version: str = head["version"]
        self._categories: list[str] = head["categories"]
        self._bias: list[float] = head["bias"]
        self._scale: float = head["scale"] / head["temperature"]
        self._bias = [value / head["temperature"] for value in self._bias]
        count: int = head["words"]
        table = array("b", data[4 + length : 4 + length + (BUCKETS + count) * len(self._categories)])
        self._rows = [table[place * BUCKETS : (place + 1) * BUCKETS] for place in range(len(self._categories))]
        meanings = table[BUCKETS * len(self._categories) :]
        self._meanings = [meanings[place * count : (place + 1) * count] for place in range(len(self._categories))]
        packed = zlib.decompress(data[4 + length + (BUCKETS + count) * len(self._categories) :])
        self._place = {word: place for place, word in enumerate(packed.decode().split("\n"))}
        self._memory: dict[str, tuple[int, ...]] = {}
        self._known: set[str] = set()
        self._pairs: dict[tuple[str, str], tuple[int, ...]] = {}

    def judge(self, words: Sequence[str]) -> Judgement:
        """Weigh the words (as `words_of_event` gives them)."""
        adds = [self._word(word) for word in words]
        pairs = [self._pair(one, other) for one, other in pairwise(words)]
        norm = self._scale / math.sqrt(len(words) or 1)
        sums = [sum(column) for column in zip(*adds, *pairs, strict=True)] if words else [0] * len(self._bias)
        scores = [bias + total * norm for bias, total in zip(self._bias, sums, strict=True)]
        top = max(scores)
        exps = [math.exp(score - top) for score in scores]
        whole = sum(exps)
        winner = scores.index(top)
        strongest = sorted(zip(words, adds, strict=True), key=lambda pair: self._lead(pair[1], winner), reverse=True)
        said = tuple(word for word, add in strongest[:4] if self._lead(add, winner) > 0)
        known = len(self._known.intersection(words)) / (len(words) or 1)
        return Judgement(dict(zip(self._categories, (value / whole for value in exps), strict=True)), said, known)

    @staticmethod
    def _lead(add: tuple[int, ...], winner: int) -> float:
        return add[winner] - (sum(add) - add[winner]) / (len(add) - 1)

    def _word(self, word: str) -> tuple[int, ...]:
        found = self._memory.get(word)
        if found is None:
            buckets = list(word_features(word))
            found = tuple(sum(row[bucket] for bucket in buckets) for row in self._rows)
            place = self._place.get(word)
            if place is not None:
                found = tuple(add + row[place] for add, row in zip(found, self._meanings, strict=True))
            if len(self._memory) >= _MEMORY_LIMIT:
                self._memory.clear()
                self._known.clear()
            self._memory[word] = found
            if all(any(row[bucket] for row in self._rows) for bucket in buckets):  # else by chance, if at all
                self._known.add(word)
        return found

    def _pair(self, one: str, other: str) -> tuple[int, ...]:
        found = self._pairs.get((one, other))
        if found is None:
            bucket = pair_feature(one, other)
            found = tuple(row[bucket] for row in self._rows)
            if len(self._pairs) >= _MEMORY_LIMIT:
                self._pairs.clear()
            self._pairs[one, other] = found
        return found


@cache
def shipped_model() -> JudgeModel:
    """The model that ships with this package."""
    return JudgeModel(_FILE.read_bytes())

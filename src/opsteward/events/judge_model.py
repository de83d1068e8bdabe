"""A small statistical judge: which category the words of an event speak for, and how sure that is.

A multinomial logistic regression over words, pairs of words and parts of words, hashed into a table of small integers
(`rules/judge_model.bin`, made by `evals/judge/train.py`; its card is in the docs). It has never seen an event of yours;
it knows how daemons and programs put things. Pure Python: what each word adds is remembered, so that a line costs some
microseconds. It only weighs words: no text can make it do anything else.
"""

from __future__ import annotations

import json
import math
import re
import struct
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
# Words, also of camelCase; codes such as 404. Longer numbers and the parts of addresses say nothing.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|(?<![0-9.:])[0-9]{3}(?![0-9.:])|[%<$](?=[a-z0-9{])|\.\./|=>|\[\]")


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
    """The words that are weighed, lower case, each once, in order."""
    text = f"{error_type[:200]}: {message[:TEXT_LIMIT]}" if error_type else message[:TEXT_LIMIT]
    found = dict.fromkeys(word.lower() for word in _WORD.findall(text.replace("n't", "nt")))
    return list(found)[:WORDS_LIMIT]


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
        """`data`: a JSON head (categories, bias, scale, temperature) of the length in the first 4 bytes, then a row of
        bytes for each category."""
        (length,) = struct.unpack("<I", data[:4])
        head = json.loads(data[4 : 4 + length])
        self.version: str = head["version"]
        self._categories: list[str] = head["categories"]
        self._bias: list[float] = head["bias"]
        self._scale: float = head["scale"] / head["temperature"]
        self._bias = [value / head["temperature"] for value in self._bias]
        table = array("b", data[4 + length :])
        self._rows = [table[place * BUCKETS : (place + 1) * BUCKETS] for place in range(len(self._categories))]
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

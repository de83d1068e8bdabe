"""Words as they were meant: a slip of one key, or of two in a long word, by a vocabulary sorted by how frequent its
words are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST, _LONGEST = 4, 24  # letters
_LONG = 8  # letters, from which two slips are looked for


def corrected(word: str, known: Mapping[str, int], wanted: frozenset[str] = frozenset()) -> str | None:
    """The word that is meant by one in small letters that is not `known`; None where there is none. `known`: words by
    how rare they are; those `wanted` come before others."""
    if word in known or word in wanted or not _SHORTEST <= len(word) <= _LONGEST or not word.isascii():
        return None
    if not word.isalpha():
        return None
    near = {one for one in _one_slip(word) if len(one) >= _SHORTEST and (one in known or one in wanted)}
    if near:
        return min(near, key=lambda one: (one not in wanted, one[0] != word[0], known.get(one, len(known)), one))
    if len(word) >= _LONG:
        letters = _letters_of(word)
        alike = [
            one
            for one in wanted
            if one[0] == word[0] and abs(len(one) - len(word)) <= 2 and (_letters_of(one) ^ letters).bit_count() <= 4
        ]
        twice = [one for one in alike if _two_apart(word, one)]
        return min(twice, default=None)
    return None


def _one_slip(word: str) -> Iterator[str]:
    """All that one key less, one more, another one, or two in the other order make of it."""
    for place in range(len(word) + 1):
        before, after = word[:place], word[place:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]


@lru_cache(16_384)
def _letters_of(word: str) -> int:
    """Which letters it has, a bit each: two slips change at most four of them, which is found out at little cost."""
    bits = 0
    for sign in word:
        bits |= 1 << ord(sign) % 64
    return bits


def _two_apart(one: str, other: str) -> bool:
    """Whether at most two slips lie between them."""
    last, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = last, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
    return row[-1] <= 2

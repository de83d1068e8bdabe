"""What of a passage answers a question: its best sentences in a row, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from opsteward.help.languages import language_of
from opsteward.help.vectors import shipped_vectors
from opsteward.help.words import terms

QUOTE_LIMIT = 480  # characters
_SENTENCES_LIMIT = 60  # of a passage, that are compared by their meaning
_MEANING = 0.6  # that nearness of a sentence counts, beside the share of the question's terms
_FIRST = 0.05  # that the beginning of a passage counts
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\s|$)|[.!?](?=\S)[^.!?\n]*)*[.!?]*\s*|\n+")
_SPACE = re.compile(r"(?<=\S)[ \t]+")  # what stands before a line is a program's or a list's


def quote_of(question: str, text: str, weights: Mapping[str, float]) -> str:
    """The stretch of whole sentences (lines in lists and code) that holds most of the question's terms by their
    `weights`, and is nearest to it in meaning."""
    text = _SPACE.sub(" ", text).strip()
    if len(text) <= QUOTE_LIMIT:
        return text
    parts = [part for part in _SENTENCE.findall(text) if part]
    language = language_of(question)
    wanted = {term: weights.get(term, 1.0) for term in terms(question, language)}
    total = max(sum(wanted.values()), 1e-6)
    found = [wanted.keys() & set(terms(part, language)) for part in parts]
    near = _nearness(question, parts)
    best, best_score = (0, 1), -1.0
    for begin in range(len(parts)):
        length, held, nearest, end = 0, set[str](), 0.0, begin
        while end < len(parts) and (length + len(parts[end]) <= QUOTE_LIMIT or end == begin):
            length += len(parts[end])
            held |= found[end]
            nearest = max(nearest, near[end])
            end += 1
            share = sum(wanted[term] for term in held) / total
            score = share + _MEANING * nearest - length / (8 * QUOTE_LIMIT) + (_FIRST if begin == 0 else 0.0)
            if score > best_score:
                best, best_score = (begin, end), score
    begin, end = best
    while end < len(parts) and sum(map(len, parts[begin : end + 1])) <= QUOTE_LIMIT:
        end += 1  # the rest of the room for what follows
    quote = "".join(parts[begin:end]).strip()
    return quote if len(quote) <= QUOTE_LIMIT + 200 else f"{quote[:QUOTE_LIMIT].rsplit(' ', 1)[0]} …"


def _nearness(question: str, parts: Sequence[str]) -> list[float]:
    """How near in meaning each sentence is; nothing without vectors, and beyond the first ones."""
    vectors = shipped_vectors()
    if vectors is None:
        return [0.0] * len(parts)
    asked = vectors.vector(question)
    near = [float(vectors.vector(part) @ asked) for part in parts[:_SENTENCES_LIMIT]]
    return near + [0.0] * (len(parts) - len(near))

"""What of a passage answers a question: its best sentences in a row, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Collection

from opsteward.help.words import terms

QUOTE_LIMIT = 480  # characters
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\s|$)|[.!?](?=\S)[^.!?\n]*)*[.!?]*\s*|\n+")
_SPACE = re.compile(r"(?<=\S)[ \t]+")  # what stands before a line is a program's or a list's


def quote_of(text: str, question: Collection[str]) -> str:
    """The stretch of whole sentences (lines in lists and code) that holds most of the question's terms."""
    text = _SPACE.sub(" ", text).strip()
    if len(text) <= QUOTE_LIMIT:
        return text
    parts = [part for part in _SENTENCE.findall(text) if part]
    wanted = set(question)
    found = [wanted.intersection(terms(part)) for part in parts]
    best, best_score = (0, 1), -1.0
    for begin in range(len(parts)):
        length, held, end = 0, set[str](), begin
        while end < len(parts) and (length + len(parts[end]) <= QUOTE_LIMIT or end == begin):
            length += len(parts[end])
            held |= found[end]
            end += 1
            score = len(held) - length / (4 * QUOTE_LIMIT) + (0.2 if begin == 0 else 0.0)
            if score > best_score:
                best, best_score = (begin, end), score
        if end == len(parts):
            break
    begin, end = best
    while end < len(parts) and sum(map(len, parts[begin : end + 1])) <= QUOTE_LIMIT:
        end += 1  # the rest of the room for what follows
    quote = "".join(parts[begin:end]).strip()
    return quote if len(quote) <= QUOTE_LIMIT + 200 else f"{quote[:QUOTE_LIMIT].rsplit(' ', 1)[0]} …"

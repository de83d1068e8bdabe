"""Whether questions in people's own words find Opsteward's own pages: `python -m evals.help.product`.

A line of questions: the question, `|`, and the pages that answer it. What pages are asked as, and how much they speak
for an answer, was fitted on `fitted.txt`, on evals/help's unanswerable questions and on every second one here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from opsteward.help.answering import confidence
from opsteward.help.product_pages import product_corpus
from opsteward.help.search import search

FOLDER = Path(__file__).parent
_KNOWN_FROM = 0.5
_PLACES = 3


async def measure() -> None:
    """Prints what is missed, and the figures of each file."""
    corpus = await product_corpus()
    for file in sorted(FOLDER.glob("*.txt")):
        first = among = refused = count = 0
        for line in file.read_text(encoding="utf-8").splitlines():
            question, _, answering = line.partition("|")
            pages, count = set(answering.split()), count + 1
            found = await search(corpus, question.strip(), limit=10)
            names = list(dict.fromkeys(hit.chunk.name for hit in found.hits))[:_PLACES]
            refused += confidence(found) < _KNOWN_FROM
            first += bool(pages.intersection(names[:1]))
            among += bool(pages.intersection(names))
            if pages and not pages.intersection(names):
                print(f"missed: {question.strip()} -> {', '.join(names)}")
        print(f"{file.stem}: {count} questions, right first {first}, among three {among}, refused {refused}")


if __name__ == "__main__":
    asyncio.run(measure())

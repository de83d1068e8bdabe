"""How well questions are answered: `python -m evals.help [--corpus NAME_OR_FOLDER ...] [--questions FILE ...]`.

Without arguments: the manuals and the HTML documentation that this machine has, with the questions beside this file.
Weights are fitted on the questions of `man` and `python` alone; of the others the figures have been seen.
A line of questions: the question, `|`, and the names of pages that answer it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from evals.help import corpora
from opsteward.help.answering import confidence
from opsteward.help.corpus import MemoryCorpus
from opsteward.help.indexing import Indexer
from opsteward.help.ranking import DEFAULT, Weights
from opsteward.help.search import Hit, search

QUESTIONS = Path(__file__).parent / "questions"
BM25_ALONE = Weights(page=1.0, chunk=0.0, headings=0.0, lead=0.0, meaning=0.0, second=0.0, gist=0.0)


def read_questions(path: Path, names: set[str]) -> list[tuple[str, set[str]]]:
    """The questions whose pages are there."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        question, _, pages = line.partition("|")
        there = names.intersection(pages.split())
        if there:
            found.append((question.strip(), there))
    return found


def figures(ranks: Sequence[int]) -> str:
    """R@1, R@5 and MRR@10 of ranks from 1; 0: not found."""
    count = len(ranks) or 1
    at = [sum(0 < rank <= most for rank in ranks) / count for most in (1, 5)]
    return (
        f"R@1 {at[0]:.2f}  R@5 {at[1]:.2f}  MRR {sum(1 / r for r in ranks if r) / count:.3f}  ({len(ranks)} questions)"
    )


def rank_of(hits: Sequence[Hit], pages: set[str]) -> int:
    """The place of the first right page; documents count once."""
    names = list(dict.fromkeys(hit.chunk.name for hit in hits))
    return next((place for place, name in enumerate(names, 1) if name in pages), 0)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", action="append")
    parser.add_argument("--questions", action="append", type=Path)
    parser.add_argument("--unanswerable", type=Path, default=QUESTIONS / "unanswerable.txt")
    given = parser.parse_args()
    indexer, spent = Indexer(), 0.0
    for name in given.corpus or ["man", *corpora.HTML]:
        for file, data in corpora.files(name):
            begin = time.process_time()
            indexer.add_file(file, data)
            spent += time.process_time() - begin
    begin = time.process_time()
    indexed = indexer.done()
    spent += time.process_time() - begin
    corpus = MemoryCorpus(indexed, kind="document")
    chunks = sum(len(document.chunks) for document in indexed.documents)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{len(indexed.documents)} pages, {chunks} chunks, {chunks / spent:.0f} chunks/s of one core,"
        f" {memory} MB in all"
    )
    outside = [line for line in given.unanswerable.read_text(encoding="utf-8").splitlines() if line]
    asyncio.run(measure(corpus, given.questions or sorted(QUESTIONS.glob("[!u]*.txt")), outside))


async def measure(corpus: MemoryCorpus, files: Sequence[Path], unanswerable: Sequence[str]) -> None:
    """Prints the figures of each file of questions, and of all."""
    names, seconds, sure = set(corpus.names), [], []
    for label, weights in (("BM25 of pages alone", BM25_ALONE), ("as it ships", DEFAULT)):
        together = []
        for file in files:
            ranks = []
            for question, pages in read_questions(file, names):
                begin = time.perf_counter()
                found = await search(corpus, question, limit=10, weights=weights)
                if weights is DEFAULT:
                    seconds.append(time.perf_counter() - begin)
                    sure.append(confidence(found))
                ranks.append(rank_of(found.hits, pages))
            together += ranks
            print(f"{label:>22}  {file.stem:<12} {figures(ranks)}")
        print(f"{label:>22}  {'all':<12} {figures(together)}")
    outside = [confidence(await search(corpus, line)) for line in unanswerable]
    print(
        f"refused: {sum(c < 0.5 for c in outside)} of {len(outside)} outside,"
        f" {sum(c < 0.5 for c in sure)} of {len(sure)} inside"
    )
    seconds.sort()
    print(
        f"a question: median {seconds[len(seconds) // 2] * 1000:.0f} ms,"
        f" p95 {seconds[len(seconds) * 95 // 100] * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()

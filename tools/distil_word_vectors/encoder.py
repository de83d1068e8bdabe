"""The sentence model all-MiniLM-L6-v2 in numpy: its weights, its word pieces, its forward pass."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path

import numpy as np

from opsteward.help.words import normal

HEADS, BATCH = 12, 512
UNKNOWN, CLS, SEP = 100, 101, 102
_PIECE = re.compile(r"[^\W_]+|[^\w\s]")


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


class Pieces:
    """The vocabulary: a text as numbers of word pieces."""

    def __init__(self, folder: Path) -> None:
        words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        self.words = words[: words.index("") if "" in words else None]
        self._numbers = {word: number for number, word in enumerate(self.words)}
        self._split = cache(self._pieces_of)

    def __call__(self, text: str) -> list[int]:
        return [number for word in _PIECE.findall(normal(text).lower()) for number in self._split(word)]

    def _pieces_of(self, word: str) -> tuple[int, ...]:
        found, begin = [], 0
        while begin < len(word):
            for end in range(len(word), begin, -1):
                number = self._numbers.get(("##" if begin else "") + word[begin:end])
                if number is not None:
                    found.append(number)
                    begin = end
                    break
            else:
                return (UNKNOWN,)
        return tuple(found)


def encoded(encoder: Encoder, rows: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """What the model says of rows of pieces, all equally long."""
    found = []
    for begin in range(0, len(rows), batch):
        part = rows[begin : begin + batch]
        ends = np.full((len(part), 1), CLS), np.full((len(part), 1), SEP)
        found.append(encoder(np.concatenate([ends[0], part, ends[1]], axis=1)).astype(np.float32))
    return np.concatenate(found)

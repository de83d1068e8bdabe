"""What a text is about, as a small vector: the weighted mean of the vectors of its word pieces.

The file `data/word_vectors.bin` is made by `tools/distil_word_vectors` of all-MiniLM-L6-v2 (Apache-2.0); nothing is
fetched at run time. Without the file (it may be left out) texts are compared by their words alone.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from opsteward.help.words import normal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PIECE = re.compile(r"[^\W_]+|[^\w\s]")
_WORD_LIMIT = 40  # characters
_CACHE_LIMIT = 100_000
_TOKENS = 400  # pieces of a text that count


class WordVectors:
    """The vocabulary with a vector for each piece."""

    def __init__(self, data: bytes) -> None:
        """`data`: the file's content: a line of JSON {dimensions, words}, then a row of int8 for each word."""
        import numpy as np

        head, _, body = data.partition(b"\n")
        about = json.loads(head)
        self.dimensions = int(about["dimensions"])
        self._numbers = {word: number for number, word in enumerate(about["words"])}
        scale = np.frombuffer(body[: 2 * len(self._numbers)], dtype=np.float16)
        self._vectors = np.frombuffer(body[2 * len(self._numbers) :], dtype=np.int8).reshape(-1, self.dimensions)
        self._scale = scale.astype(np.float32)
        self._pieces: dict[str, tuple[int, ...]] = {}
        self._lock = threading.Lock()

    @property
    def words(self) -> Mapping[str, int]:
        """The pieces that are known, whole words among them, numbered by how rare they are."""
        return self._numbers

    def vector(self, text: str) -> NDArray[np.float32]:
        """The direction of a text, of length 1; all zero for a text without known words."""
        import numpy as np

        counts: Counter[int] = Counter()
        left = _TOKENS
        for word in _PIECE.findall(normal(text).lower()):
            pieces = self._pieces.get(word)
            if pieces is None:
                pieces = self._keep(word)
            counts.update(pieces)
            left -= len(pieces)
            if left <= 0:
                break
        if not counts:
            return np.zeros(self.dimensions, dtype=np.float32)
        numbers = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
        weights = np.fromiter(counts.values(), dtype=np.float32, count=len(counts)) * self._scale[numbers]
        total = weights @ self._vectors[numbers].astype(np.float32)
        length = float(np.linalg.norm(total))
        found: NDArray[np.float32] = total / length if length > 0 else total
        return found

    def packed(self, text: str) -> bytes:
        """The vector in bytes, one for each dimension."""
        import numpy as np

        vector = self.vector(text)
        most = float(np.abs(vector).max()) or 1.0
        return bytes(np.round(vector * (127 / most)).astype(np.int8).tobytes())

    def _keep(self, word: str) -> tuple[int, ...]:
        pieces = self._split(word)
        with self._lock:
            if len(self._pieces) >= _CACHE_LIMIT:
                self._pieces.clear()
            self._pieces[word] = pieces
        return pieces

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest pieces from the left, as the model was trained on; none for what holds an unknown one."""
        if len(word) > _WORD_LIMIT:
            return ()
        pieces, begin = [], 0
        while begin < len(word):
            for end in range(len(word), begin, -1):
                number = self._numbers.get(("##" if begin else "") + word[begin:end])
                if number is not None:
                    pieces.append(number)
                    begin = end
                    break
            else:
                return ()
        return tuple(pieces)


@cache
def shipped_vectors() -> WordVectors | None:
    """Those that ship, read once; None where they were left out."""
    file = files("opsteward.help") / "data" / "word_vectors.bin"
    return WordVectors(file.read_bytes()) if file.is_file() else None


def nearness(query: NDArray[np.float32], packed: list[bytes]) -> NDArray[np.float32]:
    """The cosine of a query's vector and each of the packed ones; 0 for those without one."""
    import numpy as np

    size = len(query)
    empty = bytes(size)
    rows = np.frombuffer(b"".join(one if len(one) == size else empty for one in packed), dtype=np.int8)
    matrix = rows.reshape(-1, size).astype(np.float32)
    lengths = np.linalg.norm(matrix, axis=1)
    return np.asarray(matrix @ query / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)

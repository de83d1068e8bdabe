"""Word vectors whose sum over a text points where the sentence model points for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ROUNDS, _BATCH, _RATE, _SLOWER = 6, 128, 0.01, 0.8
_HOLD = 0.002  # how strongly a vector is held where it began
_RIDGE = 3.0
_TINY = 1e-6


def units(rows: np.ndarray) -> np.ndarray:
    """The rows with length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)


def fitted(vectors: np.ndarray, texts: Sequence[np.ndarray], meant: np.ndarray) -> np.ndarray:
    """The vectors turned, then changed step by step (Adam), towards what is `meant` by each text, which is given by the
    numbers of its pieces."""
    dimensions = vectors.shape[1]
    _, _, axes = np.linalg.svd(meant - meant.mean(0), full_matrices=False)
    targets = units((meant - meant.mean(0)) @ axes[:dimensions].T)
    sums = units(np.stack([vectors[text].sum(0) for text in texts]))
    turned = vectors @ np.linalg.solve(sums.T @ sums + _RIDGE * np.eye(dimensions), sums.T @ targets)
    begun = (turned / np.linalg.norm(turned, axis=1).mean()).astype(np.float32)
    found, first, second = begun.copy(), np.zeros_like(begun), np.zeros_like(begun)
    random, rate, step = np.random.default_rng(0), _RATE, 0
    for _ in range(_ROUNDS):
        order = random.permutation(len(texts))
        for at in range(0, len(order), _BATCH):
            step += 1
            batch = order[at : at + _BATCH]
            places = np.concatenate([np.full(len(texts[text]), row) for row, text in enumerate(batch)])
            pieces, where = np.unique(np.concatenate([texts[text] for text in batch]), return_inverse=True)
            sums = np.zeros((len(batch), dimensions), dtype=np.float32)
            np.add.at(sums, places, found[pieces][where])
            lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), _TINY)
            points, wanted = sums / lengths, targets[batch]
            slope = ((points * wanted).sum(1, keepdims=True) * points - wanted) / lengths
            change = np.zeros((len(pieces), dimensions), dtype=np.float32)
            np.add.at(change, where, slope[places])
            change = (change + _HOLD * (found[pieces] - begun[pieces])) / len(batch)
            first[pieces] = 0.9 * first[pieces] + 0.1 * change
            second[pieces] = 0.999 * second[pieces] + 0.001 * change * change
            size = np.sqrt(second[pieces] / (1 - 0.999**step)) + _TINY
            found[pieces] -= rate * first[pieces] / (1 - 0.9 ** min(step, 50)) / size
        rate *= _SLOWER
    return found


def agreement(vectors: np.ndarray, texts: Sequence[np.ndarray], meant: np.ndarray) -> float:
    """How alike both see the nearness of each two of these texts: a correlation."""
    ours = units(np.stack([vectors[text].sum(0) for text in texts]))
    theirs, pairs = units(meant), np.triu_indices(len(texts), 1)
    return float(np.corrcoef((ours @ ours.T)[pairs], (theirs @ theirs.T)[pairs])[0, 1])

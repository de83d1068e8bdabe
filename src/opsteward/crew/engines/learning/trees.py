"""Boosted trees of small depth on columns cut into bins: they find what a straight line misses."""

from __future__ import annotations

from dataclasses import dataclass

from opsteward.crew.engines.arrays import Floats, Ints, np

_BINS = 32
_ROUNDS = 80
_RATE = 0.1
_DEPTH = 3
_RIDGE = 5.0
_SEED = 7
_LEAF = 10  # weight (sum of chance times its opposite) would be finer; rows are plainer


@dataclass
class _Tree:
    """A full tree: at each inner place a column and the last bin that goes left; a value at each leaf."""

    columns: Ints
    bins: Ints
    values: Floats


class BoostedTrees:
    """Of a yes-or-no outcome; `margins` are log odds."""

    def __init__(self, matrix: Floats, truth: Floats) -> None:
        self._edges = [_edges(column) for column in matrix.T]
        bins = self._binned(matrix)
        share = float(truth.mean())
        self._base = float(np.log(share / (1 - share)))
        self._trees: list[_Tree] = []
        margins, dice = np.full(len(truth), self._base), np.random.default_rng(_SEED)
        for _ in range(_ROUNDS):
            chances = 1 / (1 + np.exp(-margins))
            kept = dice.permutation(bins.shape[1])[: max(1, int(bins.shape[1] * 0.6))]
            tree = _grown(bins, truth - chances, np.maximum(chances * (1 - chances), 1e-6), np.sort(kept))
            self._trees.append(tree)
            margins = margins + _RATE * _read(tree, bins)

    def margins(self, matrix: Floats) -> Floats:
        """Log odds of each row."""
        bins = self._binned(matrix)
        sums = np.full(len(matrix), self._base)
        for tree in self._trees:
            sums += _RATE * _read(tree, bins)
        return sums

    def _binned(self, matrix: Floats) -> Ints:
        made = np.empty(matrix.shape, dtype=np.int64)
        for place, edges in enumerate(self._edges):
            made[:, place] = np.searchsorted(edges, matrix[:, place])
        return made


def _edges(column: Floats) -> Floats:
    values = np.unique(column)
    if len(values) <= _BINS:
        return (values[:-1] + values[1:]) / 2
    return np.unique(np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1]))


def _grown(bins: Ints, slopes: Floats, curves: Floats, kept: Ints) -> _Tree:
    """Level by level: the best cut of each node, by what it gains."""
    inner = 2**_DEPTH - 1
    columns, cuts = np.zeros(inner, dtype=np.int64), np.full(inner, _BINS, dtype=np.int64)
    nodes = np.zeros(len(bins), dtype=np.int64)
    offsets = np.arange(len(kept)) * _BINS
    flat = bins[:, kept] + offsets
    for level in range(_DEPTH):
        count = 2**level
        width = len(kept) * _BINS
        places = (flat + (nodes * width)[:, None]).ravel()
        shape = (count, len(kept), _BINS)
        slope = np.bincount(places, np.repeat(slopes, len(kept)), count * width).reshape(shape).cumsum(axis=2)
        curve = np.bincount(places, np.repeat(curves, len(kept)), count * width).reshape(shape).cumsum(axis=2)
        rows = np.bincount(places, minlength=count * width).reshape(shape).cumsum(axis=2)
        whole_slope, whole_curve, whole = slope[:, :1, -1:], curve[:, :1, -1:], rows[:, :1, -1:]
        gain = (
            slope**2 / (curve + _RIDGE)
            + (whole_slope - slope) ** 2 / (whole_curve - curve + _RIDGE)
            - whole_slope**2 / (whole_curve + _RIDGE)
        )
        gain[(rows < _LEAF) | (whole - rows < _LEAF)] = -np.inf
        best = gain.reshape(count, -1).argmax(axis=1)
        for node in range(count):
            if gain[node].ravel()[best[node]] > 0:
                columns[count - 1 + node] = kept[best[node] // _BINS]
                cuts[count - 1 + node] = best[node] % _BINS
        place = count - 1 + nodes
        nodes = nodes * 2 + (bins[np.arange(len(bins)), columns[place]] > cuts[place])
    leaves = 2**_DEPTH
    sums = np.bincount(nodes, slopes, leaves)
    return _Tree(columns, cuts, sums / (np.bincount(nodes, curves, leaves) + _RIDGE))


def _read(tree: _Tree, bins: Ints) -> Floats:
    nodes, rows = np.zeros(len(bins), dtype=np.int64), np.arange(len(bins))
    for level in range(_DEPTH):
        place = 2**level - 1 + nodes
        nodes = nodes * 2 + (bins[rows, tree.columns[place]] > tree.bins[place])
    return tree.values[nodes]

"""A model of a yes-or-no outcome: ridge logistic regression and boosted trees, mixed as suits the rows, measured on
rows left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from opsteward.crew.engines.arrays import Floats, Ints, np
from opsteward.crew.engines.learning.tables import Table
from opsteward.crew.engines.learning.trees import BoostedTrees

#: Of each outcome; with fewer nothing can be learned that would hold.
MIN_OF_EACH = 20
MAX_TRAINING_ROWS = 20_000
_TREES_FROM = 400  # rows; below them trees only learn the noise
_FOLDS = 4
_SHARES_OF_TREES = (0.0, 0.25, 0.5, 0.75, 1.0)
KnownT = TypeVar("KnownT")
_SEED = 20_240_229


@dataclass(frozen=True)
class Measure:
    """How well rows that were left out are told apart: of 1 always, of .5 not at all; lift of the top tenth."""

    auc: float
    lift_at_10: float


def learnable(known: Sequence[KnownT]) -> list[KnownT]:
    """So many of the rows as are learned from, chosen evenly by chance."""
    if len(known) <= MAX_TRAINING_ROWS:
        return list(known)
    chosen = np.random.default_rng(_SEED).choice(len(known), MAX_TRAINING_ROWS, replace=False)
    return [known[n] for n in np.sort(chosen)]


class OutcomeModel:
    """Learned from rows with their outcomes; gives probabilities, and what each field adds to one."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], outcomes: Sequence[bool], fields: Sequence[str]) -> None:
        """Needs MIN_OF_EACH rows of both outcomes, one field that varies, and no more rows than `learnable` leaves."""
        dice = np.random.default_rng(_SEED)
        self.table = Table(rows, fields)
        matrix, truth = self.table.matrix(rows), np.array(outcomes, dtype=float)
        folds = _folds(truth, dice)
        self.ridge = _best_ridge(matrix, truth, folds)
        left_out = np.zeros((len(truth), 2))
        for fold in range(_FOLDS):
            train, test = folds != fold, folds == fold
            left_out[test] = _Both(matrix[train], truth[train], self.ridge).margins(matrix[test])
        self.trees_share = _best_share(left_out, truth)
        mixed = _mixed(left_out, self.trees_share)
        self.measure = measure_of(mixed, truth)
        self.base_rate = float(truth.mean())
        self._model = _Both(matrix, truth, self.ridge)
        self._scale = _calibration(mixed, truth)

    def probabilities(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Of the outcome, for each row; calibrated on rows that were left out."""
        slope, shift = self._scale
        margins = _mixed(self._model.margins(self.table.matrix(rows)), self.trees_share)
        return _sigmoid(slope * margins + shift)

    def contributions(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        """What each field adds to the log odds beside the average row, by the logistic part."""
        matrix, weights = self.table.matrix(rows), self._model.weights[1:]
        found: list[dict[str, float]] = []
        for line in matrix * weights:
            sums: dict[str, float] = {}
            for column, part in zip(self.table.columns, line, strict=True):
                sums[column.field] = sums.get(column.field, 0.0) + float(part)
            found.append(sums)
        return found

    def importance(self) -> dict[str, float]:
        """Each field's share in the logistic part, the largest first; they add up to 1."""
        sums: dict[str, float] = {}
        for column, weight in zip(self.table.columns, self._model.weights[1:], strict=True):
            sums[column.field] = sums.get(column.field, 0.0) + abs(float(weight))
        whole = sum(sums.values()) or 1.0
        return {field: value / whole for field, value in sorted(sums.items(), key=lambda pair: -pair[1])}


class _Both:
    """Both models of the same rows; of few rows the logistic one alone."""

    def __init__(self, matrix: Floats, truth: Floats, ridge: float) -> None:
        self.weights = _logistic(matrix, truth, ridge)
        self._trees = BoostedTrees(matrix, truth) if len(truth) >= _TREES_FROM else None

    def margins(self, matrix: Floats) -> Floats:
        """Log odds: a column of each."""
        linear = self.weights[0] + matrix @ self.weights[1:]
        return np.column_stack([linear, linear if self._trees is None else self._trees.margins(matrix)])


def _mixed(margins: Floats, share: float) -> Floats:
    """With this share of the trees."""
    return np.asarray((1 - share) * margins[:, 0] + share * margins[:, 1])


def _best_share(left_out: Floats, truth: Floats) -> float:
    """The share of the trees under which rows left out are the most likely. Where outcomes follow the fields evenly,
    trees add noise alone; where fields work together, the logistic part misses it."""
    return max(_SHARES_OF_TREES, key=lambda share: _likelihood(_mixed(left_out, share), truth))


def _likelihood(margins: Floats, truth: Floats) -> float:
    """Of these outcomes, once the margins are calibrated."""
    slope, shift = _calibration(margins, truth)
    odds = slope * margins + shift
    return float((truth * odds - np.logaddexp(0, odds)).sum())


def measure_of(scores: Floats, truth: Floats) -> Measure:
    """AUC (ties count half) and the lift of the tenth with the highest scores."""
    positives = float(truth.sum())
    negatives = len(truth) - positives
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[places]
    auc = (float(ranks[truth > 0].sum()) - positives * (positives + 1) / 2) / (positives * negatives)
    top = np.argsort(-scores, kind="stable")[: max(1, len(scores) // 10)]
    return Measure(auc=auc, lift_at_10=float(truth[top].mean()) / (positives / len(truth)))


def _folds(truth: Floats, dice: np.random.Generator) -> Ints:
    """Each outcome spread evenly."""
    folds = np.zeros(len(truth), dtype=np.int64)
    for outcome in (0, 1):
        places = dice.permutation(np.flatnonzero(truth == outcome))
        folds[places] = np.arange(len(places)) % _FOLDS
    return folds


def _best_ridge(matrix: Floats, truth: Floats, folds: Ints) -> float:
    """The penalty under which rows left out are the most likely."""
    best, found = -np.inf, 1.0
    for ridge in (0.3, 3.0, 30.0, 300.0):
        likelihood = 0.0
        for fold in range(_FOLDS):
            train, test = folds != fold, folds == fold
            weights = _logistic(matrix[train], truth[train], ridge)
            margins = weights[0] + matrix[test] @ weights[1:]
            likelihood += float((truth[test] * margins - np.logaddexp(0, margins)).sum())
        if likelihood > best:
            best, found = likelihood, ridge
    return found


def _logistic(matrix: Floats, truth: Floats, ridge: float) -> Floats:
    """Weights by Newton's method, the intercept first and without penalty."""
    design = np.hstack([np.ones((len(matrix), 1)), matrix])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-6
    weights = np.zeros(design.shape[1])
    for _ in range(25):
        chances = _sigmoid(design @ weights)
        slope = design.T @ (truth - chances) - penalty * weights
        curve = (design * (chances * (1 - chances))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        weights = weights + step
        if float(np.abs(step).max()) < 1e-6:
            break
    return weights


def _calibration(margins: Floats, truth: Floats) -> tuple[float, float]:
    """Slope and shift that make margins of rows left out true odds."""
    shift, slope = _logistic(margins[:, None], truth, 1e-3)
    return (float(slope), float(shift)) if slope > 0 else (0.0, float(np.log(truth.mean() / (1 - truth.mean()))))


def _sigmoid(margins: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0, -margins)))

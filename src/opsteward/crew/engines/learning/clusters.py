"""Groups of rows that are alike: Gaussians and some even noise; their number by how much each one explains."""

from __future__ import annotations

import math
from dataclasses import dataclass

from opsteward.crew.engines.arrays import Floats, Ints, np

MAX_GROUPS = 10
_SAMPLE = 2000  # rows on which the groups are found; all are assigned
_STARTS = 6
_ROUNDS = 60
_NEIGHBOURS = 5
_MAX_NOISE = 0.1  # of the rows
_SEED = 11


@dataclass(frozen=True)
class Mixture:
    """Groups as weights, centres and covariances; `criterion` is smaller for a better number of groups."""

    weights: Floats
    centres: Floats
    covariances: Floats
    criterion: float

    @property
    def count(self) -> int:
        return len(self.weights)

    def assign(self, matrix: Floats) -> Ints:
        """The likeliest group of each row."""
        return np.asarray(_log_shares(self, matrix).argmax(axis=1), dtype=np.int64)


def find_groups(matrix: Floats, count: int | None, *, seed: int = _SEED) -> Mixture:
    """The best mixture, of `count` groups or of as many as the criterion wants."""
    dice = np.random.default_rng(seed)
    sample = matrix
    if len(matrix) > _SAMPLE:
        sample = matrix[np.sort(dice.choice(len(matrix), _SAMPLE, replace=False))]
    core = _core(sample)
    if count is not None:
        return _best_of(sample, core, count, dice)
    most = max(1, min(MAX_GROUPS, len(sample) // 8))
    best, worse = _best_of(sample, core, 1, dice), 0
    for groups in range(2, most + 1):
        found = _best_of(sample, core, groups, dice)
        if found.criterion < best.criterion:
            best, worse = found, 0
        else:
            worse += 1
            if worse == 3:
                break
    return best


def agreement(one: Ints, other: Ints) -> float:
    """The adjusted Rand index of two divisions of the same rows: 1 the same, about 0 by chance."""
    rows, columns = np.unique(one, return_inverse=True)[1], np.unique(other, return_inverse=True)[1]
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    pairs = float((table * (table - 1)).sum()) / 2
    left = float((table.sum(1) * (table.sum(1) - 1)).sum()) / 2
    right = float((table.sum(0) * (table.sum(0) - 1)).sum()) / 2
    whole = len(one) * (len(one) - 1) / 2
    expected = left * right / whole if whole else 0.0
    most = (left + right) / 2
    return 1.0 if most == expected else (pairs - expected) / (most - expected)


def _core(matrix: Floats) -> Floats:
    """Without rows that stand alone: they would each be taken for the start of a group."""
    norms = (matrix**2).sum(axis=1)
    distance = np.maximum(norms[:, None] - 2 * matrix @ matrix.T + norms, 0)
    near = np.sqrt(
        np.partition(distance, min(_NEIGHBOURS, len(matrix) - 1), axis=1)[:, min(_NEIGHBOURS, len(matrix) - 1)]
    )
    low, high = np.percentile(near, (25, 75))
    return np.asarray(matrix[near <= high + 2 * (high - low)])


def _best_of(matrix: Floats, core: Floats, count: int, dice: np.random.Generator) -> Mixture:
    starts = [_k_means(core, count, dice) for _ in range(_STARTS if count > 1 else 1)]
    starts.sort(key=lambda start: start[1])
    fits = [_fit(matrix, core, labels, count, shared) for labels, _ in starts[:2] for shared in (False, True)]
    return min(fits, key=lambda fit: fit.criterion)


def _k_means(matrix: Floats, count: int, dice: np.random.Generator) -> tuple[Ints, float]:
    """Labels and inertia, from starts far from each other."""
    centres = [matrix[dice.integers(len(matrix))]]
    nearest = ((matrix - centres[0]) ** 2).sum(axis=1)
    for _ in range(count - 1):
        whole = float(nearest.sum())
        place = int(np.searchsorted(np.cumsum(nearest), dice.random() * whole)) if whole > 0 else 0
        centres.append(matrix[min(place, len(matrix) - 1)])
        nearest = np.minimum(nearest, ((matrix - centres[-1]) ** 2).sum(axis=1))
    middle = np.array(centres)
    for _ in range(_ROUNDS):
        distance = (matrix**2).sum(1)[:, None] - 2 * matrix @ middle.T + (middle**2).sum(1)
        labels = distance.argmin(axis=1)
        moved = np.array([matrix[labels == g].mean(0) if (labels == g).any() else middle[g] for g in range(count)])
        if np.allclose(moved, middle):
            break
        middle = moved
    return labels, float(((matrix - middle[labels]) ** 2).sum())


def _fit(matrix: Floats, core: Floats, labels: Ints, count: int, shared: bool) -> Mixture:
    """Expectation and maximisation from these labels of the core; `shared`: all groups have one covariance."""
    width = matrix.shape[1]
    noise_log = -float(np.log(np.maximum(np.ptp(matrix, axis=0), 1e-3)).sum())
    mixture, noise = _moments(core, np.eye(count)[labels], shared), 0.01
    before = -math.inf
    for _ in range(_ROUNDS):
        logs = np.column_stack(
            [_log_shares(mixture, matrix) + math.log(1 - noise), np.full(len(matrix), noise_log + math.log(noise))]
        )
        top = logs.max(axis=1, keepdims=True)
        sums = top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))
        shares = np.exp(logs - sums[:, None])
        likelihood = float(sums.sum())
        if likelihood - before < 1e-4 * len(matrix):
            break
        before = likelihood
        mixture = _moments(matrix, shares[:, :-1], shared)
        noise = min(max(float(shares[:, -1].mean()), 1e-6), _MAX_NOISE)
    free = count - 1 + count * width + (1 if shared else count) * width * (width + 1) / 2
    entropy = -float((shares * np.log(np.maximum(shares, 1e-300))).sum())
    criterion = -2 * likelihood + free * math.log(len(matrix)) + 2 * entropy
    return Mixture(mixture.weights, mixture.centres, mixture.covariances, criterion)


def _moments(matrix: Floats, shares: Floats, shared: bool) -> Mixture:
    sizes = shares.sum(axis=0) + 1e-9
    centres = (shares.T @ matrix) / sizes[:, None]
    width = matrix.shape[1]
    covariances = np.empty((len(sizes), width, width))
    for group in range(len(sizes)):
        apart = matrix - centres[group]
        covariances[group] = (shares[:, group, None] * apart).T @ apart
    if shared:
        covariances[:] = covariances.sum(axis=0) / sizes.sum()
    else:  # a small group borrows from the whole, or it would shrink to a point
        whole = np.diag(matrix.var(axis=0))
        covariances = (covariances + 2.0 * whole * 0.1) / (sizes + 2.0)[:, None, None]
    covariances += 3e-3 * np.eye(width)
    return Mixture(sizes / sizes.sum(), centres, covariances, math.inf)


def _log_shares(mixture: Mixture, matrix: Floats) -> Floats:
    found = np.empty((len(matrix), mixture.count))
    for group in range(mixture.count):
        root = np.linalg.cholesky(mixture.covariances[group])
        apart = np.linalg.solve(root, (matrix - mixture.centres[group]).T)
        logs = np.log(np.diag(root)).sum() + matrix.shape[1] / 2 * math.log(2 * math.pi)
        found[:, group] = math.log(float(mixture.weights[group])) - logs - (apart**2).sum(axis=0) / 2
    return found

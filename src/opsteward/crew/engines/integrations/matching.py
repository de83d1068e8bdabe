"""The best pairing of two sides: the Hungarian method."""

from __future__ import annotations

from opsteward.crew.engines.arrays import Floats, np


def best_pairs(scores: Floats) -> list[tuple[int, int]]:
    """Pairs of row and column, each in one pair at most, whose scores add up to the most."""
    if not scores.size:
        return []
    flipped = scores.shape[0] > scores.shape[1]
    costs = -(scores.T if flipped else scores)
    rows, columns = costs.shape
    by_row, by_column = np.zeros(rows + 1), np.zeros(columns + 1)
    owner, way = np.zeros(columns + 1, dtype=np.int64), np.zeros(columns + 1, dtype=np.int64)
    for row in range(1, rows + 1):
        owner[0] = row
        least, used = np.full(columns + 1, np.inf), np.zeros(columns + 1, dtype=bool)
        place = 0
        while True:
            used[place] = True
            current = costs[owner[place] - 1] - by_row[owner[place]] - by_column[1:]
            better = ~used[1:] & (current < least[1:])
            least[1:][better] = current[better]
            way[1:][better] = place
            free = np.where(used[1:], np.inf, least[1:])
            following = int(free.argmin()) + 1
            step = float(free[following - 1])
            by_row[owner[used]] += step
            by_column[used] -= step
            least[1:][~used[1:]] -= step
            place = following
            if owner[place] == 0:
                break
        while place:
            owner[place] = owner[way[place]]
            place = int(way[place])
    pairs = [(int(owner[column]) - 1, column - 1) for column in range(1, columns + 1) if owner[column]]
    return sorted((b, a) if flipped else (a, b) for a, b in pairs)

"""How often the likeliest root cause of recorded metrics is the true one: `python -m evals.causes [FOLDER]`.

On made recordings of seeds that no rule was written with; and with the folder of a public set (scenarios with
`graph.csv`, `noissue/` and issues below `train/` and `test/`), on each of its issues.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from evals.causes.made import made
from opsteward.troubleshooting.metric_causes import likely_causes
from opsteward.troubleshooting.recorded_metrics import Recording, read_recording

WORKED_WITH = range(200)
HELD_OUT = range(10_000, 10_500)


def place_of(recording: Recording, truth: str) -> int | None:
    """1 where the true cause is named first; None where it is not named."""
    names = [suspect.node for suspect in likely_causes(recording)]
    return names.index(truth) + 1 if truth in names else None


def told(name: str, places: list[int | None]) -> str:
    """One line of figures."""
    first, third = (sum(p is not None and p <= k for p in places) / len(places) for k in (1, 3))
    return f"{name:<28}{len(places):>6}{first:>9.3f}{third:>9.3f}"


def of_seeds(seeds: range) -> dict[str, list[int | None]]:
    """Places by kind of issue."""
    found: defaultdict[str, list[int | None]] = defaultdict(list)
    for seed in seeds:
        recording, truth, kind = made(seed)
        found[kind].append(place_of(recording, truth))
    return found


def main(arguments: list[str]) -> int:
    print(f"{'':<28}{'cases':>6}{'top-1':>9}{'top-3':>9}")
    for name, seeds in (("worked with", WORKED_WITH), ("held out", HELD_OUT)):
        found = of_seeds(seeds)
        print(told(f"made, {name}", [place for places in found.values() for place in places]))
        if name == "held out":
            for kind, places in sorted(found.items()):
                print(told(f"  {kind}", places))
    for folder in map(Path, arguments):
        for scenario in sorted(path.parent for path in folder.rglob("graph.csv")):
            issues = sorted(path.parent for path in scenario.rglob("target.json"))
            places = [place_of(*read_recording(scenario, issue)) for issue in issues]
            if places:
                print(told(scenario.name, places))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

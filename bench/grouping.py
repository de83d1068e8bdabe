"""How well and how fast fingerprints group log lines, on data that nobody here wrote.

    python bench/grouping.py [--misses SYSTEM]

Data: `grouping/<system>.jsonl` in the folder of measuring data (`OPSTEWARD_MEASURING_DATA`, else
`../shared/data` beside the repository). Figures: grouping accuracy GA (share of lines whose group is exactly a
true one) and FGA (F1 over groups found exactly). One configuration for all systems, no system name given.
Reference: drain3 with one configuration GA .76, FGA .77; Brain GA .76, FGA .78 (over 16 systems).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from opsteward.events.fingerprint import fingerprint, mask

DATA = Path(
    os.environ.get("OPSTEWARD_MEASURING_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data"
)
FOLDER = DATA / "grouping"


def key(message: str) -> str:
    return fingerprint(source="", error_type=None, message=message, stack_trace=None).key


def systems() -> dict[str, list[dict[str, str]]]:
    """System -> its lines with their true groups."""
    return {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted(FOLDER.glob("*.jsonl"))
    }


def groups(names: Iterable[str]) -> set[frozenset[int]]:
    """The groups as sets of line numbers."""
    members: defaultdict[str, set[int]] = defaultdict(set)
    for number, name in enumerate(names):
        members[name].add(number)
    return {frozenset(lines) for lines in members.values()}


def accuracy(lines: Sequence[dict[str, str]]) -> tuple[float, float, int, int]:
    """GA, FGA, groups found, true groups."""
    true, found = groups(line["group"] for line in lines), groups(key(line["content"]) for line in lines)
    exact = true & found
    ga = sum(len(group) for group in exact) / len(lines)
    return ga, 2 * len(exact) / (len(true) + len(found)), len(found), len(true)


def misses(lines: Sequence[dict[str, str]]) -> None:
    """Print the true groups that were not found exactly, with the templates of their lines."""
    found = groups(key(line["content"]) for line in lines)
    members: defaultdict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        members[line["group"]].append(number)
    for name, numbers in members.items():
        if frozenset(numbers) not in found:
            print(f"{name} ({len(numbers)} lines)")
            for template, count in Counter(mask(lines[number]["content"]) for number in numbers).most_common(5):
                print(f"{count:>8}  {template[:120]}")


def main(arguments: Sequence[str]) -> int:
    if not FOLDER.exists():
        print(f"skipped: no measuring data at {FOLDER} (set OPSTEWARD_MEASURING_DATA)")
        return 0
    data = systems()
    print(f"{'system':<14}{'GA':>7}{'FGA':>7}{'found':>8}{'true':>7}")
    figures = {name: accuracy(lines) for name, lines in data.items()}
    for name, (ga, fga, found, true) in figures.items():
        print(f"{name:<14}{ga:>7.3f}{fga:>7.3f}{found:>8}{true:>7}")
    mean_ga = sum(ga for ga, *_ in figures.values()) / len(figures)
    mean_fga = sum(fga for _, fga, *_ in figures.values()) / len(figures)
    print(f"{'mean':<14}{mean_ga:>7.3f}{mean_fga:>7.3f}")
    messages = [line["content"] for lines in data.values() for line in lines]
    started = time.process_time()
    for message in messages:
        key(message)
    print(f"\n{len(messages) / (time.process_time() - started):,.0f} lines a second on one core")
    if arguments[:1] == ["--misses"]:
        for name in arguments[1:]:
            misses(data[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

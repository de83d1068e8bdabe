"""How well and how fast the rule engine classifies labelled log lines that nobody here wrote.

    python bench/classification.py [--misses SOURCE]

Data: `classification/labelled.jsonl` in the folder of measuring data (`OPSTEWARD_MEASURING_DATA`, else
`../shared/data` beside the repository). Figure: macro-F1 over the categories that the labels have, whole and
per source. Reference: a hand-written ladder of regular expressions gets .50.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from opsteward.events.classification import Classification, classify

DATA = Path(
    os.environ.get("OPSTEWARD_MEASURING_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data"
)
LABELLED = DATA / "classification" / "labelled.jsonl"

Row = tuple[dict[str, str], Classification]


def classified() -> list[Row]:
    """Every labelled line with what the rules say of it."""
    lines = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    return [(line, classify(error_type=None, message=line["line"])) for line in lines]


def f1_by_category(rows: Sequence[Row]) -> dict[str, float]:
    """F1 of each category that the labels have."""
    scores: dict[str, float] = {}
    for category in sorted({label["category"] for label, _ in rows}):
        hits = sum(label["category"] == category == found.category for label, found in rows)
        wrong = sum((label["category"] == category) != (found.category == category) for label, found in rows)
        scores[category] = 2 * hits / (2 * hits + wrong) if hits else 0.0
    return scores


def macro_f1(rows: Sequence[Row]) -> float:
    scores = f1_by_category(rows)
    return sum(scores.values()) / len(scores)


def rate(messages: Sequence[str], *, seconds: float = 2.0) -> float:
    """Lines classified in a second of this process's CPU time."""
    done, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        for message in messages:
            classify(error_type=None, message=message)
        done += len(messages)
    return done / (time.process_time() - started)


def main(arguments: Sequence[str]) -> int:
    if not LABELLED.exists():
        print(f"skipped: no measuring data at {LABELLED} (set OPSTEWARD_MEASURING_DATA)")
        return 0
    rows = classified()
    sources = ["", *sorted({label["source"] for label, _ in rows})]
    print(f"{'source':<12}{'lines':>6}{'macro-F1':>10}{'accuracy':>10}   F1 by category")
    for source in sources:
        part = [row for row in rows if source in ("", row[0]["source"])]
        right = sum(label["category"] == found.category for label, found in part)
        scores = "  ".join(f"{name} {score:.2f}" for name, score in f1_by_category(part).items())
        print(f"{source or 'whole':<12}{len(part):>6}{macro_f1(part):>10.3f}{right / len(part):>10.3f}   {scores}")
    print(f"\n{rate([label['line'] for label, _ in rows]):,.0f} lines a second on one core")
    if arguments[:1] == ["--misses"]:
        for label, found in rows:
            if label["category"] != found.category and label["source"] in arguments[1:]:
                print(f"{label['category']:<17}{found.category:<17}{found.rule_id:<32}{label['line'][:100]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Reads each body as any product's and counts what was found: `python -m evals.sources.measure first`, or second,
third ... sixth."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.mapping import DEFAULT_SEVERITY, read


def findings(case: dict[str, Any]) -> dict[str, tuple[bool, object]]:
    """For each thing that is looked for: whether it was found, and what was found."""

    def event(body: Any) -> Any:
        return read(source_named("generic"), body, {}, limit=10).events[0]

    fired = event(case["body"])
    title = fired.message.partition("\n")[0]
    found: dict[str, tuple[bool, object]] = {
        "title": (case["title"] in title, title),
        "severity": (fired.severity == (case["severity"] or DEFAULT_SEVERITY), fired.severity),
        "time": (
            fired.occurred_at == (datetime.fromisoformat(case["time"]) if "time" in case else None),
            fired.occurred_at,
        ),
        "fires": (not fired.resolved, fired.resolved),
    }
    if "over" in case:
        body, after = case["body"], case["over"]
        over = event(body | after if isinstance(body, dict) else after)
        found["resolved"] = (over.resolved, over.resolved)
        found["same group"] = (over.group_key == fired.group_key is not None, (fired.group_key, over.group_key))
    return found


def main(name: str) -> None:
    """Print the rates, and what was not found."""
    cases = yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text())
    right: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    for case in cases:
        for what, (good, seen) in findings(case).items():
            right[what] += good
            all_of[what] += 1
            if not good:
                print(f"{case['product']}: {what}: {seen!s:.100}")
    print(f"{len(cases)} products:", ", ".join(f"{what} {right[what]}/{number}" for what, number in all_of.items()))


if __name__ == "__main__":
    main(sys.argv[1])

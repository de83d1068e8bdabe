"""Start: first and warm start to ready (aim: warm under 4 s), and `opsteward --help` (aim: under 0.4 s).

Limit: the bare interpreter, and the interpreter importing the parts that the API can't do without.
"""

from __future__ import annotations

import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from bench.instance import clean_environment, quantile, running, temporary_folder

ROUNDS = 7


def seconds(*command: str) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    return time.monotonic() - began


def main() -> None:
    limit, imports, helps, warm = [], [], [], []
    with temporary_folder() as folder:
        with running(folder / "ops") as first:
            cold = first.ready
        for _ in range(ROUNDS):
            limit.append(seconds(sys.executable, "-c", "pass"))
            imports.append(
                seconds(sys.executable, "-W", "ignore", "-c", "import fastapi, sqlalchemy.ext.asyncio, dbos")
            )
            helps.append(seconds(sys.executable, "-W", "ignore", "-m", "opsteward", "--help"))
            with running(folder / "ops") as instance:
                warm.append((instance.announced, instance.ready))
    table = Table("what", "median s", "worst s", "aim s")
    table.add_row("python -c pass", f"{quantile(limit, 0.5):.2f}", f"{max(limit):.2f}", "")
    table.add_row("opsteward --help", f"{quantile(helps, 0.5):.2f}", f"{max(helps):.2f}", "0.4")
    table.add_row("imports alone", f"{quantile(imports, 0.5):.2f}", f"{max(imports):.2f}", "")
    table.add_row("first start to ready", f"{cold:.2f}", "", "")
    answers, ready = [a for a, _ in warm], [r for _, r in warm]
    table.add_row("warm start to first answer", f"{quantile(answers, 0.5):.2f}", f"{max(answers):.2f}", "")
    table.add_row("warm start to ready", f"{quantile(ready, 0.5):.2f}", f"{max(ready):.2f}", "4")
    Console().print(table)
    Console().print(f"warm start to ready / imports alone: {quantile(ready, 0.5) / quantile(imports, 0.5):.2f}")


if __name__ == "__main__":
    main()

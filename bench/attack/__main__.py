"""Starts `opsteward up` with 1,024 descriptors, runs each attack, and prints what the instance and another tenant
came to; exits with 1 when a process ended or a limit was passed.

    python -m bench.attack [NAME ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench.attack.attacks import ATTACKS, Target
from bench.attack.crowds import CROWDS
from bench.attack.probe import Probe, Seen
from bench.instance import temporary_folder

DESCRIPTORS = 1024
MEMORY_LIMIT, LIVEZ_LIMIT, OTHER_LIMIT = 600.0, 1.0, 1.0  # megabytes, seconds, seconds
_SETTLE = 3.0  # seconds after an attack in which the instance may still end of it
console = Console()


class Up:
    """A running instance with an attacker's tenant and another one."""

    def __init__(self, home: Path, log: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
        command = f'ulimit -n {DESCRIPTORS}; exec "$0" -W ignore -m opsteward up --port 0'
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", command, sys.executable],
                env=environment | {"OPSTEWARD_HOME": str(home)},
                stdout=subprocess.PIPE, stderr=file, text=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        url = next(line for line in self.process.stdout if "is up at" in line).split("is up at ")[1].strip()
        while httpx.get(f"{url}/readyz", timeout=30).status_code != 200:
            time.sleep(0.1)
        admin = (home / "token").read_text().strip()
        name = f"t{time.time_ns()}"
        owner = self._made(url, admin, "tenants", name=f"a-{name}", operator="anna")
        tokens = {}
        for role in ("operator", "viewer"):
            self._made(url, owner, "operators", name=role, roles=[role])
            tokens[role] = self._made(url, owner, "tokens", operator=role, name="t")
        self.target = Target(url=url, owner=owner, **tokens)
        self.other = self._made(url, admin, "tenants", name=f"o-{name}", operator="gus")

    @staticmethod
    def _made(url: str, token: str, what: str, **body: object) -> str:
        answer = httpx.post(f"{url}/api/v1/{what}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        return str(answer.raise_for_status().json().get("token", ""))

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> None:
        """Orderly, or else not."""
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def _instances() -> Iterator[Callable[[], Up]]:
    """One instance, and a new one in its place whenever it has ended."""
    with temporary_folder() as folder:
        (folder / "home").mkdir(mode=0o711)
        ups: list[Up] = []

        def living() -> Up:
            if not ups or ups[-1].ended:
                ups.append(Up(folder / "home", folder / "log"))
                time.sleep(5)  # the console comes up behind the rest
            return ups[-1]

        try:
            yield living
        finally:
            if ups:
                ups[-1].stop()


def _row(name: str, seen: Seen, ended: bool, answers: list[str]) -> tuple[list[str], bool]:
    bad = {
        "ended": ended,
        "memory": seen.memory > MEMORY_LIMIT,
        "livez": seen.worst_livez > LIVEZ_LIMIT,
        "other": seen.p95_other > OTHER_LIMIT or bool(seen.errors),
    }
    figures = {
        "ended": "ended" if ended else "lives",
        "memory": f"{seen.memory:.0f} MB",
        "livez": f"{seen.worst_livez:.2f} s",
        "other": f"{seen.p95_other:.2f} s" + (f" {dict(Counter(seen.errors))}" if seen.errors else ""),
    }
    marked = [f"[red]{text}[/red]" if bad[key] else text for key, text in figures.items()]
    told = ", ".join(f"{count} x {answer}" if count > 1 else answer for answer, count in Counter(answers).items())
    return [name.replace("_", " "), *marked, told], any(bad.values())


def main() -> int:
    """All attacks, or those named."""
    attacks = ATTACKS + CROWDS
    wanted = [one for one in attacks if one.__name__ in sys.argv[1:]] or attacks
    table = Table("attack", "instance", "memory, peak", "/livez, worst", "other tenant, p95", "answers")
    passed = []
    with _instances() as living:
        for attack in wanted:
            console.print(f"{attack.__name__.replace('_', ' ')} ...", highlight=False)
            up = living()
            try:
                with Probe(up.target.url, up.other, up.process.pid) as probe:
                    answers = attack(up.target)
                    time.sleep(_SETTLE)
            except (httpx.HTTPError, OSError, ValueError) as error:
                answers = [type(error).__name__]
            row, over = _row(attack.__name__, probe.seen, up.ended, answers)
            console.print("  " + " | ".join(row[1:]), highlight=False)
            table.add_row(*row)
            passed.append(over)
    console.print(table)
    console.print(f"limits: {MEMORY_LIMIT:.0f} MB, {LIVEZ_LIMIT:g} s, {OTHER_LIMIT:g} s; over in {sum(passed)}")
    return int(any(passed))


if __name__ == "__main__":
    sys.exit(main())

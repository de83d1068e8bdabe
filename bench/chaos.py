"""`make chaos`: tasks of three effects each, while workers are killed and PostgreSQL goes down.

Real processes: one `opsteward up` for the API, three `opsteward worker`, and an outside counter of effects. The
workers are killed with SIGKILL at random, one every 2-5 seconds, and started again at once; the database server is
stopped at random (fast or immediate) every 15-25 seconds, and Opsteward has to bring it back. Tasks are submitted
through the API meanwhile. Then every task must be done, every effect have been counted, and none twice.

`python -m bench.chaos [--tasks N] [--seed N]` runs it; `--without-recovery` runs it with takeover switched off,
which must lose work: a proof that can't fail proves nothing. Without either flag, as in `make chaos`, both are run.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from bench.chaos_plugin import STEPS, TASK_TYPE
from bench.instance import temporary_folder
from opsteward.core.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[1]
WORKERS = 3
KILL_EVERY = (2.0, 5.0)
RESTART_EVERY = (15.0, 25.0)
#: An effect takes between these seconds, so that some are always in flight when somebody dies.
EFFECT_TAKES = (0.15, 0.55)
SLOTS = 16
SUBMISSIONS = 10
console = Console()


@dataclass(kw_only=True)
class Plan:
    """What one run does. `limit`: seconds after which it is over, whatever is not done."""

    tasks: int
    seed: int
    recovery: bool
    limit: float
    keep_log: Path | None = None


@dataclass(kw_only=True)
class Tally:
    """What was done to the processes, and what came of the tasks."""

    plan: Plan
    ids: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    without_key: int = 0
    kills: int = 0
    restarts: int = 0
    unavailable: int = 0
    seconds: float = 0.0

    @property
    def expected(self) -> set[str]:
        return {f"{task_id}:{step}" for task_id in self.ids for step in STEPS}

    def faults(self) -> list[str]:
        """What must not be."""
        done, keys = self.statuses.get("completed", 0), set(self.times)
        found = {
            "tasks not submitted": self.plan.tasks - len(self.ids),
            "tasks not done": len(self.ids) - done,
            "effects lost": len(self.expected - keys),
            "effects that nobody asked for": len(keys - self.expected),
            "effects without a key": self.without_key,
        }
        return [f"{what}: {count}" for what, count in found.items() if count]


class Services:
    """The processes of one run, each known by its own handle."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.home = folder / "ops"
        self._plan = plan
        self._program = ["-m", "opsteward"] if plan.recovery else ["-m", "bench.chaos_without_recovery"]
        self._log = (folder / "processes.log").open("wb")
        self.log_path = folder / "processes.log"
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.server = EmbeddedPostgres(self.home)

    def start(self, name: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start one, again if need be."""
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-W", "ignore", *arguments],
            env=self._environment(), cwd=ROOT, stderr=self._log, text=True, **options,
        )  # fmt: skip
        return self.processes[name]

    def start_up(self) -> tuple[str, str]:
        """The API's address and the admin's token."""
        process = self.start("up", *self._program, "up", "--port", "0", stdout=subprocess.PIPE)
        assert process.stdout is not None
        url = next((line.split("is up at ")[1].strip() for line in process.stdout if "is up at" in line), None)
        if url is None:
            raise SystemExit(f"opsteward did not come up:\n{self.log_path.read_text()[-3000:]}")
        return url, (self.home / "token").read_text()

    def start_workers(self) -> None:
        """All of them, and wait until they work: who has nothing yet can lose nothing."""
        names = [f"worker-{number}" for number in range(WORKERS)]
        for process in [self.start(name, *self._program, "worker", stdout=subprocess.PIPE) for name in names]:
            assert process.stdout is not None
            process.stdout.readline()

    def start_again(self, name: str) -> None:
        self.start(name, *self._program, "worker", stdout=subprocess.DEVNULL)

    def start_counter(self) -> str:
        """Its address."""
        numbers = [str(n) for n in (*EFFECT_TAKES, self._plan.seed)]
        process = self.start("counter", "-m", "bench.chaos_counter", *numbers, stdout=subprocess.PIPE)
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(process.stdout.readline())}/"

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self) -> None:
        """The workers first, the API last: it stops the server."""
        for name in sorted(self.processes, key=lambda name: name == "up"):
            self.processes[name].terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if (pid := self.server.pid()) is not None:
            os.kill(pid, signal.SIGINT)
            while self.server.pid() is not None:
                time.sleep(0.05)
        self._log.close()

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
        return inherited | {
            "OPSTEWARD_HOME": str(self.home),
            "OPSTEWARD_PLUGINS": '["bench.chaos_plugin:INTEGRATION"]',
            "OPSTEWARD_TASK_SLOTS": str(SLOTS),
            "OPSTEWARD_TASK_SLOTS_SPARE": "0",
            "OPSTEWARD_LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }


@contextmanager
def services(plan: Plan) -> Iterator[Services]:
    with temporary_folder() as folder:
        one = Services(folder, plan)
        try:
            yield one
        finally:
            one.stop()
            if plan.keep_log is not None:
                plan.keep_log.write_bytes(one.log_path.read_bytes())


class Violence:
    """Kills workers and the database server at random moments, all drawn from one seed."""

    def __init__(self, victims: Services, tally: Tally) -> None:
        self._chance = random.Random(tally.plan.seed)
        self._victims = victims
        self._tally = tally
        self._began = time.monotonic()
        self._next_kill = self._chance.uniform(*KILL_EVERY)
        self._next_restart = self._chance.uniform(*RESTART_EVERY)

    def go_on(self) -> None:
        """Do what is due."""
        now = time.monotonic() - self._began
        if now >= self._next_kill:
            name = self._chance.choice([f"worker-{n}" for n in range(WORKERS)])
            self._victims.kill(name)
            self._victims.start_again(name)
            self._tally.kills += 1
            self._next_kill = now + self._chance.uniform(*KILL_EVERY)
        if now >= self._next_restart and (pid := self._victims.server.pid()) is not None:
            os.kill(pid, self._chance.choice([signal.SIGINT, signal.SIGQUIT]))
            self._tally.restarts += 1
            self._next_restart = now + self._chance.uniform(*RESTART_EVERY)

    def kill_each_once(self) -> None:
        """Every worker, one after the other."""
        for number in range(WORKERS):
            self._victims.kill(f"worker-{number}")
            self._victims.start_again(f"worker-{number}")
            self._tally.kills += 1


def run(plan: Plan) -> Tally:
    """One run, with its table printed."""
    tally = Tally(plan=plan)
    with services(plan) as one:
        url, token = one.start_up()
        counter = one.start_counter()
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as api:
            _until_ready(one, api)
            _torment(one, api, counter, tally)
            report = httpx.get(counter, timeout=30).json()
            tally.times, tally.without_key = report["times"], report["without_key"]
    _show(tally)
    return tally


def _until_ready(one: Services, api: httpx.Client) -> None:
    one.start_workers()
    while api.get("/readyz").status_code != 200:
        time.sleep(0.1)


def _torment(one: Services, api: httpx.Client, counter: str, tally: Tally) -> None:
    plan, began = tally.plan, time.monotonic()
    violence = Violence(one, tally)
    size = -(-plan.tasks // SUBMISSIONS)
    tasks = [{"task_type": TASK_TYPE, "name": f"task {n}", "parameters": {"url": counter}} for n in range(plan.tasks)]
    batches = [tasks[begin : begin + size] for begin in range(0, plan.tasks, size)]
    harmed = plan.recovery
    while (spent := time.monotonic() - began) < plan.limit:
        # spread over the first third, so that the server also goes down under submissions
        if batches and spent >= (SUBMISSIONS - len(batches)) * 2.5 * plan.recovery:
            key = f"batch {len(batches)}"
            answer = _asked(api, tally, "POST", "/api/v1/tasks/bulk", {"tasks": batches[0]}, key)
            if answer is not None:
                tally.ids += answer["ids"]
                batches.pop(0)
        if plan.recovery:
            violence.go_on()
        elif not harmed and sum(_effects(counter).values()) > plan.tasks // 2:
            violence.kill_each_once()
            harmed = True
        counted = _asked(api, tally, "GET", "/api/v1/tasks/counts")
        if counted is not None:
            tally.statuses = counted
            if not batches and counted["pending"] + counted["in_progress"] == 0:
                break
        time.sleep(0.2)
    tally.seconds = time.monotonic() - began


def _effects(counter: str) -> dict[str, int]:
    times: dict[str, int] = httpx.get(counter, timeout=30).json()["times"]
    return times


def _asked(
    api: httpx.Client, tally: Tally, method: str, path: str, body: Any = None, key: str | None = None
) -> dict[str, Any] | None:
    """The answer; None while the database is away, after which the same may be sent again."""
    answer = api.request(method, path, json=body, headers={"Idempotency-Key": key} if key else None)
    if answer.status_code == 503:
        tally.unavailable += 1
        return None
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def _show(tally: Tally) -> None:
    table = Table("what", "count", title="chaos" if tally.plan.recovery else "chaos, nobody takes over")
    repeats = sum(times - 1 for times in tally.times.values())
    for what, count in (
        ("tasks", len(tally.ids)),
        ("done", tally.statuses.get("completed", 0)),
        ("effects expected", tally.plan.tasks * len(STEPS)),
        ("distinct effects", len(tally.times)),
        ("repeats of a key", repeats),
        ("effects without a key", tally.without_key),
        ("workers killed", tally.kills),
        ("database stopped", tally.restarts),
        ("requests answered 503", tally.unavailable),
        ("seconds", f"{tally.seconds:.0f}"),
        ("seed", tally.plan.seed),
    ):
        table.add_row(what, str(count))
    console.print(table)
    for fault in tally.faults():
        console.print(f"  {fault}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--limit", type=float, default=240.0, help="seconds after which what is not done is lost")
    parser.add_argument("--keep-log", type=Path, help="write what the processes logged to this file")
    parser.add_argument("--without-recovery", action="store_true", help="only the run that must fail")
    parser.add_argument("--only", action="store_true", help="only the run that must succeed")
    given = parser.parse_args()
    console.print(f"seed {given.seed}", highlight=False)
    if not given.without_recovery:
        tally = run(Plan(tasks=given.tasks, seed=given.seed, recovery=True, limit=given.limit, keep_log=given.keep_log))
        if tally.faults():
            console.print("Work was lost, or done twice.")
            return 1
        console.print("Nothing was lost, and nothing was counted twice.")
        if given.only:
            return 0
    without = run(Plan(tasks=200, seed=given.seed, recovery=False, limit=25.0))
    if not without.faults():
        console.print("Without takeover nothing was lost either: this proof proves nothing.")
        return 1
    if given.without_recovery:
        console.print("Without takeover work is lost.")
        return 1
    console.print("Without takeover work is lost: the proof can fail.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

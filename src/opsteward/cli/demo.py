"""`opsteward demo`: a real shop is broken four times; the terminal shows what Opsteward makes of it.

The demo works from outside like anybody: it starts `opsteward up` and the lab, talks HTTP, and judges each repair
by the shop's own traffic log. It exits 0 only if three faults were repaired and the control was left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from opsteward.cli.client import Client
from opsteward.cli.shop import register_shop
from opsteward.cli.show import plain
from opsteward.client.operations import actions, events
from opsteward.lab.lab import DEFAULT_RATE, Lab
from opsteward.lab.repairs import commands
from opsteward.lab.scoring import SETTLED_AFTER, WINDOW, Recovery, first_order, recovered

if TYPE_CHECKING:
    from opsteward.client.types import ActionView, IncidentInFull, IncidentView, TimelineView
    from opsteward.core.json_types import Json

FAULTS = ("lock_chain", "process_crash", "connection_leak")
_CHECK_INTERVAL = 1.0  # seconds
_BASELINE = 3.0  # seconds of ordinary traffic before the first fault
_REPAIR_WITHIN = 60.0
_READY_WITHIN = 90.0
_CONTROL_SECONDS = 8.0
_OVER = ("resolved", "escalated")
_KINDS = {
    "detected": "bold red", "grouped": "red", "raised": "bold red", "decided": "yellow", "diagnosed": "cyan",
    "action": "magenta", "verified": "green", "resolved": "bold green", "escalated": "bold red",
}  # fmt: skip


@dataclass
class Round:
    """One fault, its incident and its proof."""

    fault: str
    injected_at: float
    incident: IncidentInFull | None = None
    repaired_at: float = 0.0
    recovery: Recovery | None = None
    outcome: str = "no incident was opened"
    ok: bool = False


class Demo:
    """A running instance and a running lab, and what is shown of them."""

    def __init__(self, client: Client, lab: Lab, console: Console) -> None:
        self._client = client
        self._lab = lab
        self._console = console
        self._incidents_before: set[str] = set()
        self.open_since = first_order(lab.traffic)

    def show_fault(self, fault: str) -> Round:
        """Inject, follow the timeline live until the incident is over."""
        self._incidents_before = {i["id"] for i in self._incidents()}
        self._console.rule(f"[bold]{fault}", align="left")
        injection = self._lab.inject(fault)
        round_ = Round(fault=fault, injected_at=injection.injected_at)
        self._line(0.0, "injected", "The fault is in force. Nothing was reported to Opsteward.")
        deadline = time.time() + _REPAIR_WITHIN
        shown: set[str] = set()
        while time.time() < deadline:
            new = [i for i in self._incidents() if i["id"] not in self._incidents_before]
            if new:
                round_.incident = self._client.send(events.get_incident(new[-1]["id"]))
                self._show_new_lines(round_, shown)
                if round_.incident["status"] in _OVER:
                    break
            time.sleep(0.1)
        round_.repaired_at = time.time()
        return round_

    def control(self) -> Round:
        """Load rises, nothing is wrong: nothing may be done."""
        self._console.rule("[bold]control: more load, nothing wrong", align="left")
        before = {a["id"] for a in self._target_actions()}
        injection = self._lab.inject("none", rush_seconds=_CONTROL_SECONDS)
        round_ = Round(fault="control", injected_at=injection.in_force_at)
        self._line(0.0, "injected", f"Orders come 2.5 times as fast for {_CONTROL_SECONDS:g} s.")
        time.sleep(_CONTROL_SECONDS + 3 * _CHECK_INTERVAL)
        acted = [a for a in self._target_actions() if a["id"] not in before]
        round_.repaired_at = time.time()
        round_.ok = not acted
        round_.outcome = "left alone" if not acted else f"ACTED: {acted[0]['action']}"
        self._line(round_.repaired_at - round_.injected_at, "control", round_.outcome)
        return round_

    def score(self, round_: Round) -> None:
        """From the shop's side: order success over 20 s after the repair against the level before the fault."""
        rate = self._lab.facts.rate
        round_.recovery = recovered(
            self._lab.traffic, rate=rate, fault_at=round_.injected_at, repaired_at=round_.repaired_at
        )
        resolved = round_.incident is not None and round_.incident["status"] == "resolved"
        round_.ok = resolved and round_.recovery.recovered
        if round_.ok:
            round_.outcome = "repaired, proven"
        elif round_.incident:
            round_.outcome = f"incident {round_.incident['status']}, orders {round_.recovery.after.share:.1%}"

    def _incidents(self) -> list[IncidentView]:
        return self._client.send(events.list_incidents(limit=20))["items"]

    def _target_actions(self) -> list[ActionView]:
        """Actions that act on a system, as opposed to those that notify people."""
        return [a for a in self._client.send(actions.list_actions(limit=100))["items"] if a["system_id"]]

    def _show_new_lines(self, round_: Round, shown: set[str]) -> None:
        for line in round_.incident["timeline"] if round_.incident else ():
            if line["id"] in shown:
                continue
            shown.add(line["id"])
            objects = _objects(line)
            if line["kind"] == "action" and not objects:
                continue  # messages to people; here we watch the shop
            after = epoch(line["at"]) - round_.injected_at
            self._line(after, line["kind"], line["title"])
            for thing in objects[:3] if line["title"].endswith("being done") else []:
                self._line(None, "", f"    {thing}")

    def _line(self, after: float | None, kind: str, words: str) -> None:
        text = Text(f"{after:+7.1f} s  " if after is not None else " " * 11)
        text.append(f"{kind:<12}", style=_KINDS.get(kind, "dim"))
        text.append(plain(words))
        self._console.print(text, soft_wrap=True)


def run_demo(*, keep: bool, home: Path | None) -> int:
    """The whole demo; returns the exit code."""
    console = Console()
    base = home or Path(tempfile.mkdtemp(prefix="opsteward-demo-", dir="/tmp"))
    base.mkdir(parents=True, exist_ok=True)
    base.chmod(0o711)
    try:
        with running(base, console) as (client, lab):
            console.print(f"Console: {client.url}", markup=False, highlight=False)
            console.print(f"Token:   {base / 'ops' / 'token'}", markup=False, highlight=False)
            rounds = _play(Demo(client, lab, console))
            ok = _summary(console, rounds)
            if keep:
                console.print(f"Console: {client.url}", markup=False)
                console.print("The shop and Opsteward stay up. Ctrl-C ends them.")
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
            return 0 if ok else 1
    finally:
        if home is None:
            shutil.rmtree(base, ignore_errors=True)


def _play(demo: Demo) -> list[Round]:
    _wait_until(demo.open_since + _BASELINE)
    rounds = []
    for fault in FAULTS:
        round_ = demo.show_fault(fault)
        rounds.append(round_)
        if fault != FAULTS[-1]:
            _wait_until(round_.repaired_at + WINDOW)
    # The last proof and the control share their time: the rush must not cost an order either.
    rounds.append(demo.control())
    _wait_until(rounds[-2].repaired_at + WINDOW + SETTLED_AFTER)
    for round_ in rounds[:-1]:
        demo.score(round_)
    return rounds


def _wait_until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.time()))


def _summary(console: Console, rounds: list[Round]) -> bool:
    console.rule("[bold]summary", align="left")
    console.print("Seconds from the fault; share of orders that succeeded before it and in the 20 s after its repair.")
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("fault", "detect", "diagnose", "act", "verify", "before", "after", "outcome"):
        table.add_column(column, justify="right" if column not in ("fault", "outcome") else "left", no_wrap=True)
    for round_ in rounds:
        times = _times(round_)
        shares = (
            (f"{round_.recovery.before.share:.1%}", f"{round_.recovery.after.share:.1%}")
            if round_.recovery
            else ("", "")
        )
        outcome = Text(round_.outcome, style="green" if round_.ok else "bold red")
        table.add_row(round_.fault, *times, *shares, outcome)
    console.print(table)
    ok = all(round_.ok for round_ in rounds)
    console.print(
        "Three faults repaired and proven from the shop's side; the control was left alone."
        if ok
        else "NOT all went well: see the table.",
        style="bold green" if ok else "bold red",
    )
    return ok


def _times(round_: Round) -> list[str]:
    """Seconds from the fault to the first line of each kind."""

    def first(*kinds: str, containing: str = "") -> str:
        for line in round_.incident["timeline"] if round_.incident else ():
            if line["kind"] in kinds and line["title"].endswith(containing) and "log_and_monitor" not in line["title"]:
                return f"{epoch(line['at']) - round_.injected_at:.1f}"
        return "-"

    return [first("detected"), first("diagnosed"), first("action", containing="done and verified"), first("verified")]


def _objects(line: TimelineView) -> list[Json]:
    """What a step of an action touches."""
    plan = line["detail"].get("plan")
    found = plan.get("objects") if isinstance(plan, dict) else None
    return found if isinstance(found, list) else []


def epoch(instant: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(instant).timestamp()


@contextlib.contextmanager
def running(
    base: Path,
    console: Console,
    *,
    whole: bool = False,
    rate: float = DEFAULT_RATE,
    check_interval: float = _CHECK_INTERVAL,
    settings: Mapping[str, str] | None = None,
) -> Iterator[tuple[Client, Lab]]:
    """An instance and a lab, side by side, stopped afterwards. With a `whole` lab the instance knows the repairs of the
    lab's operator."""
    ops_home = base / "ops"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
    environment |= {
        "OPSTEWARD_HOME": str(ops_home),
        "OPSTEWARD_LOG_FORMAT": "json",
        "OPSTEWARD_QUEUE_POLL_INTERVAL": "0.25",  # somebody is watching
    }
    lab = Lab(base / "lab", rate=rate, whole=whole)
    if whole:
        environment["OPSTEWARD_REPAIR_COMMANDS"] = json.dumps(commands(lab.folder))
    environment |= settings or {}
    log = (base / "opsteward.log").open("wb")
    with console.status("Starting Opsteward and the shop"):
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "opsteward", "up", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=base,
        )
        try:
            lab.start()
            url = _announced(server, base / "opsteward.log")
            client = Client(url, (ops_home / "token").read_text())
            _await_ready(client)
            register_shop(client, lab, check_interval=check_interval)
        except BaseException:
            _end(server, lab)
            raise
    try:
        yield client, lab
    finally:
        _end(server, lab)


def _announced(server: subprocess.Popen[str], log: Path) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if "is up at " in line:
            return line.split("is up at ")[1].strip()
    sys.stderr.write(log.read_text()[-4000:])
    raise RuntimeError("Opsteward did not start")


def _await_ready(client: Client) -> None:
    import httpx

    deadline = time.time() + _READY_WITHIN
    while time.time() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{client.url}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError("Opsteward did not get ready")


def _end(server: subprocess.Popen[str], lab: Lab) -> None:
    server.terminate()
    lab.stop()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()

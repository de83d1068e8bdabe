"""`opsteward lab score`: every kind of fault is really made, in random order, and what is made of it is counted.

It works from outside: it starts an instance and the whole lab, causes a fault, waits for the incidents to end, and
compares what their sessions say with the ground truth, which nobody else reads.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from opsteward.cli.client import Client
from opsteward.cli.demo import epoch
from opsteward.client.operations import actions, events, systems, troubleshooting
from opsteward.core.errors import OpsError
from opsteward.lab.fault_kind import Kind, Truth
from opsteward.lab.faults import FAULTS
from opsteward.lab.lab import Lab
from opsteward.lab.scoring import TOLERANCE, order_success

if TYPE_CHECKING:
    from opsteward.client.types import ActionInFull, IncidentView, SessionView

INTERVAL = 2.0  # seconds between checks
_WITHIN = 90.0  # seconds for an incident to open and end
_CONTROL_SECONDS = 12.0
_SETTLE_WITHIN = 120.0
_RUSH_SECONDS = 8.0
_SERVED_FOR = 1.7  # seconds of orders, less the last half, that show the repair
_NOT_DONE = ("denied", "refused", "expired", "superseded")
_OVER = ("resolved", "escalated")
#: The lab's causes as a finding tells them: its type, and what its evidence must say besides.
_AS_FOUND: dict[str, tuple[str, dict[str, str]]] = {
    "idle_in_transaction_holds_locks": ("lock_chain", {}),
    "leaked_idle_connections": ("connection_leak", {}),
    "process_exited": ("process_down", {}),
    "process_stopped": ("process_hung", {"how": "stopped"}),
    "process_deadlocked": ("process_hung", {"how": "deadlocked"}),
    "process_spinning": ("process_hung", {"how": "spinning"}),
}
#: Parts of the database are told by its name.
_PARTS_OF_DATABASE = frozenset({"session", "connections"})


@dataclass(kw_only=True)
class Round:
    """One fault and what came of it. `seconds` from the fault in force to the verified repair of all incidents."""

    kind: str
    area: str
    number: int
    control: bool
    held_out: bool
    repairable: bool
    detected: bool = False
    component: bool = False
    cause: bool = False
    repaired: bool = False
    seconds: float | None = None
    detected_after: float | None = None
    actions: list[str] = field(default_factory=list)
    harmful: int = 0
    repeated: int = 0
    outcome: str = ""
    told: str = ""


class Scorer:
    """A running instance and a running whole lab."""

    def __init__(self, client: Client, lab: Lab) -> None:
        self._client = client
        self._lab = lab

    def play(self, kind: Kind, number: int) -> Round:
        """One round: from well to well."""
        self.settle()
        known = {incident["id"] for incident in self._incidents()}
        acted = {action["id"] for action in self._actions()}
        found = Round(
            kind=kind.name,
            area=kind.area,
            number=number,
            control=kind.is_control,
            held_out=kind.held_out,
            repairable=kind.repairable and not kind.is_control,
        )
        began = self._lab.inject(kind.name, rush_seconds=_RUSH_SECONDS).in_force_at
        new, ended = self._follow(kind, known, began, found)
        sessions = [session for incident in new for session in self._sessions(incident["id"])]
        did = [action for action in self._actions() if action["id"] not in acted]
        self._judge(found, kind, new, sessions, did, began, ended)
        return found

    def settle(self) -> None:
        """Take everything back, and wait until all systems are well and no incident is open."""
        deadline = time.time() + _SETTLE_WITHIN
        with suppress(OpsError):
            self._lab.clear()
        while time.time() < deadline:
            health = {s["name"]: s["health"]["status"] for s in self._client.send(systems.list_systems())["items"]}
            still = [incident for incident in self._incidents() if incident["status"] not in _OVER]
            if not still and all(status == "healthy" for status in health.values()):
                return
            time.sleep(0.3)

    def _follow(self, kind: Kind, known: set[str], began: float, found: Round) -> tuple[list[IncidentView], float]:
        """The new incidents once they have ended, and when the last of them did."""
        deadline = began + (_CONTROL_SECONDS if kind.is_control else _WITHIN)
        wanted = len({truth.system for truth in kind.truths})
        ended, quiet_since = began, 0.0
        new: list[IncidentView] = []
        while time.time() < deadline:
            new = [incident for incident in self._incidents() if incident["id"] not in known]
            if new and found.detected_after is None:
                found.detected_after = round(time.time() - began, 2)
            if new and not kind.is_control and all(incident["status"] in _OVER for incident in new):
                if not quiet_since:
                    ended = quiet_since = time.time()
                # a second fault may come to light a moment after the first was mended
                if len(new) >= wanted or time.time() - quiet_since > 2.5 * INTERVAL:
                    break
            else:
                quiet_since = 0.0
            time.sleep(0.1)
        return new, ended

    def _judge(
        self,
        found: Round,
        kind: Kind,
        incidents: Sequence[IncidentView],
        sessions: Sequence[SessionView],
        did: Sequence[ActionInFull],
        began: float,
        ended: float,
    ) -> None:
        on_targets = [action for action in did if action["system_id"]]
        done = [action for action in on_targets if action["status"] not in _NOT_DONE]
        found.actions = [f"{action['action']}: {action['status']}" for action in on_targets]
        found.repeated = len(done) - len({(a["action"], a["system_id"], str(a["params"])) for a in done})
        found.detected = bool(incidents)
        found.outcome = ", ".join(sorted({str(incident["status"]) for incident in incidents})) or "no incident"
        named = list(_named(sessions))
        found.told = "; ".join(f"{each['type']} of {each['system']} ({each['component']})" for each in named[:3])
        if kind.is_control:
            found.harmful = len(done)
            return
        found.component = all(any(_same_part(truth, each) for each in _first(named, kind)) for truth in kind.truths)
        found.cause = all(any(_same_cause(truth, each) for each in _first(named, kind)) for truth in kind.truths)
        wrong = {truth.system for truth in kind.truths}
        names = {system["id"]: system["name"] for system in self._client.send(systems.list_systems())["items"]}
        found.harmful = sum(names.get(str(action["system_id"])) not in wrong for action in done)
        resolved = bool(incidents) and all(incident["status"] == "resolved" for incident in incidents)
        well = resolved and self._is_well(ended)
        found.repaired = well
        found.seconds = round(ended - began, 2) if well else None

    def _is_well(self, since: float) -> bool:
        """Whether all systems are healthy by checks after the repair, and the shop's customers are served."""
        deadline = time.time() + 4 * INTERVAL
        while time.time() < deadline:
            seen = [system["health"] for system in self._client.send(systems.list_systems())["items"]]
            fresh = all(epoch(health["checked_at"]) > since for health in seen if health["checked_at"])
            if fresh and all(health["status"] == "healthy" for health in seen):
                now = time.time()
                return order_success(self._lab.traffic, now - _SERVED_FOR, now - 0.5).share >= TOLERANCE
            time.sleep(0.2)
        return False

    def _incidents(self) -> list[IncidentView]:
        return self._client.send(events.list_incidents(limit=50))["items"]

    def _actions(self) -> list[ActionInFull]:
        return self._client.send(actions.list_actions(limit=100))["items"]

    def _sessions(self, incident: str) -> list[SessionView]:
        return self._client.send(troubleshooting.list_sessions(incident_id=incident))["items"]


def _named(sessions: Iterable[SessionView]) -> Iterator[dict[str, Any]]:
    """The causes that the sessions name, the likeliest of each first."""
    lists: list[list[dict[str, Any]]] = [[dict(each) for each in session["issues"]] for session in sessions]
    seen: set[str] = set()
    for place in range(max(map(len, lists), default=0)):
        for issues in lists:
            if place < len(issues) and issues[place]["id"] not in seen:
                seen.add(issues[place]["id"])
                yield issues[place]


def _first(named: Sequence[dict[str, object]], kind: Kind) -> Sequence[dict[str, object]]:
    """As many as there are faults: what is named later is no answer."""
    return named[: len(kind.truths)]


def _same_part(truth: Truth, issue: dict[str, object]) -> bool:
    return issue["system"] == truth.system and (
        truth.component in ("", issue["component"]) or truth.component in _PARTS_OF_DATABASE
    )


def _same_cause(truth: Truth, issue: dict[str, Any]) -> bool:
    name, besides = _AS_FOUND.get(truth.cause, (truth.cause, {}))
    if not _same_part(truth, issue) or issue["type"] != name:
        return False
    return all(issue["evidence"].get(key) == value for key, value in besides.items())


def chosen(lab: Lab, names: Sequence[str], *, held_out: bool | None) -> list[Kind]:
    """The kinds that this lab can have."""
    return [
        kind
        for kind in FAULTS.values()
        if not kind.lacking(lab.facts)
        and (not names or kind.name in names)
        and (held_out is None or kind.held_out is held_out)
    ]


def play_all(
    scorer: Scorer, kinds: Sequence[Kind], *, rounds: int, seed: int, played: Sequence[Round] = ()
) -> Iterator[Round]:
    """Every kind in every round, in an order that the seed decides, but for what was `played` before."""
    done = {(each.kind, each.number) for each in played}
    dice = random.Random(seed)  # noqa: S311 - an order, no secret
    for number in range(1, rounds + 1):
        order = list(kinds)
        dice.shuffle(order)
        for kind in order:
            if (kind.name, number) not in done:
                yield scorer.play(kind, number)


def figures(rounds: Sequence[Round]) -> dict[str, object]:
    """The score: shares in percent, seconds at the median."""
    faults = [each for each in rounds if not each.control]
    repairable = [each for each in faults if each.repairable]
    times = sorted(each.seconds for each in repairable if each.seconds is not None)
    return {
        "rounds": len(rounds),
        "kinds": len({each.kind for each in rounds}),
        "faults": len(faults),
        "controls": len(rounds) - len(faults),
        "detection": _share(faults, "detected"),
        "component": _share(faults, "component"),
        "cause": _share(faults, "cause"),
        "verified_repair": _share(repairable, "repaired"),
        "median_seconds_to_verified_repair": times[len(times) // 2] if times else None,
        "actions_on_controls": sum(each.harmful for each in rounds if each.control),
        "actions_on_what_is_well": sum(each.harmful for each in faults),
        "repeated_actions": sum(each.repeated for each in rounds),
    }


def _share(rounds: Sequence[Round], name: str) -> float | None:
    return round(100 * sum(bool(getattr(each, name)) for each in rounds) / len(rounds), 1) if rounds else None


def by_kind(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """One row for each kind."""
    groups: defaultdict[str, list[Round]] = defaultdict(list)
    for each in rounds:
        groups[each.kind].append(each)
    rows = []
    for name, group in groups.items():
        times = sorted(each.seconds for each in group if each.seconds is not None)
        rows.append(
            {
                "kind": name,
                "area": group[0].area,
                "held out": "yes" if group[0].held_out else "",
                "rounds": len(group),
                "detected": "" if group[0].control else sum(each.detected for each in group),
                "component": "" if group[0].control else sum(each.component for each in group),
                "cause": "" if group[0].control else sum(each.cause for each in group),
                "repaired": sum(each.repaired for each in group) if group[0].repairable else "",
                "median s": f"{times[len(times) // 2]:.1f}" if times else "",
                "wrong actions": sum(each.harmful for each in group),
            }
        )
    return sorted(rows, key=lambda row: (row["area"] == "control", row["area"], row["kind"]))


def as_data(rounds: Sequence[Round]) -> dict[str, object]:
    """Everything, for JSON: all figures, those of the kinds that were held out, and each round."""
    held = [each for each in rounds if each.held_out]
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "machine": f"{os.cpu_count()} processors, shared with other work (load average at the end {load})",
        "figures": figures(rounds),
        "held_out": figures(held),
        "by_kind": by_kind(rounds),
        "rounds": [asdict(each) for each in rounds],
    }

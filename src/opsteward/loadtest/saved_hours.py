"""The hours that operators were spared, reckoned from the audit log.

What was done without a person is counted; how many minutes a person would have taken for one is an assumption, told
with the result and set by whoever knows better.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from opsteward.loadtest.types import AuditEntry

#: Minutes that a person is assumed to take for one.
MINUTES = {"repair": 15.0, "notice": 2.0, "incident": 5.0, "troubleshooting": 20.0, "task": 3.0}
_ENDS = {
    "incident.resolved": "incident",
    "troubleshooting.resolved": "troubleshooting",
    "troubleshooting.healthy": "troubleshooting",
}
_SUBMITTED = frozenset({"tasks.task.submitted", "tasks.tasks.submitted"})


def done_without_a_person(entries: Iterable[AuditEntry]) -> dict[str, int]:
    """Audit entries to counts by kind: what ended well and no operator had a hand in, and tasks of schedules."""
    by_object: defaultdict[tuple[str, str], list[AuditEntry]] = defaultdict(list)
    done: Counter[str] = Counter(dict.fromkeys(MINUTES, 0))
    for entry in entries:
        by_person = entry["actor"].startswith("operator:")
        if entry["verb"] in _SUBMITTED and not by_person:
            done["task"] += int(str(entry["detail"].get("count", 1)))
        by_object[entry["object_type"], entry["object_id"]].append(entry)
    for about in by_object.values():
        if any(entry["actor"].startswith("operator:") for entry in about):
            continue
        for kind in {_kind(entry) for entry in about} - {""}:
            done[kind] += 1
    return dict(done)


def _kind(entry: AuditEntry) -> str:
    """What this entry is the good end of; empty for any other. The actions of an integration, which bear its name,
    repair something; the others tell or note it."""
    if entry["verb"] == "action.succeeded":
        return "repair" if "." in str(entry["detail"].get("action", "")) else "notice"
    return _ENDS.get(entry["verb"], "")


def hours(done: Mapping[str, int], minutes: Mapping[str, float]) -> float:
    """Counts by kind to hours."""
    return round(sum(count * minutes.get(kind, 0.0) for kind, count in done.items()) / 60, 1)


def minutes_of(given: Iterable[str]) -> dict[str, float]:
    """The assumption with what is `given` as kind=minutes. Raises ValueError for anything else."""
    chosen = dict(MINUTES)
    for one in given:
        kind, _, number = one.partition("=")
        if kind not in MINUTES or not number.replace(".", "", 1).isdigit():
            raise ValueError(f"{one!r}: write kind=minutes, with a kind of {', '.join(MINUTES)}")
        chosen[kind] = float(number)
    return chosen

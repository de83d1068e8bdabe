"""From findings to causes: who depends on whom, what came first, and what each finding can follow from. Pure functions.

A finding is a cause of its own as far as it is a kind that speaks for itself (a certificate that has ended), and as far
as nothing that its system needs explains it. What is left over is a symptom, and is told with what it follows from.
Each cause stands for itself: two faults are two causes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from opsteward.core.json_types import JsonObject
from opsteward.troubleshooting.types import Cause, Claim, DiagnosticReport, Hypothesis, Issue

#: How far a finding of this rank speaks for itself.
_OWN = {0: 0.97, 1: 0.93, 2: 0.88, 3: 0.8, 4: 0.65, 5: 0.5, 6: 0.35, 7: 0.28, 8: 0.22, 9: 0.2}
#: From here on a finding is taken for a cause, and below for what may be one.
LIKELY = 0.5
#: What follows from trouble elsewhere, whatever its rank.
_FOLLOWS = frozenset(
    [
        "http_error",
        "http_unreachable",
        "http_unexpected",
        "http_slow",
        "page_slow",
        "latency_above_usual",
        "redirect_loop",
        "default_page",
        "mixed_content",
        "http_step_failed",
        "connection_broken",
        "asset_missing",
        "error_page",
        "blank_page",
        "content_missing",
        "api_error",
        "operator_check_failed",
        "tls_refused",
        "tcp_unreachable",
        "tcp_refused",
        "tcp_filtered",
        "tcp_slow",
        "network_slow",
        "network_loss",
        "service_unreachable",
        "service_unexpected",
        "service_slow",
        "dns_unanswered",
        "dns_slow",
        "database_unreachable",
        "connection_saturation",
        "long_query",
        "process_crash_loop",
        "job_missed",
        "command_failed",
        "command_hangs",
        "command_slow",
        "network_latency",
    ]
)
#: Processes and hosts that do not work take with them what runs there, though no dependency says so.
_HOLDS_UP = frozenset(
    [
        "process_down",
        "process_hung",
        "process_hangs",
        "process_missing",
        "process_crash_loop",
        "process_files",
        "systemd_inactive",
        "systemd_missing",
        "systemd_crash_loop",
        "lock_chain",
        "connection_leak",
        "connection_saturation",
        "database_unreachable",
        "idle_in_transaction",
        "disk_full",
        "disk_read_only",
    ]
)
_FIRST_STEP, _FURTHER_STEP = 0.92, 0.9
_MUCH_LATER = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is known besides the findings: `needs` by system, since when each is not well, and by system why it could
    not be looked at."""

    needs: Mapping[UUID, Sequence[UUID]] = field(default_factory=dict)
    unwell_since: Mapping[UUID, datetime] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """For the record of a session."""
        return {
            "needs": {str(system): [str(each) for each in needed] for system, needed in self.needs.items()},
            "unwell_since": {str(system): since.isoformat() for system, since in self.unwell_since.items()},
            "unseen": dict(self.unseen),
        }

    @classmethod
    def recorded(cls, told: JsonObject) -> Surroundings:
        """From the record of a session."""
        needs: Any = told.get("needs", {})
        since: Any = told.get("unwell_since", {})
        unseen: Any = told.get("unseen", {})
        return cls(
            needs={UUID(system): [UUID(each) for each in needed] for system, needed in needs.items()},
            unwell_since={UUID(system): datetime.fromisoformat(at) for system, at in since.items()},
            unseen=unseen,
        )


def causes_of(issues: Sequence[Issue], around: Surroundings) -> list[Cause]:
    """Every issue as a cause with its probability, the likeliest first; each with what it would explain."""
    explained = {issue.id: _explanation(issue, issues, around) for issue in issues}
    causes = []
    for issue in issues:
        by, strength = explained[issue.id]
        own = _OWN.get(issue.cause_rank, 0.2) * issue.confidence
        follows = [other.id for other in issues if explained[other.id][0] == issue.id]
        probability = own * (1 - strength)
        # what explains much else is likelier to be the cause of it
        probability = 1 - (1 - probability) * 0.9 ** min(3, len(follows))
        causes.append(
            Cause(
                issue=issue.id,
                type=issue.type,
                system=issue.system,
                component=issue.component,
                title=issue.title,
                probability=round(min(0.99, probability), 3),
                follows_from=by,
                explains=follows,
            )
        )
    ranks = {issue.id: issue.cause_rank for issue in issues}
    return sorted(causes, key=lambda c: (-c.probability, ranks[c.issue], -len(c.explains), c.system, c.type))


def _explanation(issue: Issue, issues: Sequence[Issue], around: Surroundings) -> tuple[str | None, float]:
    """The issue that explains this one best, and how well, from 0 to 1."""
    best: tuple[str | None, float] = (None, 0.0)
    steps = _steps_from(issue.system_id, around.needs)
    for other in issues:
        if other.id == issue.id:
            continue
        strength = _strength(issue, other, steps.get(other.system_id), around)
        if strength > best[1]:
            best = (other.id, strength)
    return best


def _strength(issue: Issue, other: Issue, steps: int | None, around: Surroundings) -> float:
    if issue.type not in _FOLLOWS or other.severity == "low":
        return 0.0
    if steps is None:  # nothing that its system needs
        return 0.0
    if steps == 0 and other.cause_rank >= issue.cause_rank:
        return 0.0
    if issue.type == other.type and steps > 0 and other.cause_rank >= issue.cause_rank:
        pass  # the same symptom one step deeper is nearer to the cause
    elif other.cause_rank > issue.cause_rank and other.type not in _HOLDS_UP:
        return 0.0
    sure = other.confidence * _OWN.get(other.cause_rank, 0.2) / _OWN[0]
    strength = _FIRST_STEP * _FURTHER_STEP ** max(0, steps - 1) * max(sure, 0.6 if steps else 0.0)
    began, before = around.unwell_since.get(issue.system_id), around.unwell_since.get(other.system_id)
    if began and before and before - began > _MUCH_LATER:
        strength *= 0.4  # what came long after is no cause
    return strength


def _steps_from(system: UUID, needs: Mapping[UUID, Sequence[UUID]]) -> dict[UUID, int]:
    """How many steps away each system is that this one needs; itself is none."""
    steps = {system: 0}
    queue = [system]
    for one in queue:
        for needed in needs.get(one, ()):
            if needed not in steps:
                steps[needed] = steps[one] + 1
                queue.append(needed)
    return steps


def in_order(issues: Sequence[Issue], causes: Sequence[Cause]) -> list[Issue]:
    """The issues in the order of their causes."""
    place = {cause.issue: number for number, cause in enumerate(causes)}
    return sorted(issues, key=lambda issue: place[issue.id])


def is_symptom(cause: Cause) -> bool:
    """Whether something else that was found explains it: to mend it alone would mend nothing."""
    return cause.follows_from is not None and cause.probability < LIKELY


def hypotheses_of(
    issues: Sequence[Issue], causes: Sequence[Cause], reports: Sequence[DiagnosticReport], around: Surroundings
) -> list[Hypothesis]:
    """What was held possible, system by system: supported by a finding, refuted by checks that passed, or untested."""
    likely = {cause.issue: cause for cause in causes}
    hypotheses = [_supported(issue, likely[issue.id], reports) for issue in issues]
    for name, why in sorted(around.unseen.items()):
        claim = Claim(source="systems", query=f"look at {name}", value=why, at="")
        text = f"something is wrong with {name}"
        hypotheses.append(Hypothesis(text=text, system=name, status="untested", claims=[claim]))
    found = {(issue.system, issue.detected_by) for issue in issues}
    sick = {issue.system for issue in issues}
    for report in reports:
        for check in report.checks:
            name, slug, status = str(check["system"]), str(check["check"]), str(check["status"])
            if (name, slug) in found or status not in ("pass", "unknown"):
                continue
            if status == "pass" and name in sick and not check.get("evidence"):
                continue
            text = f"{check['title']} of {name} is the trouble"
            standing = "refuted" if status == "pass" else "untested"
            hypotheses.append(Hypothesis(text=text, system=name, status=standing, claims=[_claim(check, report)]))
    order = {"supported": 0, "untested": 1, "refuted": 2}
    return sorted(hypotheses, key=lambda each: (order[each.status], -(each.probability or 0.0)))


def _supported(issue: Issue, cause: Cause, reports: Sequence[DiagnosticReport]) -> Hypothesis:
    report, check = next(
        (
            (report, check)
            for report in reports
            for check in report.checks
            if check["system"] == issue.system and check["check"] == issue.detected_by
        ),
        (None, None),
    )
    at = report.looked_at if report else ""
    query = _query(check) if check else issue.detected_by
    claim = Claim(source=issue.detected_by, query=query, value=issue.description, at=at)
    return Hypothesis(
        text=f"{issue.title} ({issue.system})",
        system=issue.system,
        status="supported",
        probability=cause.probability,
        follows_from=cause.follows_from,
        issue=issue.id,
        claims=[claim],
    )


def _claim(check: JsonObject, report: DiagnosticReport) -> Claim:
    return Claim(
        source=str(check["check"]), query=_query(check), value=str(check.get("summary", "")), at=report.looked_at
    )


def _query(check: JsonObject) -> str:
    """What was asked: the statement or address that the evidence names, else the check by its title."""
    evidence = check.get("evidence")
    if isinstance(evidence, dict):
        for name in ("query", "url", "host", "path", "name"):
            if isinstance(evidence.get(name), str) and evidence[name]:
                return str(evidence[name])
    return str(check.get("title") or check["check"])


def in_words(issues: Sequence[Issue], causes: Sequence[Cause]) -> str:
    """What the causes are, in one sentence; that none is clear where none is."""
    by_id = {issue.id: issue for issue in issues}
    likely = [cause for cause in causes if cause.probability >= LIKELY]
    if not causes:
        return "no cause found"
    if not likely:
        first = causes[0]
        sure = f"{100 * first.probability:.0f} %"
        return f"no cause is clear; the likeliest is: {first.title} ({first.system}, {sure})"
    named = "; and, of its own, ".join(f"{by_id[c.issue].title} ({c.system})" for c in likely[:3])
    more = len(causes) - len(likely)
    return named + (f"; {more} more that may follow from it" if more else "")

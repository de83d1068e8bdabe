"""How a troubleshooting session is shown: its phases as bars of time, and the issues that it found."""

from __future__ import annotations

from typing import Any

from opsteward.console.elements import ago, chip, lines, more, tag, text
from opsteward.console.wording import OUTCOME, RUNNING, SEVERITY, duration_in_words, look_of
from opsteward.troubleshooting.types import SessionView

_THINNEST = 1.5  # percent: a phase that took no time is still seen


def draw_session(session: SessionView) -> None:
    """One session: what came of it, its health score, and where its time went."""
    with tag("div", "row-head"):
        text("Session", "title")
        chip(look_of(OUTCOME, session.outcome) if session.outcome else RUNNING)
    with tag("p", "why"):
        text(f"started by {session.trigger}")
        ago(session.started_at)
        if session.health_score is not None:
            text(f"health {session.health_score} of 100")
        text(f"engine {session.engine}")
    if session.complaint:
        text(f"Complaint: {session.complaint}", "quiet", name="p")
    _draw_phases(session)
    if not session.outcome:
        text(f"Now: {session.phase}", "quiet", name="p")
    if session.summary:
        text(session.summary, "plan", name="p")


def _draw_phases(session: SessionView) -> None:
    """A bar for each phase, in the order in which they began; the widest is the longest."""
    phases = session.phases
    longest = max((_seconds(phase) for phase in phases), default=0.0) or 1.0
    with tag("ol", "phases"):
        for phase in sorted(phases, key=lambda p: str(p.get("started_at", ""))):
            seconds, number = _seconds(phase), phase.get("round")
            with tag("li"):
                text(str(phase.get("name", "")) + (f" {number}" if number else ""), "phase")
                with tag("span", "track"):
                    tag("span", "filled").style(f"width: {max(_THINNEST, 100 * seconds / longest):.1f}%")
                text(duration_in_words(seconds), "seconds")
                if phase.get("summary") != session.summary:  # which is told below
                    text(str(phase.get("summary", "")), "quiet told")


def _seconds(phase: dict[str, Any]) -> float:
    return max(0.0, float(phase.get("seconds") or 0.0))


def draw_issue(issue: dict[str, Any]) -> None:
    """One thing that is wrong, how sure that is, and what would mend it."""
    with tag("div", "row-head"):
        text(str(issue.get("title", "")), "title")
        chip(look_of(SEVERITY, str(issue.get("severity", ""))))
    with tag("p", "why"):
        text(str(issue.get("system", "")))
        text(str(issue.get("component", "")))
        text(f"{100 * float(issue.get('confidence') or 0):.0f} % sure")
        text("root cause" if issue.get("cause_rank") == 0 else "may be a symptom")
        text(f"found by {issue.get('detected_by', '')}")
    if issue.get("description"):
        text(str(issue["description"]), "quiet", name="p")
    lines("Fixes", [f"{fix.get('action')}: {fix.get('reason')}" for fix in issue.get("fixes", [])])
    more("Evidence", issue.get("evidence"))

"""What `opsteward bench` and `opsteward soak` measured, as tables for people or JSON for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsteward.cli import show


def finish(kind: str, report: dict[str, object], *, as_json: bool) -> int:
    """Show the report of a `load`, `stress` or `soak`; the exit code: 1 where it is not `ok`."""
    if as_json:
        show.as_json(report)
    else:
        _SHOWN[kind](report)
    return 0 if report["ok"] else 1


def _show_load(report: dict[str, Any]) -> None:
    columns = ["operation", "requests", "errors", "p50_ms", "p95_ms", "p99_ms"]
    show.table(report["operations"], columns, empty="no request was sent")
    show.say("")
    tasks = report["tasks"]
    show.table(
        [{**tasks, **{f"{name}_ms": value for name, value in tasks["end_to_end_ms"].items()}}],
        ["submitted", "completed", "ended_otherwise", "lost", "p50_ms", "p95_ms", "p99_ms"],
        empty="",
    )
    show.say(
        f"\n{report['users']} users, {report['requests']} requests in {report['seconds']} s: "
        f"{report['requests_per_second']} a second, {report['errors']} errors"
    )
    for kind, count in report["errors_by_kind"].items():
        show.say(f"  {kind}: {count}")
    show.say("Nothing lost, no error." if report["ok"] else "FAILED: see errors, lost or unfinished tasks above.")


def _show_stress(report: dict[str, Any]) -> None:
    columns = ["asked_per_s", "answered_per_s", "p50_ms", "p95_ms", "p99_ms", "errors", "unsent", "held"]
    show.table(report["steps"], columns, empty="no time was given")
    show.say("")
    show.table(report["operations"], ["operation", "requests", "errors", "p50_ms", "p95_ms", "p99_ms"], empty="")
    for kind, count in report["errors_by_kind"].items():
        show.say(f"  {kind}: {count}")
    limits = report["limits"]
    show.say(
        f"\nHighest rate held: {report['highest_rate_held']} requests a second "
        f"(p95 within {limits['p95_ms']:g} ms, errors within {limits['error_share']:.1%})"
    )
    show.say(
        f"Tasks: {report['tasks_submitted']} submitted, {report['tasks_completed']} completed, "
        f"{report['tasks_lost']} lost. Events: {report['events_accepted']} accepted, {report['events_lost']} lost."
    )
    if not report["ok"]:
        show.say("FAILED: work was lost, or not even the first rate was held.")


def _show_soak(report: dict[str, Any]) -> None:
    show.table(report["operations"], ["operation", "requests", "errors", "p50_ms", "p95_ms", "p99_ms"], empty="")
    show.say("")
    show.table(report["memory"], ["process", "first_mb", "last_mb", "grown_mb"], empty="")
    show.say(
        f"\n{report['rounds']} rounds in {report['seconds']} s: {report['events']} events in {report['incidents']} "
        f"incidents, {report['tasks']} tasks ({report['tasks_lost']} lost), {report['schedule_fired']} of the "
        f"schedule, {report['errors']} errors"
    )
    for kind, count in report["errors_by_kind"].items():
        show.say(f"  {kind}: {count}")
    assumed = ", ".join(
        f"{count} {kind} x {report['assumed_minutes'][kind]:g} min"
        for kind, count in report["done_without_a_person"].items()
    )
    show.say(f"Operator hours saved: {report['operator_hours_saved']} (assumed: {assumed})")
    for one in report["found"]:
        show.say(f"FOUND: {one}")
    show.say("Nothing lost, no error." if report["ok"] else "FAILED")


_SHOWN: dict[str, Callable[[dict[str, object]], None]] = {
    "load": _show_load,
    "stress": _show_stress,
    "soak": _show_soak,
}

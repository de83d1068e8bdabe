"""Tables and colour where a person reads, JSON where a program does."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

_STYLES = {
    "resolved": "green", "healthy": "green", "succeeded": "green", "approved": "green", "ok": "green",
    "not_needed": "green", "open": "yellow", "acknowledged": "yellow", "diagnosing": "cyan", "remediating": "cyan",
    "verifying": "cyan", "executing": "cyan", "pending": "yellow", "awaiting_approval": "yellow",
    "running": "green", "paused": "yellow", "starting": "cyan", "registered": "cyan", "stopped": "yellow",
    "completed": "green", "in_progress": "cyan", "cancelled": "dim", "dead_letter": "red", "critical": "red",
    "degraded": "yellow", "down": "red", "escalated": "red", "failed": "red", "high": "red", "denied": "red",
}  # fmt: skip


def as_json(value: Any) -> None:
    """For programs: one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, empty: str, whole: Sequence[str] = ()) -> None:
    """For people: a table, or a sentence that helps on when there is nothing. Text from outside is never markup.

    `whole` columns are never broken, so that they can be copied.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not rows:
        console.print(empty, markup=False)
        return
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        shown.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in whole)
    for row in rows:
        cells = [plain(row.get(column)) for column in columns]
        shown.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
    console.print(shown)


def plain(value: Any) -> str:
    """One cell, without control characters that could play with the terminal."""
    if value is None:
        return "-"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else " " for char in str(value))


def say(text: str) -> None:
    """One line for people, as it is."""
    sys.stdout.write(f"{text}\n")


def explain(error: Exception) -> bool:
    """Say an expected failure on standard error with its fields and remedy; False for an unexpected one."""
    import httpx

    from opsteward.cli.client import CallFailed
    from opsteward.core.errors import Invalid, OpsError

    if isinstance(error, CallFailed):
        lines = [str(error)]
        for field in error.problem.get("errors", []):
            line = f"line {field['line']}, " if field.get("line") else ""
            said = f"{line}{field.get('field', '')}: {field.get('problem', '')}"
            if said == lines[0]:  # one field alone is the whole story
                lines = [f"{said}; {field.get('remedy', '')}".removesuffix("; ")]
            else:
                lines.append(f"  {said} {field.get('remedy', '')}".rstrip())
        if error.problem.get("remedy"):
            lines.append(f"  remedy: {error.problem['remedy']}")
        if error.status == 401:
            lines.append("  remedy: set OPSTEWARD_TOKEN, or OPSTEWARD_HOME to the home of the running instance")
    elif isinstance(error, OpsError):
        lines = [error.detail]
        if isinstance(error, Invalid):
            lines += [f"  {p.field}: {p.problem}. {p.remedy}".rstrip() for p in error.problems]
        if error.remedy:
            lines.append(f"  remedy: {error.remedy}")
    elif isinstance(error, httpx.TransportError):
        lines = [
            f"no Opsteward answers there ({error})",
            "  remedy: start one with 'opsteward up', or set OPSTEWARD_URL",
        ]
    else:
        return False
    sys.stderr.write("error: " + "\n".join(lines) + "\n")
    return True

"""Spans of time on the command line: 90s, 30m, 12h or 7d."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST = 10 * 365 * 86_400


def seconds_of(text: str) -> int:
    """The seconds of a span. Raises BadParameter."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not (number.isascii() and number.isdigit()) or len(number) > 9:
        raise typer.BadParameter(f"{text} is no time: use 90s, 30m, 12h or 7d")
    return int(number) * unit


def instant_before(text: str | None) -> str | None:
    """The instant that lies so long ago, for the API. Raises BadParameter."""
    if text is None:
        return None
    seconds = seconds_of(text)
    if seconds > _LONGEST:
        raise typer.BadParameter(f"{text} is too long ago: use at most 3650d")
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()

"""Lengths of time in words."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def in_words(seconds: float) -> str:
    """The two largest units: "2 h 5 min"."""
    left = round(max(seconds, 0.0))
    if left < 60:
        return f"{left} s"
    parts = []
    for size, unit in _UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])

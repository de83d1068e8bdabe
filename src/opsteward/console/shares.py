"""How many there are of each status: one bar cut by their shares, and a legend that filters by them."""

from __future__ import annotations

from collections.abc import Callable

from opsteward.console.elements import icon, tag, text
from opsteward.console.wording import Look, look_of

Counts = tuple[tuple[str, int], ...]


def draw_shares(looks: dict[str, Look], counts: Counts) -> None:
    """One bar, cut into the statuses by their share; each of them that exists can be seen."""
    whole = sum(number for _, number in counts)
    with tag("div", "shares") as drawn:
        for status, number in counts:
            if number:
                share = tag("span", f"share solid-{look_of(looks, status).tone} status-{status}")
                share.style(f"flex-grow: {number / whole:.6f}")
                share.props["title"] = f"{look_of(looks, status).word}: {number}"
    drawn.props["aria-hidden"] = "true"


def draw_legend(looks: dict[str, Look], counts: Counts, *, chosen: str, address: Callable[[str], str]) -> None:
    """A link for each status, and one for all; `address` is the page that shows only that one."""
    with tag("nav", "legend") as drawn:
        for status, number in (("", sum(n for _, n in counts)), *counts):
            look = look_of(looks, status)
            with tag("a", f"chip tone-{look.tone if status else 'calm'}") as entry:
                icon(look.icon if status else "select_all")
                text(f"{look.word if status else 'all'} {number:,}".replace(",", " "))
            entry.props["href"] = address(status)
            if status == chosen:
                entry.props["aria-current"] = "true"
    drawn.props["aria-label"] = "Filter by status"

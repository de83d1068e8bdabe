"""What all pages share: style, top bar with tenant, operator and sign-out, and the page that says why there is none.

The only markup that the console writes itself is here: its style sheet, its script and its icon, all constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nicegui import ui
from nicegui.element import Element

from opsteward.accounts.types import Identity
from opsteward.console.badge import draw_badge
from opsteward.console.elements import icon, link, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.core.errors import Invalid, OpsError

#: A shield, drawn by us.
FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#1d5f8f" d="M12 1 3 5v6c0 5.5 3.8 10.7 '
    '9 12 5.2-1.3 9-6.5 9-12V5z"/><path fill="#fff" d="m10.6 16.6-4-4 1.5-1.5 2.5 2.5 5.4-5.4 1.5 1.5z"/></svg>'
)

ENROLLMENTS = "Enrolments"
#: Where one can go, and the permission without which it would show nothing.
_ROOMS = (
    ("Overview", "/", "dashboard", "systems.read"),
    ("Tasks", "/tasks", "task_alt", "tasks.read"),
    ("Agents", "/agents", "smart_toy", "agents.read"),
    ("Users", "/users", "group", "users.read"),
    (ENROLLMENTS, "/enrollments", "how_to_reg", "enrollments.read"),
    ("Reviews", "/access-reviews", "fact_check", "access_reviews.read"),
)


def share_style() -> None:
    """Put the style sheet and the script into the head of every page. Once."""
    here = Path(__file__).parent
    style = (here / "console.css").read_text(encoding="utf-8")
    script = (here / "console.js").read_text(encoding="utf-8")
    ui.add_head_html(f"<style>{style}</style><script>{script}</script>", shared=True)


@dataclass(frozen=True)
class Parts:
    """The places of the frame that a page fills: what is paused, and the button for it. `stale` is a banner; `badge`
    says beside a room how much waits there, for who may go there."""

    stale: Element
    paused: Element
    controls: Element
    badge: KeyedList[int] | None


@contextmanager
def page(identity: Identity, path: str = "") -> Iterator[Parts]:
    """The frame, open for its content. `stale` is to be shown while what one sees is not up to date."""
    with tag("header", "bar"), tag("div", "bar-inside"):
        with tag("a", "brand") as home:
            icon("verified_user")
            text("Opsteward", "words")
        home.props["href"] = "/"
        home.props["aria-label"] = "Opsteward, overview"
        badge = _draw_rooms(identity, path)
        with tag("div", "who"):
            text(identity.tenant_name, "tenant")
            text(identity.operator_name, "operator")
        controls = tag("div", "controls")
        with tag("form") as leave:
            with tag("button", "button small") as press:
                icon("logout")
                text("Sign out", "words")
            press.props["type"] = "submit"
            press.props["aria-label"] = "Sign out"
        leave.props["method"], leave.props["action"] = "post", "/sign-out"
    with tag("div", "stale") as stale:
        icon("cloud_off")
        text("The database is away for a moment. What you see is not up to date; trying again.")
    stale.props["role"] = "status"
    stale.set_visibility(False)
    paused = tag("div")
    with tag("div", "content"):
        yield Parts(stale, paused, controls, badge)


def _draw_rooms(identity: Identity, path: str) -> KeyedList[int] | None:
    badge = None
    with tag("nav", "rooms") as drawn:
        for words, address, picture, permission in _ROOMS:
            if identity.may(permission):
                with tag("a") as room:
                    icon(picture)
                    text(words)
                    if words == ENROLLMENTS:
                        badge = one(draw_badge)
                room.props["href"] = address
                if path == address or (address != "/" and path.startswith(f"{address}/")):
                    room.props["aria-current"] = "page"
    drawn.props["aria-label"] = "Rooms"
    return badge


def apologise(error: OpsError) -> None:
    """Say why there is no page, and what to do."""
    ui.page_title("Opsteward")
    with tag("section", "card apology"):
        text(error.title, name="h1")
        text(in_words(error), name="p")
        link("To the overview", "/", "button")


def in_words(error: OpsError) -> str:
    """An error for a person: what, and the remedy."""
    remedies = [p.remedy for p in error.problems if p.remedy] if isinstance(error, Invalid) else []
    return ". ".join(part.rstrip(".") for part in (error.detail, error.remedy, *remedies) if part) + "."

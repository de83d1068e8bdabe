"""How many enrolments wait for a person: a number beside their room, on every page."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.elements import text
from opsteward.identity.service import enrollments
from opsteward.identity.types import Identity

_MOST = 100  # what is more is "99+"


async def read_badge(session: AsyncSession, me: Identity) -> int:
    """How many wait; 0 for who may not see them."""
    return await enrollments.count_waiting(session, most=_MOST) if me.may("enrollments.read") else 0


def draw_badge(waiting: int) -> None:
    """The number, and what it counts for who does not see where it stands."""
    drawn = text("99+" if waiting >= _MOST else str(waiting), "badge")
    drawn.props["title"] = drawn.props["aria-label"] = f"{drawn.text} wait for a decision"

"""How many enrolments wait for a person: a number beside their room, on every page."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.elements import text
from opsteward.directory.enrollment import service as enrollment_service

_MAX = 100  # what is more is "99+"


async def read_badge(session: AsyncSession, me: Identity) -> int:
    """How many wait; 0 for who may not see them."""
    return await enrollment_service.count_waiting(session, most=_MAX) if me.may("enrollments.read") else 0


def draw_badge(waiting: int) -> None:
    """The number, and what it counts for who does not see where it stands."""
    drawn = text("99+" if waiting >= _MAX else str(waiting), "badge")
    drawn.props["title"] = drawn.props["aria-label"] = f"{drawn.text} wait for a decision"

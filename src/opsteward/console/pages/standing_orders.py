"""Standing orders: the text in force, an editor that checks while one types, and a new version in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.core.errors import FieldProblem, Invalid, OpsError

_TEXT_LIMIT = 262_144  # characters


async def editor(visit: Visit, session: AsyncSession) -> Page:
    """The version in force."""
    current = await visit.services.orders.in_force(session)
    return await _page(visit, session, current.text)


async def _check(visit: Visit, session: AsyncSession) -> Page:
    text = _text(visit)
    try:
        orders = await visit.services.orders.check(text)
    except OpsError as error:
        # a script shows only an answer that says yes
        status = 200 if visit.request.headers.get("hx-request") else error.http_status
        return await _page(visit, session, text, error=error, status=status)
    return await _page(visit, session, text, sound=[order.name for order in orders])


async def _apply(visit: Visit, session: AsyncSession) -> Done | Page:
    text = _text(visit)
    try:
        await visit.services.orders.check(text)
    except OpsError as error:
        return await _page(visit, session, text, error=error, status=error.http_status)
    applied = await visit.services.orders.apply(session, text=text, actor=visit.identity.actor)
    return Done(to="/standing-orders", words=f"Version {applied.version} is in force")


def _text(visit: Visit) -> str:
    text = visit.form.get("text", "").replace("\r\n", "\n")
    if len(text) > _TEXT_LIMIT:
        raise Invalid.field("text", f"is longer than {_TEXT_LIMIT} characters", "write fewer orders")
    return text


async def _page(
    visit: Visit,
    session: AsyncSession,
    text: str,
    *,
    error: OpsError | None = None,
    sound: Sequence[str] | None = None,
    status: int = 200,
) -> Page:
    current = await visit.services.orders.in_force(session)
    names = await Names.read(session)
    problems: Sequence[Any] = error.problems if error else ()
    if error and not problems:
        problems = [FieldProblem(field="text", problem=error.detail, remedy=error.remedy)]
    return Page(
        template="standing_orders.html",
        title="Standing orders",
        status=status,
        values={
            "current": current,
            "applied_by": names.actor(current.applied_by) if current.version else "",
            "text": text,
            "problems": [{"line": getattr(p, "line", None), **p.as_dict()} for p in problems],
            "sound": sound,
            "may_write": visit.identity.may("standing_orders.write"),
        },
    )


ROUTES: tuple[Route, ...] = (
    shows("/standing-orders", editor, "standing_orders.read"),
    does("/standing-orders/check", _check, "standing_orders.read"),
    does("/standing-orders", _apply, "standing_orders.write"),
)

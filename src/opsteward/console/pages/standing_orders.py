"""Standing orders: an editor that checks while one types, a back-test of what is typed, and the versions so far."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.back_test_rows import compared, course_of, decision_in_words
from opsteward.console.languages import N_, _, said
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, computes, does, shows
from opsteward.core.clock import now
from opsteward.core.errors import FieldProblem, Invalid, NotFound, OpsError
from opsteward.events.back_tests.service import SESSIONS_LIMIT
from opsteward.events.back_tests.types import BackTest, RecordedSession
from opsteward.events.standing_orders import versions

_TEXT_LIMIT = 262_144  # characters
_VERSIONS = 50
_NUMBER_DIGITS = 9
#: How far back a back-test looks, in days.
_SPANS = {"1": N_("the last day"), "7": N_("the last week"), "30": N_("the last 30 days"), "366": N_("the last year")}


async def editor(visit: Visit, session: AsyncSession) -> Page:
    """The version in force, or the text of another one to go on from."""
    if visit.query("from"):
        text = (await versions.get_version(session, version=_number(visit.query("from")))).text
    else:
        text = (await visit.services.orders.in_force(session)).text
    return await _page(visit, session, text)


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
    return Done(to="/standing-orders", words=_("Version %(version)s is in force", version=applied.version))


async def _back_test(visit: Visit) -> Page:
    text, days = _text(visit), visit.text("days") or "7"
    if days not in _SPANS:
        raise Invalid.field("days", f"{days[:20]!r} is none", f"use one of {', '.join(_SPANS)}")
    since = now() - timedelta(days=int(days)) + timedelta(minutes=1)  # a whole year is the most that is taken

    async def sessions_of(session: AsyncSession) -> Sequence[RecordedSession]:
        return await visit.services.sessions.recorded(session, since=since, until=now(), limit=SESSIONS_LIMIT)

    try:
        found = await visit.services.back_tests.run(
            visit.unit_of_work,
            text=text,
            since=since,
            sessions_of=sessions_of,
            given_up=visit.request.is_disconnected,
        )
    except Invalid as error:
        async with visit.unit_of_work() as session:
            return await _page(visit, session, text, error=error, status=error.http_status, days=days)
    async with visit.unit_of_work() as session:
        return await _page(visit, session, text, back_test=found, days=days)


async def history(visit: Visit, session: AsyncSession) -> Page:
    """Who changed them and when, the newest first."""
    before = visit.query("before", limit=_NUMBER_DIGITS)
    found = await versions.list_versions(session, before=_number(before) if before else None, limit=_VERSIONS + 1)
    return Page(
        template="standing_order_versions.html",
        title=_("Versions of the standing orders"),
        values={
            "versions": found[:_VERSIONS],
            "next": visit.address(before=str(found[_VERSIONS - 1].version)) if len(found) > _VERSIONS else "",
            "first": visit.address() if before else "",
        },
    )


async def version(visit: Visit, session: AsyncSession) -> Page:
    """One version: its text, and what it changed."""
    number = _number(visit.arguments["number"])
    one = await versions.get_version(session, version=number)
    change = await versions.compare(session, after=number) if number else None
    return Page(
        template="standing_order_version.html",
        title=_("Version %(number)s of the standing orders", number=number),
        values={
            "one": one,
            "change": change,
            "lines": change.diff.splitlines()[2:] if change else [],
            "may_write": visit.identity.may("standing_orders.write"),
        },
    )


async def _restore(visit: Visit, session: AsyncSession) -> Done:
    """Its text becomes the newest version, if it is sound today."""
    old = await versions.get_version(session, version=_number(visit.arguments["number"]))
    await visit.services.orders.check(old.text)
    applied = await visit.services.orders.apply(session, text=old.text, actor=visit.identity.actor)
    return Done(
        to="/standing-orders",
        words=_(
            "Version %(version)s is in force, as version %(old)s was",
            version=applied.version,
            old=old.version,
        ),
    )


def _number(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and len(given) <= _NUMBER_DIGITS):
        raise NotFound("there is no such version of the standing orders", remedy="see the versions so far")
    return int(given)


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
    back_test: BackTest | None = None,
    days: str = "7",
    status: int = 200,
) -> Page:
    current = await visit.services.orders.in_force(session)
    names = await Names.read(session)
    problems: Sequence[Any] = error.problems if error else ()
    if error and not problems:
        problems = [FieldProblem(field="text", problem=error.detail, remedy=error.remedy)]
    return Page(
        template="standing_orders.html",
        title=_("Standing orders"),
        status=status,
        values={
            "current": current,
            "applied_by": names.actor(current.applied_by) if current.version else "",
            "text": text,
            "problems": [{"line": getattr(p, "line", None), **p.as_dict()} for p in problems],
            "sound": sound,
            "spans": said(_SPANS),
            "days": days,
            "back_test": back_test,
            "compared": compared(back_test) if back_test else [],
            "course": course_of(back_test.stretches) if back_test else None,
            "differences": [(decision_in_words(one.today), decision_in_words(one.proposed), one)
                            for one in (back_test.differences if back_test else ())],
            "may_write": visit.identity.may("standing_orders.write"),
            "may_back_test": visit.identity.may("incidents.read"),
        },
    )  # fmt: skip


ROUTES: tuple[Route, ...] = (
    shows("/standing-orders", editor, "standing_orders.read"),
    does("/standing-orders/check", _check, "standing_orders.read"),
    computes("/standing-orders/back-test", _back_test, "standing_orders.read", "incidents.read"),
    does("/standing-orders", _apply, "standing_orders.write"),
    shows("/standing-orders/versions", history, "standing_orders.read"),
    shows("/standing-orders/versions/{number}", version, "standing_orders.read"),
    does("/standing-orders/versions/{number}/restore", _restore, "standing_orders.write"),
)

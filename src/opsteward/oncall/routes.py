"""Notification routes: made, changed and read. Their URLs hold secrets: sealed, checked by shape, never shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.crypto import SecretBox
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.storable_text import storable
from opsteward.core.timers import cancel_timer, set_timer
from opsteward.events.muting.matchers import loaded, parse_matchers, stored
from opsteward.events.standing_orders.types import DAYS, Window
from opsteward.integrations.apprise.destinations import LOCAL_SCHEMES
from opsteward.integrations.apprise.web_push import SCHEME
from opsteward.oncall.clock_times import next_clock
from opsteward.oncall.models import NoticeRow, NotificationRoute
from opsteward.oncall.people import operator_id, reference_of
from opsteward.oncall.types import Begins, RouteView
from opsteward.telemetry import audit

#: The kind of the timers of daily reports.
REPORT = "report"
ROUTES_LIMIT = 200
URLS_LIMIT = 10
_URL_LIMIT = 2_000
_URL = re.compile(r"([a-z][a-z0-9+.-]{1,30})://\S+", re.IGNORECASE)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
#: What a template may name.
TEMPLATE_NAMES = ("number", "title", "severity", "status", "source", "category", "opened_at", "link", "count", "kind")
_PLACEHOLDER = re.compile(r"\{([^{}]{0,40})\}")


@dataclass(frozen=True, kw_only=True)
class NewRoute:
    """What is needed to save one. `urls` None: those that it has stay."""

    name: str
    urls: Sequence[str] | None
    operator: str | None = None
    position: int = 100
    matchers: Sequence[str] = ()
    begins: Begins = "escalated"
    approvals: bool = False
    hours: JsonObject | None = None
    next_route: str | None = None
    group_seconds: int = 30
    repeat_seconds: int | None = None
    report_at: str | None = None
    timezone: str = "UTC"
    title: str | None = None
    body: str | None = None


class NotificationRoutes:
    """One per process."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def save(self, session: AsyncSession, *, new: NewRoute, by: Identity, browsers: bool = False) -> RouteView:
        """Make the route of this name, or change it. `browsers`: its URLs are those of browsers, which nobody writes.
        Raises Invalid naming the field, never showing a URL."""
        names = await route_names(session)
        _check(new, names)
        person = None
        if new.operator is not None:
            person = operator_id(await reference_of(session, new.operator, field="operator"))
        row = await self._find(session, new.name)
        if row is None:
            if new.urls is None:
                raise Invalid.field("urls", "are missing", "give Apprise URLs, such as mailtos:// or slack://")
            if len(names) >= ROUTES_LIMIT:
                raise Conflict(f"there are {ROUTES_LIMIT} routes already", remedy="remove those that are not needed")
            row = NotificationRoute(id=uuid7(), tenant_id=tenant_of(session), name=new.name, created_by=by.actor)
            session.add(row)
        if new.urls is not None:
            row.services = check_urls(new.urls, browsers=browsers)
            self.set_urls(row, new.urls)
        row.operator_id = person
        row.matchers = stored(parse_matchers(new.matchers)) if new.matchers else []
        row.position, row.begins, row.approvals, row.hours = new.position, new.begins, new.approvals, new.hours
        row.next_route, row.group_seconds, row.repeat_seconds = new.next_route, new.group_seconds, new.repeat_seconds
        row.report_at, row.timezone, row.title, row.body = new.report_at, new.timezone, new.title, new.body
        await session.flush()
        await _note(session, "saved", row, by)
        await wait_for_report(session, row)
        return (await self.views(session, [row]))[0]

    async def remove(self, session: AsyncSession, *, route_id: UUID, by: Identity) -> None:
        """Raises NotFound, and Conflict while another route names it as its next."""
        row = await self.row(session, route_id)
        follows = await session.scalar(
            sa.select(NotificationRoute.name).where(
                NotificationRoute.tenant_id == row.tenant_id, NotificationRoute.next_route == row.name
            )
        )
        if follows is not None:
            raise Conflict(f"the route {follows} goes on with this one", remedy="change that one first")
        await session.delete(row)
        await cancel_timer(session, kind=REPORT, key=str(row.id))
        await _note(session, "removed", row, by)

    async def read_all(self, session: AsyncSession) -> list[RouteView]:
        """In their order."""
        return await self.views(session, await all_routes(session))

    async def row(self, session: AsyncSession, route_id: UUID) -> NotificationRoute:
        """The row, for this room alone. Raises NotFound."""
        row = await session.scalar(
            sa.select(NotificationRoute).where(
                NotificationRoute.tenant_id == tenant_of(session), NotificationRoute.id == route_id
            )
        )
        if row is None:
            raise NotFound("no notification route of this id", remedy="see GET /api/v1/notifications/routes")
        return row

    def urls_of(self, row: NotificationRoute) -> Sequence[str]:
        """Its URLs: keep them out of logs and records."""
        return [str(one) for one in self._box.decrypt(row.urls_sealed, bound_to=_bound_to(row))]

    def set_urls(self, row: NotificationRoute, urls: Sequence[str]) -> None:
        """Sealed into it."""
        row.urls_sealed = self._box.encrypt(list(urls), bound_to=_bound_to(row))

    async def drop_urls(self, session: AsyncSession, route_id: UUID, urls: Sequence[str]) -> None:
        """Take these URLs off the route; one that has no others is removed. Does nothing to one that is gone."""
        row = await session.scalar(
            sa.select(NotificationRoute)
            .where(NotificationRoute.tenant_id == tenant_of(session), NotificationRoute.id == route_id)
            .with_for_update()
        )
        if row is None:
            return
        kept = [(url, kind) for url, kind in zip(self.urls_of(row), row.services, strict=True) if url not in urls]
        if kept:
            row.services = [kind for _, kind in kept]
            self.set_urls(row, [url for url, _ in kept])
        else:
            await session.delete(row)
            await cancel_timer(session, kind=REPORT, key=str(row.id))

    async def encrypt_anew(self, session: AsyncSession) -> int:
        """Encrypt what is not encrypted with the present key; how many that were."""
        count = 0
        for row in await all_routes(session):
            of = f"the notification route {row.name}"
            if anew := self._box.encrypt_anew(row.urls_sealed, bound_to=_bound_to(row), of=of):
                row.urls_sealed = anew
                count += 1
        return count

    async def views(self, session: AsyncSession, rows: Sequence[NotificationRoute]) -> list[RouteView]:
        """As they are shown, each with what became of its last notice."""
        actors = await actors_of(session, (f"operator:{row.operator_id}" for row in rows if row.operator_id))
        last = await _last_notices(session)
        found = []
        for row in rows:
            status, error, at = last.get(row.id, (None, None, None))
            found.append(
                RouteView(
                    id=row.id,
                    name=row.name,
                    services=row.services,
                    operator=actors(f"operator:{row.operator_id}") if row.operator_id else None,
                    position=row.position,
                    matchers=[str(one) for one in loaded(row.matchers)],
                    begins="opened" if row.begins == "opened" else "escalated",
                    approvals=row.approvals,
                    hours=hours_in_words(row.hours),
                    next_route=row.next_route,
                    group_seconds=row.group_seconds,
                    repeat_seconds=row.repeat_seconds,
                    report_at=row.report_at,
                    timezone=row.timezone,
                    title=row.title,
                    body=row.body,
                    last_status=status,
                    last_error=error,
                    last_at=at,
                )
            )
        return found

    async def _find(self, session: AsyncSession, name: str) -> NotificationRoute | None:
        found: NotificationRoute | None = await session.scalar(
            sa.select(NotificationRoute).where(
                NotificationRoute.tenant_id == tenant_of(session), NotificationRoute.name == name
            )
        )
        return found


async def all_routes(session: AsyncSession) -> Sequence[NotificationRoute]:
    """The rows in their order, for this room alone."""
    rows = await session.scalars(
        sa.select(NotificationRoute)
        .where(NotificationRoute.tenant_id == tenant_of(session))
        .order_by(NotificationRoute.position, NotificationRoute.name)
    )
    return rows.all()


async def route_names(session: AsyncSession) -> set[str]:
    """What routes are called."""
    return {row.name for row in await all_routes(session)}


async def wait_for_report(session: AsyncSession, row: NotificationRoute) -> None:
    """Wait for the next time of its daily report, or no more."""
    if row.report_at is None:
        await cancel_timer(session, kind=REPORT, key=str(row.id))
    else:
        await set_timer(session, kind=REPORT, key=str(row.id), at=next_clock(row.report_at, row.timezone))


async def _last_notices(session: AsyncSession) -> dict[UUID, tuple[str, str | None, datetime | None]]:
    rows = await session.execute(
        sa.select(NoticeRow.route_id, NoticeRow.status, NoticeRow.error, NoticeRow.ended_at)
        .ext(distinct_on(NoticeRow.route_id))
        .where(NoticeRow.tenant_id == tenant_of(session), NoticeRow.ended_at.is_not(None))
        .order_by(NoticeRow.route_id, NoticeRow.ended_at.desc())
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def check_urls(urls: Sequence[str], *, browsers: bool = False) -> list[str]:
    """The kinds of services of these URLs. Raises Invalid that names the place, never the URL."""
    if not 1 <= len(urls) <= URLS_LIMIT:
        raise Invalid.field("urls", f"are none, or more than {URLS_LIMIT}", "make several routes")
    found = []
    for place, url in enumerate(urls):
        shape = _URL.fullmatch(url) if len(url) <= _URL_LIMIT and storable(url) == url else None
        if shape is None:
            raise Invalid.field(f"urls.{place}", "is no Apprise URL", "see the Apprise manual for the service's URL")
        if shape[1].lower() == SCHEME and not browsers:
            raise Invalid.field(f"urls.{place}", "is a browser's own", "let it subscribe, on the page of your name")
        if shape[1].lower() in LOCAL_SCHEMES:
            raise Invalid.field(
                f"urls.{place}", f"{shape[1]} acts on this machine alone", "use a service that reaches people"
            )
        found.append(shape[1].lower())
    return found


def window_of(hours: JsonObject | None) -> Window | None:
    """When a route counts; None: always."""
    if not hours:
        return None
    kept: dict[str, Any] = dict(hours)
    minutes = [int(str(kept[part])[:2]) * 60 + int(str(kept[part])[3:]) for part in ("from_time", "to_time")]
    return Window(days=tuple(kept["days"]), start=minutes[0], end=minutes[1], timezone=str(kept["timezone"]))


def counts_now(route: NotificationRoute) -> bool:
    """Whether its hours are now."""
    window = window_of(route.hours)
    return window is None or window.holds(now())


def hours_in_words(hours: JsonObject | None) -> str | None:
    """`mon, tue 08:00-18:00 Europe/Vienna`."""
    if not hours:
        return None
    kept: dict[str, Any] = dict(hours)
    days = "daily" if len(kept["days"]) == len(DAYS) else ", ".join(kept["days"])
    return f"{days} {kept['from_time']}-{kept['to_time']} {kept['timezone']}"


def _check(new: NewRoute, names: set[str]) -> None:
    if new.next_route is not None and (new.next_route == new.name or new.next_route not in names):
        raise Invalid.field("next_route", f"{new.next_route[:60]!r} is no other route", "make it first")
    if new.timezone not in available_timezones():
        raise Invalid.field("timezone", f"{new.timezone[:60]!r} is none", "use an IANA name like Europe/Vienna")
    if new.report_at is not None and not _CLOCK.fullmatch(new.report_at):
        raise Invalid.field("report_at", "is no time of the day", "write 08:00")
    for part in ("title", "body"):
        text = getattr(new, part) or ""
        for name in _PLACEHOLDER.findall(text):
            if name not in TEMPLATE_NAMES:
                raise Invalid.field(part, f"{{{name}}} stands for nothing", f"use {', '.join(TEMPLATE_NAMES)}")
    if new.hours is not None:
        _check_hours(new.hours)


def _check_hours(hours: JsonObject) -> None:
    days = hours.get("days")
    if not isinstance(days, list) or not days or any(day not in DAYS for day in days):
        raise Invalid.field("hours.days", "are no days", f"use {', '.join(DAYS)}")
    for part in ("from_time", "to_time"):
        if not _CLOCK.fullmatch(str(hours.get(part, ""))):
            raise Invalid.field(f"hours.{part}", "is no time of the day", "write 08:00")
    if hours.get("timezone") not in available_timezones():
        raise Invalid.field("hours.timezone", "is none", "use an IANA name like Europe/Vienna")


def filled(template: str, values: dict[str, str]) -> str:
    """The template with its names replaced; what else stands in braces stays."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)


def _bound_to(row: NotificationRoute) -> str:
    return f"{row.tenant_id}/route/{row.id}"


async def _note(session: AsyncSession, what: str, row: NotificationRoute, by: Identity) -> None:
    await audit.record(
        session,
        actor=by.actor,
        verb=f"notification_route.{what}",
        object_type="notification_route",
        object_id=str(row.id),
        detail={"name": row.name, "services": row.services},
    )

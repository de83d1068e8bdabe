"""Applications that report through a Sentry SDK: each has a DSN, which it uses in the place of its own."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import dsns
from opsteward.accounts.dsns import NAME_LIMIT, ProjectKey
from opsteward.console.languages import N_, _, said
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.core.errors import Invalid

_PAGE = 50
_GRACES = {"0": N_("at once"), "1": N_("in an hour"), "24": N_("in a day"), "168": N_("in a week")}


async def applications(visit: Visit, session: AsyncSession) -> Page:
    """Newest first, or as the address asks."""
    after, called = visit.cursor("after"), visit.query("ref", limit=NAME_LIMIT)
    order = sorting(visit, {"made": True, "name": False, "last": True})
    found = await dsns.list_projects(
        session, search=called, after=after, limit=_PAGE + 1, by=order.column, descending=order.descending
    )
    names = await Names.read(session)
    return Page(
        template="applications.html",
        title=_("Applications"),
        values={
            "applications": [(one, names.actor(one.created_by)) for one in found[:_PAGE]],
            "by": order.heads,
            "sorting": order,
            "called": called,
            "graces": said(_GRACES),
            "name_limit": NAME_LIMIT,
            "may_write": visit.identity.may("tokens.write"),
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


async def _create(visit: Visit, session: AsyncSession) -> Page:
    name = visit.text("name", limit=NAME_LIMIT, required=True)
    return _told(visit, await dsns.create(session, name=name, actor=visit.identity.actor))


async def _rotate(visit: Visit, session: AsyncSession) -> Page:
    given = visit.text("grace", limit=5) or "24"
    if given not in _GRACES:
        raise Invalid.field("grace", "is none", f"use one of {', '.join(_GRACES)} hours")
    project_id, grace = visit.id("project_id", "application"), timedelta(hours=int(given))
    return _told(visit, await dsns.rotate(session, project_id=project_id, grace=grace, actor=visit.identity.actor))


def _told(visit: Visit, made: ProjectKey) -> Page:
    dsn = made.dsn(visit.own_address)
    return Page(
        template="secret.html",
        title=_("A DSN"),
        values={
            "secret": dsn,
            "words": _("Give it to the application's Sentry SDK in the place of its own."),
            "examples": [
                (_("Any SDK, by its environment"), f"SENTRY_DSN={dsn}"),
                ("Python", f'sentry_sdk.init(dsn="{dsn}")'),
                ("JavaScript", f'Sentry.init({{ dsn: "{dsn}" }});'),
            ],
            "back_to": "/applications",
        },
    )


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    found = await dsns.get(session, project_id=visit.id("project_id", "application"))
    await dsns.remove(session, project_id=found.id, actor=visit.identity.actor)
    return Done(to="/applications", words=_("Nothing is taken by the DSN of %(name)s any more", name=found.name))


ROUTES: tuple[Route, ...] = (
    shows("/applications", applications, "operators.read"),
    does("/applications", _create, "tokens.write"),
    does("/applications/{project_id}/rotate", _rotate, "tokens.write"),
    does("/applications/{project_id}/remove", _remove, "tokens.write"),
)

"""Access reviews: the campaigns, one of them user by user, and the decisions."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.addresses import cursor_of, id_of
from opsteward.console.languages import N_, _, ngettext, pgettext, said
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.review_filter import Filter
from opsteward.console.review_rows import ReviewRow, holders_of
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.directory.reviews import queries as review_queries
from opsteward.directory.reviews import service as review_service
from opsteward.directory.reviews.decisions import Decision, Outcome, decide
from opsteward.directory.reviews.service import REVIEW
from opsteward.directory.types import ALL_SYSTEMS

_PAGE = 30
_ITEMS = 60
_KINDS = {"permission": N_("permissions"), "system": N_("systems")}
#: What may be shown of an open campaign, and of a closed one.
_SHOWN = {
    "open": (("", N_("still to be decided")), ("keep", N_("kept")), ("revoke", N_("revoked")), ("all", N_("all"))),
    "closed": (("", N_("all")), ("open", N_("never decided")), ("keep", N_("kept")), ("revoke", N_("revoked"))),
}
#: How long people have, as it is offered.
_TIMES = {
    "fortnight": (N_("two weeks"), timedelta(days=14)),
    "week": (N_("a week"), timedelta(days=7)),
    "month": (N_("30 days"), timedelta(days=30)),
    "": (N_("no end"), None),
}
_VERDICTS: dict[str, Outcome] = {"keep": "keep", "revoke": "revoke"}


async def campaigns(visit: Visit, session: AsyncSession) -> Page:
    """Newest first, with how far each is."""
    found = await review_service.reviews(session, before=visit.cursor("before"), limit=_PAGE + 1)
    names = await Names.read(session)
    rows = [ReviewRow.of(review, names) for review in found[:_PAGE]]
    may_start = visit.identity.may("access_reviews.write")
    shares = await visit.services.user_shares.read(session) if may_start else None
    return Page(
        template="reviews.html",
        title=_("Access reviews"),
        about=(REVIEW,),
        values={
            "headline": _headline(rows),
            "rows": rows,
            "may_start": may_start,
            "roles": sorted(shares.roles) if shares else [],
            "departments": sorted(shares.departments) if shares else [],
            "times": [(key, _(words)) for key, (words, _time) in _TIMES.items()],
            "name": _("Access review of %(month)s", month=now().strftime(pgettext("month", "%B %Y"))),
            "next": visit.address(before=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if visit.query("before") else "",
        },
    )


def _headline(rows: list[ReviewRow]) -> str:
    waiting = [row for row in rows if row.review.status == "open"]
    overdue = sum(row.overdue for row in waiting)
    if not waiting:
        return _("No access review is open")
    words = ngettext("%(num)s access review open", "%(num)s access reviews open", len(waiting))
    return _("%(words)s, %(overdue)s overdue", words=words, overdue=overdue) if overdue else words


async def one(visit: Visit, session: AsyncSession) -> Page:
    """A campaign: at first what is still to be decided."""
    wanted, me = Filter.of(visit.request.query_params), visit.identity
    wanted.check()
    review = await review_service.get_review(session, review_id=visit.id("review_id", "access review"))
    items = await review_queries.items(
        session,
        review_id=review.id,
        wanted=wanted.wanted(closed=review.status != "open"),
        after=cursor_of(wanted.after, "after"),
        limit=_ITEMS,
    )
    names, here = await Names.read(session), f"/access-reviews/{review.id}"
    may_decide = review.status == "open" and me.may("enrollments.decide")
    holders = holders_of(items, names, may_decide=may_decide)
    offered = sorted({*await review_queries.names(session, review_id=review.id), *filter(None, [wanted.name])})
    return Page(
        template="review.html",
        title=review.name[:80],
        about=(f"{REVIEW}:{review.id}", f"{REVIEW}:"),
        values={
            "row": ReviewRow.of(review, names),
            "review": review,
            "wanted": wanted,
            "back": here + wanted.query(),
            "shown": [
                (_(w), here + wanted.changed(show=s).query(), s == wanted.show) for s, w in _SHOWN[review.status]
            ],
            "holders": holders,
            "filters": [
                ("kind", _("Kind"), said(_KINDS), wanted.kind),
                ("name", _("Permission or system"), {n: _name_in_words(n) for n in offered}, wanted.name),
            ],
            "name_in_words": _name_in_words,
            "open_here": [item.id for holder in holders for item in holder.open],
            "may_decide": may_decide,
            "may_close": review.status == "open" and me.may("access_reviews.write"),
            "everything": f"{here}{Filter(show='all' if review.status == 'open' else '').query()}",
            "next": here + wanted.changed(after=str(items[-1].id)).query() if len(items) == _ITEMS else "",
            "first": here + wanted.changed().query() if wanted.after else "",
        },
    )


def _name_in_words(name: str) -> str:
    return _("every system") if name == ALL_SYSTEMS else name


async def _start(visit: Visit, session: AsyncSession) -> Done:
    given = visit.text("time")
    if given not in _TIMES:
        raise Invalid.field("time", "is none", "choose one of the list")
    time = _TIMES[given][1]
    review = await review_service.start(
        session,
        name=visit.text("name", required=True),
        actor=visit.identity.actor,
        role=visit.text("role", limit=100) or None,
        department=visit.text("department") or None,
        due_at=now() + time if time else None,
    )
    return Done(to=f"/access-reviews/{review.id}", words=_("The campaign is open"))


async def _decide(visit: Visit, session: AsyncSession) -> Done:
    """One decision about some items; of a single one that was decided, only if that still stands."""
    review_id, verdict = visit.id("review_id", "access review"), _VERDICTS.get(visit.text("decision"))
    if verdict is None:
        raise Invalid.field("decision", "is none", "use keep or revoke")
    items: list[UUID] = [id_of(given, "item") for given in visit.text("items", limit=20_000, required=True).split(",")]
    standing = _VERDICTS.get(visit.text("instead_of"))
    wanted = [
        Decision(item_id=item, decision=verdict, reason=visit.reason, instead_of=standing)
        if standing or visit.reason
        else Decision(item_id=item, decision=verdict)
        for item in items
    ]
    await decide(session, review_id=review_id, decisions=wanted, actor=visit.identity.actor)
    if verdict == "keep":
        words = ngettext("%(num)s item is kept", "%(num)s items are kept", len(items))
    else:
        words = ngettext("%(num)s item is taken at once", "%(num)s items are taken at once", len(items))
    return Done(to=_back(visit, review_id), words=words)


async def _close(visit: Visit, session: AsyncSession) -> Done:
    review_id = visit.id("review_id", "access review")
    await review_service.close(session, review_id=review_id, actor=visit.identity.actor)
    return Done(to=f"/access-reviews/{review_id}", words=_("The campaign is closed"))


def _back(visit: Visit, review_id: UUID) -> str:
    """The page of the campaign that the decision was made on, with its filter."""
    here, given = f"/access-reviews/{review_id}", visit.form.get("back", "")
    return given if given == here or given.startswith(f"{here}?") else here


ROUTES: tuple[Route, ...] = (
    shows("/access-reviews", campaigns, "access_reviews.read"),
    does("/access-reviews", _start, "access_reviews.write"),
    shows("/access-reviews/{review_id}", one, "access_reviews.read"),
    does("/access-reviews/{review_id}/decide", _decide, "enrollments.decide"),
    does("/access-reviews/{review_id}/close", _close, "access_reviews.write"),
)

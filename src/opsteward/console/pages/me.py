"""The page of who is signed in: what they may, the language that they read, and on which of their browsers they are
told."""

from __future__ import annotations

import hashlib

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.permissions import SIGNED_IN
from opsteward.console.catalogues import LANGUAGES
from opsteward.console.languages import _, chosen, language, preferred, speak
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.core.errors import Invalid

_ENDPOINT_LIMIT = 1_000
_KEY_LIMIT = 200


async def me(visit: Visit, session: AsyncSession) -> Page:
    """One's own."""
    browsers = visit.services.oncall.browsers
    subscribed = await browsers.of(session, operator_id=visit.identity.operator_id)
    return Page(
        template="me.html",
        title=visit.identity.operator_name,
        values={
            "push_key": browsers.public_key(),
            "browsers": [one.service for one in subscribed],
            "known": " ".join(hashlib.sha256(one.endpoint.encode()).hexdigest() for one in subscribed),
            "told_of": _told_of(visit),
            "languages": LANGUAGES,
            "language_chosen": chosen(visit.request),
        },
    )


def _told_of(visit: Visit) -> str:
    severe, approvals = visit.identity.may("incidents.read"), visit.identity.may("approvals.decide")
    if severe and approvals:
        return _("Severe incidents, and approvals that wait")
    return _("Severe incidents") if severe else _("Approvals that wait") if approvals else ""


async def _subscribe(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.oncall.browsers.subscribe(
        session,
        endpoint=visit.text("endpoint", limit=_ENDPOINT_LIMIT, required=True),
        p256dh=visit.text("p256dh", limit=_KEY_LIMIT, required=True),
        auth=visit.text("auth", limit=_KEY_LIMIT, required=True),
        site=visit.own_address,
        by=visit.identity,
    )
    return Done(to="/me", words=_("You are told on this device from now on"))


async def _unsubscribe(visit: Visit, session: AsyncSession) -> Done:
    """This browser, or all of one's browsers."""
    endpoint = visit.text("endpoint", limit=_ENDPOINT_LIMIT)
    await visit.services.oncall.browsers.unsubscribe(session, endpoint=endpoint, by=visit.identity)
    words = _("You are told on this device no more") if endpoint else _("None of your browsers is told any more")
    return Done(to="/me", words=words)


async def _speak(visit: Visit, session: AsyncSession) -> Done:
    """In this browser, from the next page on."""
    given = visit.text("language", limit=10)
    if given and given not in LANGUAGES:
        raise Invalid.field("language", f"{given!r} is none", f"use one of {', '.join(LANGUAGES)}, or nothing")
    speak(given or preferred(visit.request))
    return Done(
        to="/me", words=_("This browser's pages are in %(language)s", language=LANGUAGES[language()]), language=given
    )


ROUTES: tuple[Route, ...] = (
    does("/me/language", _speak, SIGNED_IN),
    shows("/me", me, SIGNED_IN),
    does("/me/browsers", _subscribe, "incidents.read"),
    does("/me/browsers/remove", _unsubscribe, SIGNED_IN),
)

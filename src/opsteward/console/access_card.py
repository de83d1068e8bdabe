"""What a user may, and until when: permissions, systems, single grants; with what gives and takes a grant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.elements import ago, at, button, chip, select, tag, text
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.sheet import Sheet, storable
from opsteward.console.wording import Look
from opsteward.core.clock import now
from opsteward.directory.entitlements import service as entitlements
from opsteward.directory.types import ALL_SYSTEMS, GrantInfo, UserInfo, UserStatus

_MAX_NAME = 100
#: How long a grant lasts, as it is offered.
_LASTS = {
    "": ("until it is revoked", None),
    "hours": ("for 8 hours", timedelta(hours=8)),
    "day": ("for a day", timedelta(days=1)),
    "week": ("for a week", timedelta(days=7)),
    "month": ("for 30 days", timedelta(days=30)),
    "quarter": ("for 90 days", timedelta(days=90)),
    "year": ("for a year", timedelta(days=365)),
}
_KINDS = {"permission": "a permission", "system": "a system"}
_TAKEN = Look("block", "taken by a review", "warn")


@dataclass(frozen=True, kw_only=True)
class GrantRow:
    """A grant with the name of who gave it, and whether this operator may take it back."""

    grant: GrantInfo
    granted_by: str
    may_revoke: bool

    @classmethod
    def of(cls, grant: GrantInfo, names: Names, me: Identity) -> GrantRow:
        """From a grant."""
        return cls(grant=grant, granted_by=names.actor(grant.granted_by), may_revoke=me.may("users.write"))


def draw_access(user: UserInfo) -> None:
    """All that holds now, of the enrolment and of grants together."""
    if user.status != UserStatus.ACTIVE:
        text(f"No access: the user is {user.status}.", "quiet", name="p")
        return
    _draw_names("Permissions", user.permissions)
    _draw_names("Systems", ["every system" if one == ALL_SYSTEMS else one for one in user.system_access])


def _draw_names(title: str, names: list[str]) -> None:
    text(f"{title} ({len(names)})", "label", name="p")
    if not names:
        text("none", "quiet", name="p")
        return
    with tag("p", "words-list"):
        for name in names:
            text(name, "word")


def draw_grant(page: LivePage[Any], sheet: Sheet, user_id: UUID, row: GrantRow) -> None:
    """One grant: what, by whom, why, until when."""
    grant = row.grant
    with tag("div", "with-buttons"):
        with tag("div"):
            _draw_grant_words(row)
        if row.may_revoke and not grant.denied:
            with tag("div", "buttons"):
                button("Revoke", partial(_revoke, page, sheet, user_id, grant), picture="remove_circle")


def _draw_grant_words(row: GrantRow) -> None:
    grant = row.grant
    with tag("div", "row-head"):
        text(grant.name, "title")
        if grant.denied:
            chip(_TAKEN)
    with tag("p", "why"):
        text(grant.kind)
        text(f"by {row.granted_by}")
        ago(grant.granted_at)
        if grant.expires_at is not None:
            at(grant.expires_at, "ends")
        elif not grant.denied:
            text("until it is revoked")
    if grant.reason:
        text(f"“{grant.reason}”", "quiet", name="p")


async def _revoke(page: LivePage[Any], sheet: Sheet, user_id: UUID, grant: GrantInfo) -> None:
    reason = await sheet.ask(
        f"Revoke {grant.name}?",
        fill=lambda: text("The user loses it at once, unless the enrolment gives it too.", name="p"),
        yes="Revoke it",
        picture="remove_circle",
        kind="bad",
    )
    if reason is None:
        return

    async def work(session: AsyncSession, by: Identity) -> None:
        await entitlements.revoke(session, user_id=user_id, grant_id=grant.id, actor=by.actor, reason=storable(reason))

    await page.act("users.write", work, done=f"{grant.name} is revoked")


async def ask_for_grant(page: LivePage[Any], sheet: Sheet, user: UserInfo) -> None:
    """Ask what to give, and for how long; then give it."""
    given = {"kind": "permission", "lasts": "", "name": ""}

    def fill() -> None:
        select("What", list(_KINDS.items()), lambda value: given.update(kind=value), chosen=given["kind"])
        box = ui.input("Its name", on_change=lambda event: given.update(name=str(event.value or "")))
        box.props(f"outlined maxlength={_MAX_NAME} autocomplete=off")
        select(
            "How long",
            [(key, words) for key, (words, _) in _LASTS.items()],
            lambda value: given.update(lasts=value),
            chosen=given["lasts"],
        )

    reason = await sheet.ask(f"Grant to {user.full_name}", fill=fill, yes="Grant it", picture="add_circle", kind="main")
    if reason is None:
        return

    async def work(session: AsyncSession, by: Identity) -> object:
        _, lasts = _LASTS.get(given["lasts"], _LASTS[""])
        return await entitlements.grant(
            session,
            user_id=user.id,
            kind="system" if given["kind"] == "system" else "permission",
            name=storable(given["name"].strip()),
            actor=by.actor,
            reason=storable(reason),
            expires_at=now() + lasts if lasts else None,
        )

    await page.act("users.write", work, done=f"{given['name'].strip()} is granted")


async def ask_for_end(page: LivePage[Any], sheet: Sheet, user: UserInfo) -> None:
    """Ask until when the user stays, counted from now; then set that. At its end a user leaves by itself."""
    given = {"lasts": "quarter"}

    def fill() -> None:
        with tag("p", "quiet"):
            if user.expires_at is None:
                text("Now it has no end.")
            else:
                at(user.expires_at, "Now it ends")
        offered = [(key, words if key else "without an end") for key, (words, _) in _LASTS.items() if key != "hours"]
        select("From now on", offered, lambda value: given.update(lasts=value), chosen=given["lasts"])

    reason = await sheet.ask(
        f"Until when {user.full_name} stays", fill=fill, yes="Set it", picture="event", kind="main"
    )
    if reason is None:
        return

    async def work(session: AsyncSession, by: Identity) -> object:
        _, lasts = _LASTS.get(given["lasts"], _LASTS[""])
        return await page.services.users.update(
            session,
            user_id=user.id,
            fields={"expires_at": now() + lasts if lasts else None},
            actor=by.actor,
            reason=storable(reason),
            version=user.version,
        )

    await page.act("users.write", work, done="Its end is set" if given["lasts"] else "It has no end any more")

"""The change of a user's role: asked with a preview of what it grants and revokes, then done as it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.elements import select, tag, text
from opsteward.console.keyed import one
from opsteward.console.live import LivePage
from opsteward.console.people import draw_words
from opsteward.console.sheet import Sheet, storable
from opsteward.core.errors import Conflict, Invalid, OpsError
from opsteward.directory.types import ALL_SYSTEMS, UserInfo, UserStatus
from opsteward.directory.users.role_preview import Access, RolePreview, preview_role


async def ask_for_role(page: LivePage[Any], sheet: Sheet, user: UserInfo, roles: Sequence[str]) -> None:
    """Ask for the role, show at each choice what it would do, and do it unless that has changed meanwhile."""
    chosen: dict[str, Any] = {"role": "", "preview": None}

    def fill() -> None:
        offered = [("", "choose a role"), *((role, role) for role in roles if role != user.role)]
        select(f"Now {user.role}; from now on", offered, choose)
        chosen["place"] = one(partial(_draw_preview, user))

    async def choose(role: str) -> None:
        chosen.update(role=role, preview=None)
        if role:
            try:
                chosen["preview"] = await _read(page, user, role)
            except OpsError as error:
                page.tell(error.detail, picture="error")
        if chosen["role"] == role:  # not overtaken by another choice
            chosen["place"].show([chosen["preview"]] if chosen["preview"] else [])

    reason = await sheet.ask(
        f"Change the role of {user.full_name}", fill=fill, yes="Change it", picture="swap_horiz", kind="main"
    )
    if reason is None:
        return
    role, shown = chosen["role"], chosen["preview"]

    async def work(session: AsyncSession, by: Identity) -> object:
        if not role or shown is None:
            raise Invalid.field("role", "was not chosen", "choose one, look at what it does, then change it")
        if await preview_role(session, user_id=user.id, role=role) != shown:
            raise Conflict("what it would do has changed since it was shown", remedy="look at it again")
        return await page.services.users.update(
            session,
            user_id=user.id,
            fields={"role": role},
            actor=by.actor,
            reason=storable(reason),
            version=user.version,
        )

    await page.act("users.write", work, done=f"{user.username} is {role} now")


async def _read(page: LivePage[Any], user: UserInfo, role: str) -> RolePreview:
    storable(role)
    async with page.services.db.unit_of_work(page.identity.tenant_id) as session:
        return await preview_role(session, user_id=user.id, role=role[:100])


def _draw_preview(user: UserInfo, preview: RolePreview) -> None:
    with tag("div", "preview"):
        if preview.refused:
            first, second = preview.refused
            text(
                f"{first} and {second} must not meet in one user (segregation of duties): it will be refused.",
                "bad-words",
                name="p",
            )
        _draw_part("Granted at once", preview.granted, "add", "good")
        _draw_part("Revoked at once", preview.revoked, "remove", "bad")
        if preview.stages:
            names = ", ".join(stage.replace("_", " ") for stage in preview.stages)
            text(f"Waits for approval: {names}", "label", name="p")
            _draw_part("Granted when it is approved", preview.after_approval, "hourglass_empty", "info")
        if preview.status_after != user.status:
            text(f"The user becomes {preview.status_after}.", "quiet", name="p")
        if user.status not in (UserStatus.ACTIVE, UserStatus.PENDING):
            text(f"The user is {user.status} and has no access; it follows when the user is active again.", name="p")
        elif preview.granted == preview.revoked == preview.after_approval == Access():
            text("The access stays as it is.", "quiet", name="p")


def _draw_part(title: str, part: Access, picture: str, tone: str) -> None:
    if part != Access():
        text(title, "label", name="p")
        systems = ["every system" if one == ALL_SYSTEMS else one for one in part.systems]
        draw_words((*part.permissions, *systems), picture, tone, title)

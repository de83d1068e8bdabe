"""One user: what it is and may, how it was let in, all that happened to it, and what can be done with it."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.enrollment_rows import EnrollmentRow
from opsteward.console.languages import N_, _
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.people import history_of, user_looks
from opsteward.core.clock import now
from opsteward.core.errors import Conflict, Invalid
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.directory.enrollment.grants import in_full
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.entitlements import service as entitlements
from opsteward.directory.types import ALL_SYSTEMS, UserChangeInfo, UserInfo, UserStatus
from opsteward.directory.user_changes import PEOPLE
from opsteward.directory.users import queries as user_queries
from opsteward.directory.users.role_preview import RolePreview, preview_role
from opsteward.directory.users.service import MOVES, get_user

_REPORTS_SHOWN = 12
_ENROLLMENTS_SHOWN = 20
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: The steps of a life: what each is called, how it looks, what it does, and what is said when it is done.
_STEPS = {
    UserStatus.ACTIVE: (
        N_("Activate"), "check_circle", "good",
        N_("The user gets the access of its enrolment and its grants again."), N_("%(name)s is active"),
    ),
    UserStatus.SUSPENDED: (
        N_("Suspend"), "pause_circle", "",
        N_("The user loses every access at once, until it is activated again."), N_("%(name)s is suspended"),
    ),
    UserStatus.INACTIVE: (
        N_("Deactivate"), "person_off", "bad",
        N_("The user has left: it loses every access at once. Nothing is erased."), N_("%(name)s is inactive"),
    ),
    UserStatus.ARCHIVED: (N_("Archive"), "inventory_2", "", N_("The user is put away. It has no access."),
                          N_("%(name)s is archived")),
}  # fmt: skip
#: How long a grant lasts, or a user stays, as it is offered.
_LASTS = {
    "": (N_("until it is revoked"), None),
    "hours": (N_("for 8 hours"), timedelta(hours=8)),
    "day": (N_("for a day"), timedelta(days=1)),
    "week": (N_("for a week"), timedelta(days=7)),
    "month": (N_("for 30 days"), timedelta(days=30)),
    "quarter": (N_("for 90 days"), timedelta(days=90)),
    "year": (N_("for a year"), timedelta(days=365)),
}


async def one(visit: Visit, session: AsyncSession) -> Page:
    """The user, and what can be done."""
    me = visit.identity
    user = await get_user(session, user_id=visit.id("user_id", "user"))
    names, rules = await Names.read(session), await rules_of(session)
    changes = await user_queries.history(session, user_id=user.id)
    people = {o.id: o for o in await user_queries.several(session, user_ids=list(_people_in(user, changes)))}
    found = (
        await enrollment_service.page(session, user_id=user.id, limit=_ENROLLMENTS_SHOWN)
        if me.may("enrollments.read")
        else []
    )
    enrollments = [EnrollmentRow.of(one, me, with_user=False) for one in await in_full(session, found)]
    roles = {*rules.by_name, *(role for rule in rules.by_name.values() for role in rule.match.roles)}
    return Page(
        template="user.html",
        title=(user.full_name or user.username)[:80],
        about=(f"{PEOPLE}:{user.id}", f"{PEOPLE}:"),
        values={
            "user": user,
            "user_looks": user_looks(user),
            "over": user.expires_at is not None and user.expires_at <= now(),
            "systems": [_("every system") if s == ALL_SYSTEMS else s for s in user.system_access],
            "manager": people.get(user.manager_id) if user.manager_id else None,
            "reports": await user_queries.reports_of(session, user_id=user.id, limit=_REPORTS_SHOWN + 1),
            "grants": [(g, names.actor(g.granted_by)) for g in await entitlements.grants_of(session, user_id=user.id)],
            "enrollments": enrollments,
            "roles": sorted(roles - {user.role}),
            "lasts": [(key, _(words)) for key, (words, _time) in _LASTS.items()],
            "steps": [_step(s) for s in _STEPS if s in MOVES[UserStatus(user.status)]],
            "history": history_of(user, changes, names, {str(k): who.full_name for k, who in people.items()}),
            "may_write": me.may("users.write"),
        },
    )


def _step(status: UserStatus) -> tuple[str, str, str, str, str]:
    words, icon, kind, does, _told = _STEPS[status]
    return status.value, _(words), icon, kind, _(does)


def _people_in(user: UserInfo, changes: list[UserChangeInfo]) -> set[UUID]:
    """The managers that the page speaks of, of now and of before."""
    told = {str(m) for change in changes for m in change.fields.get("manager_id", ())}
    return {UUID(m) for m in told if _ID.fullmatch(m)} | ({user.manager_id} if user.manager_id else set())


async def role(visit: Visit, session: AsyncSession) -> Page:
    """What another role would grant and revoke, before it is given."""
    user = await get_user(session, user_id=visit.id("user_id", "user"))
    wanted = visit.query("role", limit=100)
    if not wanted:
        raise Invalid.field("role", "was not chosen", "choose one, look at what it does, then change it")
    preview = await preview_role(session, user_id=user.id, role=wanted)
    return Page(
        template="user_role.html",
        title=_("Change the role of %(name)s", name=user.full_name or user.username)[:120],
        values={
            "user": user,
            "role": wanted,
            "preview": preview,
            "parts_of": [
                (_("Granted at once"), preview.granted, "good"),
                (_("Revoked at once"), preview.revoked, "bad"),
                (_("Granted when it is approved"), preview.after_approval, "info"),
            ],
            "shown": _hash(preview),
        },
    )


def _hash(preview: RolePreview) -> str:
    return hashlib.sha256(repr(preview).encode()).hexdigest()


async def _change_role(visit: Visit, session: AsyncSession) -> Done:
    user = await get_user(session, user_id=visit.id("user_id", "user"))
    wanted = visit.text("role", limit=100, required=True)
    if _hash(await preview_role(session, user_id=user.id, role=wanted)) != visit.text("shown", limit=64):
        raise Conflict("what it would do has changed since it was shown", remedy="look at it again")
    await visit.services.users.update(
        session,
        user_id=user.id,
        fields={"role": wanted},
        actor=visit.identity.actor,
        reason=visit.reason,
        version=user.version,
    )
    return Done(to=f"/users/{user.id}", words=_("%(name)s is %(role)s now", name=user.username, role=wanted))


async def _move(visit: Visit, session: AsyncSession) -> Done:
    user = await get_user(session, user_id=visit.id("user_id", "user"))
    given = visit.text("status")
    if given not in set(UserStatus) or UserStatus(given) not in _STEPS:
        raise Invalid.field("status", "is none", f"use one of {', '.join(_STEPS)}")
    await visit.services.users.set_status(
        session, user_id=user.id, status=UserStatus(given), actor=visit.identity.actor, reason=visit.reason
    )
    back = user.status if UserStatus(user.status) in _STEPS and user.status in MOVES[UserStatus(given)] else ""
    undo = Undo(path=f"/users/{user.id}/status", fields={"status": back}) if back else None
    return Done(
        to=f"/users/{user.id}",
        words=_(_STEPS[UserStatus(given)][4], name=user.username),
        undo=undo,
    )


async def _set_end(visit: Visit, session: AsyncSession) -> Done:
    user = await get_user(session, user_id=visit.id("user_id", "user"))
    lasts = _lasts(visit)
    await visit.services.users.update(
        session,
        user_id=user.id,
        fields={"expires_at": now() + lasts if lasts else None},
        actor=visit.identity.actor,
        reason=visit.reason,
        version=user.version,
    )
    return Done(to=f"/users/{user.id}", words=_("Its end is set") if lasts else _("It has no end any more"))


def _lasts(visit: Visit) -> timedelta | None:
    given = visit.text("lasts")
    if given not in _LASTS:
        raise Invalid.field("lasts", "is none", "choose one of the list")
    return _LASTS[given][1]


async def _grant(visit: Visit, session: AsyncSession) -> Done:
    user_id, lasts = visit.id("user_id", "user"), _lasts(visit)
    name = visit.text("name", limit=100, required=True)
    granted = await entitlements.grant(
        session,
        user_id=user_id,
        kind="system" if visit.text("kind") == "system" else "permission",
        name=name,
        actor=visit.identity.actor,
        reason=visit.reason,
        expires_at=now() + lasts if lasts else None,
    )
    undo = Undo(path=f"/users/{user_id}/grants/{granted.id}/revoke")
    return Done(to=f"/users/{user_id}", words=_("%(name)s is granted", name=name), undo=undo)


async def _revoke(visit: Visit, session: AsyncSession) -> Done:
    user_id = visit.id("user_id", "user")
    await entitlements.revoke(
        session,
        user_id=user_id,
        grant_id=visit.id("grant_id", "grant"),
        actor=visit.identity.actor,
        reason=visit.reason,
    )
    return Done(to=f"/users/{user_id}", words=_("It is revoked"))


ROUTES: tuple[Route, ...] = (
    shows("/users/{user_id}", one, "users.read"),
    shows("/users/{user_id}/role", role, "users.read"),
    does("/users/{user_id}/role", _change_role, "users.write"),
    does("/users/{user_id}/status", _move, "users.write"),
    does("/users/{user_id}/end", _set_end, "users.write"),
    does("/users/{user_id}/grants", _grant, "users.write"),
    does("/users/{user_id}/grants/{grant_id}/revoke", _revoke, "users.write"),
)

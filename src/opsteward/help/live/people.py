"""Questions about users and what they may use, enrolments, access reviews, and operators."""

from __future__ import annotations

import re
from datetime import datetime

from opsteward.accounts import queries as accounts
from opsteward.accounts.actors import actors_of
from opsteward.directory.enrollment import service as enrollment
from opsteward.directory.entitlements.service import grants_of
from opsteward.directory.reviews import service as reviews
from opsteward.directory.types import ALL_SYSTEMS, EnrollmentInfo, EnrollmentStatus, UserInfo, UserStatus
from opsteward.directory.users import queries as users
from opsteward.help.live.asking import Asking, Found, at, cited, listed
from opsteward.help.live.entities import what_is_held

#: Somebody reports to whoever is named, not they to somebody.
_REPORTING_TO = re.compile(r"\breport(?:s|ing)?\s+to\s+(?!whom\b|who\b)\w", re.IGNORECASE)
_YES_OR_NO = re.compile(
    r"^\W*(?:does|do|has|can|may|is|could)\b.*\b(?:have|got|use|reach|access to|into|see|open)\s+(?:the\s+)?([\w.:-]+)",
    re.IGNORECASE,
)
#: What people do with a system that they have.
REACHING = ("access", "use", "reach", "allowed", "get into", "log in", "log into", "log on", "sign in", "sign into")
_ROLES = ("contractor", "intern", "guest", "vendor", "partner")
_OF_SEVERAL = (
    "department", "new", "joined", "registered", "added", "left", "many", "users", "people", "user", "accounts",
    "employees", "staff", "everyone", "everybody",
)  # fmt: skip
_JOINED = ("joined", "join", "hired", "start", "started", "begin", "began", "enrolled")
_LEFT = ("left", "leave", "leaving", "departed", "quit", "gone", "go")
_OPEN = ("open", "running", "due", "current")  # of access reviews
_CLOSED = ("closed", "finished", "completed", "over")
_READ_LIMIT = 500
_TOLD_WHY = 5
_COUNT_LIMIT = 10_000


async def answer(ask: Asking) -> Found | None:
    """One user where one is named; who has something; or how many there are."""
    q = ask.question
    if ask.user is not None:
        return await _one(ask, ask.user)
    if q.has("permission", "permissions", "rights", *REACHING) and (holders := await _holders(ask)):
        return holders
    if q.has(*_ROLES, *_OF_SEVERAL, *UserStatus) or ask.named.department:
        return await _several(ask)
    return None


async def _one(ask: Asking, user: UserInfo) -> Found:
    q = ask.question
    name = user.full_name or user.username
    url = f"/users/{user.id}"
    if ask.system is not None and q.has("access", "have", "has", *REACHING):
        has = _has_system(user, ask.system.name)
        text = f"{name} {'has' if has else 'does not have'} access to {ask.system.name}"
        text += f": the user is {user.status}." if user.status != "active" else "."
    elif (held := await _held(ask)) is not None:
        text = f"{name} {'has' if _has_system(user, held) else 'does not have'} access to {held}"
        text += f": the user is {user.status}." if user.status != "active" else "."
    elif q.has("manager") and not _REPORTING_TO.search(q.text):
        boss = (await users.several(ask.session, user_ids=[user.manager_id]))[:1] if user.manager_id else []
        text = (
            f"The manager of {name} is {boss[0].full_name or boss[0].username}."
            if boss
            else f"{name} has no manager on record."
        )
    elif q.has("report", "reports", "team"):
        team = await users.reports_of(ask.session, user_id=user.id)
        text = listed(team, lambda one: one.full_name or one.username, none=f"Nobody reports to {name}.",
                      one=f"1 person reports to {name}:", many=f"{{n}} people report to {name}:")  # fmt: skip
    elif q.has("when", "since", "how long") and q.has(*_JOINED):
        text = f"{name} was registered {at(user.created_at)}; the user is {user.status}."
    elif (
        q.has("who", "why", "when")
        and q.has(
            "deactivated",
            "suspended",
            "archived",
            "changed",
            "created",
            "registered",
            "disabled",
            "removed",
            "blocked",
            "reactivated",
            "activated",
            *_LEFT,
        )
    ) or q.has("history", "happened", "changes"):
        return await _history(ask, user)
    elif q.has("email", "mail", "address"):
        text = f"The address of {name} is {user.email}." if user.email else f"{name} has no address on record."
    elif q.has("role", "department", "status", "active", "suspended", "deactivated") and not q.has("access"):
        text = f"{name} ({user.username}) is {user.status}, with the role {user.role}"
        text += f", department {user.department}." if user.department else "."
    else:
        text = await _access(ask, user)
    return Found(text=text, citations=[cited(name, url, text.split("\n")[0])], denied=not q.has("which", "list"))


async def _held(ask: Asking) -> str | None:
    """What the user is asked to have, yes or no, if anybody has it: it need not be registered."""
    found = _YES_OR_NO.search(ask.question.text)
    held = found[1].strip(".:") if found else None
    return held if held and await users.holders(ask.session, what=held, limit=1) else None


def _has_system(user: UserInfo, system: str) -> bool:
    return user.status == "active" and any(
        one.casefold() == system.casefold() or one == ALL_SYSTEMS for one in user.system_access
    )


async def _access(ask: Asking, user: UserInfo) -> str:
    name = user.full_name or user.username
    text = f"{name} ({user.username}) is {user.status}, role {user.role}"
    text += f", department {user.department}." if user.department else "."
    if user.status != "active":
        return f"{text} No access: only active users have any."
    text += (
        f" Systems: {', '.join(user.system_access) or 'none'}. Permissions: {', '.join(user.permissions) or 'none'}."
    )
    grants = [one for one in await grants_of(ask.session, user_id=user.id) if not one.denied]
    if grants:
        text += f" Granted beside the enrolment: {', '.join(one.name for one in grants)}."
    return text


async def _history(ask: Asking, user: UserInfo) -> Found:
    q = ask.question
    lines = await users.history(ask.session, user_id=user.id)
    for words, found in (
        (("deactivated", "suspended", "disabled", "archived", "blocked", "reactivated", "activated"), "status"),
        (_LEFT, "status"),
        (("role",), "role"),
    ):
        if q.has(*words):
            fitting = [one for one in lines if found in one.fields or any(q.has(part) for part in one.what.split("_"))]
            lines = fitting or lines
            break
    else:
        if q.has("created", "registered"):
            lines = lines[-1:]
    who = await actors_of(ask.session, [one.actor for one in lines], about=[user.id])
    name = user.full_name or user.username
    text = listed(
        lines[:5],
        lambda one: (
            f"{at(one.at)}: {one.what.replace('_', ' ')} by {who(one.actor).told}"
            + "".join(f", {field} from {old} to {new}" for field, (old, new) in list(one.fields.items())[:3])
            + (f" ({one.reason})" if one.reason else "")
        ),
        none=f"Nothing is recorded of {name}.",
        one=f"What happened to {name}:",
        many=f"What happened to {name}, the newest first:",
    )
    return Found(text=text, citations=[cited(name, f"/users/{user.id}", text.split("\n")[-1])], denied=True)


async def _holders(ask: Asking) -> Found | None:
    """Who has a system or a permission, as the users' records say."""
    q = ask.question
    what = ask.system.name if ask.system and not ask.named.hinted else what_is_held(q.text)
    if what is None:
        return None
    found = await users.holders(ask.session, what=what, limit=_READ_LIMIT)
    text = listed(
        found,
        lambda one: f"{one.full_name or one.username} ({one.username}, {one.role})",
        none=f"No active user has {what}.",
        one=f"1 active user has {what}:",
        many=f"{{n}} active users have {what}:",
        more=len(found) >= _READ_LIMIT,
    )
    citations = [cited(one.full_name or one.username, f"/users/{one.id}", f"has {what}") for one in found[:3]]
    return Found(text=text, citations=citations or [cited("Users", "/users", text)])


async def _several(ask: Asking) -> Found:
    q = ask.question
    shares = await users.shares(ask.session)
    department = ask.named.department
    role = next((one for one in shares.roles if one and q.has(one, f"{one}s", one.replace("_", " "))), None)
    status = next((one for one in UserStatus if q.has(one)), None)
    denied = status is not None and q.denies(status)
    if q.says("activated") and q.negated:
        status, denied = UserStatus.PENDING, False
    found: list[UserInfo] = []
    after: str | None = None
    while True:
        page = await users.page(
            ask.session,
            status=None if denied else status,
            role=role,
            department=department,
            after=after,
            limit=_READ_LIMIT,
        )
        found += page
        if len(page) < _READ_LIMIT or len(found) > _COUNT_LIMIT:
            break
        after = page[-1].username
    if denied:
        found = [one for one in found if one.status != status]
    if q.period is not None:
        found = [one for one in found if q.period.holds(_changed_at(ask, one, None if denied else status))]
    kind = " ".join(
        part for part in (f"not {status}" if denied else status or "", "new" if q.period and not status else "") if part
    )
    kind = f"{kind} " if kind else ""
    of = "".join(
        (
            f" of the role {role}" if role else "",
            f" in {department}" if department else "",
            f" {q.period.words}" if q.period else "",
        )
    )
    text = listed(
        found,
        lambda one: f"{one.full_name or one.username} ({one.username}, {one.role}, {one.status})",
        none=f"There are no {kind}users{of}.",
        one=f"There is 1 {kind}user{of}:",
        many=f"There are {{n}} {kind}users{of}:",
        more=len(found) > _COUNT_LIMIT,
    )
    if (q.has("why", "who did", "when", "reason") or q.says("by whom")) and 0 < len(found) <= _TOLD_WHY:
        stories = [await _history(ask, one) for one in found]
        text = "\n".join([text, *(story.text for story in stories)])
    missed = (q.period.words,) if denied and q.period is not None else ()  # only the last change has its time
    denied = denied or (status is UserStatus.PENDING and q.says("activated"))
    return Found(text=text, citations=[cited("Users", "/users", text.split("\n")[0])], denied=denied, missed=missed)


def _changed_at(ask: Asking, one: UserInfo, status: UserStatus | None) -> datetime | None:
    """When the user became what is asked for."""
    if status is UserStatus.SUSPENDED:
        return one.updated_at
    left = ask.question.has("left", "deactivated") or status in (UserStatus.INACTIVE, UserStatus.ARCHIVED)
    return one.deactivated_at if left else one.created_at


async def enrollments(ask: Asking) -> Found | None:
    """Who waits to be let in, and who let somebody in."""
    q = ask.question
    decided = q.says("approved", "rejected", "decided", "let in") and not (
        q.negated or q.has("waiting", "pending", "waits", "be approved")
    )
    status = EnrollmentStatus.REJECTED if q.has("rejected", "refused", "denied") else EnrollmentStatus.APPROVED
    if ask.user is not None:
        found = await enrollment.page(ask.session, user_id=ask.user.id)
    elif decided:
        found = await enrollment.page(ask.session, status=status, limit=_READ_LIMIT)
        found = [one for one in found if q.period is None or q.period.holds(one.decided_at)]
    else:
        found = await enrollment.waiting(ask.session, limit=_READ_LIMIT)
    asked = {one.enrollment_type for one in found if q.has(one.enrollment_type)}
    found = [one for one in found if not asked or one.enrollment_type in asked]
    who = await actors_of(ask.session, [one.approver for one in found])

    def say(row: EnrollmentInfo) -> str:
        name = row.full_name or row.username
        if row.decided_at:
            by = who(row.approver).told if row.approver else "a rule"
            return f"{name}, {row.enrollment_type}: {row.status} by {by} at {at(row.decided_at)}" + (
                f": {row.reason}" if row.reason else ""
            )
        return f"{name}, {row.enrollment_type}: {row.status.replace('_', ' ')} since {at(row.requested_at)}"

    waiting = not decided and ask.user is None
    text = listed(
        found, say, none="No enrolment waits." if waiting else "There are no such enrolments.",
        one="1 enrolment waits:" if waiting else "1 enrolment:",
        many="{n} enrolments wait:" if waiting else "{n} enrolments:",
    )  # fmt: skip
    # Who is not approved waits; all that is known of one user is told.
    told = ask.user is not None or (not decided and q.says("approved", "decided", "let in") and not q.says("never"))
    return Found(text=text, citations=[cited("Enrolments", "/enrollments", text)], denied=told)


async def access_reviews(ask: Asking) -> Found | None:
    """Which reviews of access run, and how far they are."""
    found, denied = await reviews.reviews(ask.session), False
    own = ask.named.things.get("people.access_reviews", ())
    if own:
        found = [one for one in found if one.name in own]
    elif (denied := ask.question.denies(*_OPEN)) or ask.question.has(*_OPEN):
        found = [one for one in found if (one.closed_at is None) is not denied]
    elif (denied := ask.question.denies(*_CLOSED)) or ask.question.has(*_CLOSED):
        found = [one for one in found if (one.closed_at is None) is denied]
    text = listed(
        found,
        lambda one: (
            f"{one.name}: {one.status}, {one.undecided} of {one.items} undecided, {one.revoked} revoked"
            + (f", due {at(one.due_at)}" if one.due_at else "")
        ),
        none="There are no such access reviews.",
        one="There is 1 access review:",
        many="There are {n} access reviews:",
    )
    return Found(text=text, citations=[cited("Reviews", "/access-reviews", text)], denied=denied or bool(own))


async def operators(ask: Asking) -> Found | None:
    """Who works with Opsteward, and in which roles."""
    q = ask.question
    found = list(ask.named.operators) or await accounts.list_operators(ask.session)
    wanted = [role for role in ("owner", "approver", "auditor", "viewer", "platform") if q.has(role)]
    wanted += ["admin", "owner"] if q.has("admins", "administrators") else []
    denied = bool(wanted) and q.denies(*wanted)
    if wanted and not ask.named.operators:
        everyone = await accounts.list_operators(ask.session)
        found = [one for one in everyone if bool(set(wanted) & set(one.roles)) is not denied]
    found = [one for one in found if one.status == "active" or q.has("inactive", "disabled", "all")] or found
    text = listed(
        found,
        lambda one: f"{one.name}: {', '.join(one.roles)} ({one.status})",
        none="There are no such operators.",
        one="1 operator:",
        many="{n} operators:",
    )
    denied = denied or len(ask.named.operators) == 1
    return Found(text=text, citations=[cited("Operators", "/operators", text)], denied=denied)


async def myself(ask: Asking) -> Found | None:
    """Who asks, and what they may do."""
    by = ask.by
    text = f"You are {by.operator_name} of {by.tenant_name}, with the roles {', '.join(by.roles) or 'none'}."
    if ask.question.has("may", "can", "allowed", "permission", "permissions", "rights"):
        text += f" You may: {', '.join(sorted(by.permissions))}."
    return Found(text=text, citations=[cited("Help", "/help", text)])

"""`opsteward users list | show | register | deactivate` and `opsteward enrollments`: people one by one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit
from opsteward.cli.user_imports import app

if TYPE_CHECKING:
    from opsteward.client.types import EnrollmentInfo, EnrollmentInFull, UserInfo

enrollments = typer.Typer(help="Who waits to be let in, and with what.", no_args_is_help=True)

User = Annotated[str, typer.Argument(metavar="USER", help="The username, the address, or the id.")]
Which = Annotated[
    str, typer.Argument(metavar="ENROLLMENT", help="Its id, the end of it that the list shows, or who waits.")
]
Reason = Annotated[str, typer.Option(help="Kept in the user's history.")]


@app.command("list")
def list_users(
    search: Annotated[str | None, typer.Option(help="A part of a username, an address or a full name.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, active, suspended, inactive or archived.")] = None,
    role: Annotated[str | None, typer.Option(help="Users of this role.")] = None,
    department: Annotated[str | None, typer.Option(help="Users of this department.")] = None,
    after: Annotated[str | None, typer.Option(help="Behind the user of this username.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Users by username."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import users

    show_pages(
        users.list_users,
        ("username", "full_name", "email", "role", "department", "status", "id"),
        params={"search": search, "status": status, "role": role, "department": department, "after": after},
        empty="No user is like that.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "username"),
        whole=("status",),
    )


@app.command("show")
def show_user(user: User, as_json: Json = False) -> None:
    """One user with its access and what happened to it, the newest first."""
    from opsteward.cli import actors, show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import users

    client = Client()
    user_id = id_of(client, "user", user)
    found, history = client.send(users.get_user(user_id)), client.send(users.user_history(user_id))["items"]
    if as_json:
        show.as_json({**found, "history": history})
        return
    names = ("id", "username", "full_name", "email", "status", "role", "department", "expires_at")
    fields: Mapping[str, object] = found
    show.record((name, fields[name]) for name in (*names, "permissions", "system_access"))
    columns = ("at", "actor", "what", "reason")
    show.table(actors.named(client, history, columns), columns, empty="Nothing happened yet.", whole=("at",))


@app.command("register")
def register(
    username: Annotated[str, typer.Argument(help="How the user signs in.")],
    email: Annotated[str, typer.Argument(help="Where mail reaches the user.")],
    full_name: Annotated[str, typer.Argument(help="The user's name.")],
    role: Annotated[str, typer.Option(help="By it the rule is chosen that gives access.")] = "standard_user",
    department: Annotated[str | None, typer.Option(help="Where the user works.")] = None,
    as_json: Json = False,
) -> None:
    """Register a user, who is let in at once or waits for approval, as the rule of its role says."""
    from opsteward.cli.client import Client
    from opsteward.client import calls

    more = {"department": department} if department is not None else {}
    _say(Client().send(calls.register_user(username, email, full_name, role=role, **more)), as_json=as_json)


@app.command("deactivate")
def deactivate(user: User, reason: Reason = "", as_json: Json = False) -> None:
    """Take all access of a user who leaves; its history stays."""
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import users

    client = Client()
    _say(client.send(users.deactivate_user(id_of(client, "user", user), reason=reason)), as_json=as_json)


@enrollments.command("list")
def list_enrollments(
    status: Annotated[
        str | None, typer.Option(help="pending_manual_review, approved, rejected or another status; empty for all.")
    ] = "pending_manual_review",
    user: Annotated[str | None, typer.Option(help="Only those of this user, by name or id.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Words in the user's names and address, of the newest 20,000.")
    ] = None,
    older_than: Annotated[str | None, typer.Option(help="Requested longer ago than this: 30m, 12h, 7d.")] = None,
    before: Annotated[str | None, typer.Option(help="Older than the enrolment of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What waits for a decision, the newest first."""
    from opsteward.cli.client import Client
    from opsteward.cli.durations import instant_before
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import enrollments as requests

    user_id = id_of(Client(), "user", user) if user is not None else None
    show_pages(
        requests.list_enrollments,
        (
            "id",
            "username",
            "full_name",
            "enrollment_type",
            "status",
            "waits_for",
            "would_grant",
            "requested_at",
            "decided_by",
        ),
        params={
            "status": status or None,
            "user_id": user_id,
            "search": search,
            "until": instant_before(older_than),
            "before": before,
        },
        empty="Nobody waits to be let in.",
        limit=limit,
        every=every,
        as_json=as_json,
        whole=("requested_at",),
        rows=lambda one: {
            **one,
            "waits_for": _waits_for(one),
            "would_grant": ", ".join(value for _, value in _grants(one)),
            "decided_by": one["decider"]["name"] if one["decider"] else None,
        },
    )


@enrollments.command("show")
def show_enrollment(enrollment: Which, as_json: Json = False) -> None:
    """One enrolment: what it would grant on which systems, who asked, who decided on which stage."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import enrollments as requests

    client = Client()
    found = client.send(requests.get_enrollment(id_of(client, "enrollment", enrollment)))
    if as_json:
        show.as_json(found)
    else:
        _show(found)


def _show(found: EnrollmentInFull) -> None:
    from opsteward.cli import show

    show.say(f"{found['full_name']} ({found['username']}) as {found['enrollment_type']}: {found['status']}")
    lines: list[tuple[str, str | None]] = [
        ("asked by", found["requester"]["name"]),
        ("requested at", found["requested_at"]),
    ]
    for stage in found["stages"]:
        said = str(stage["status"])
        if isinstance(decider := stage.get("decider"), dict):
            because = f": {stage['reason']}" if stage.get("reason") else ""
            said = f"{said} by {decider['name']} at {stage.get('at')}{because}"
        lines.append((f"stage {stage['name']}", said))
    if found["will_grant"]:
        lines += [(f"would grant {what}", value) for what, value in _grants(found)] or [("would grant", "nothing new")]
        if conflict := found["will_grant"]["refused_for"]:
            lines.append(("can't be approved", f"nobody may have {' and '.join(conflict)} together"))
    elif found["decider"]:
        lines += [("decided by", found["decider"]["name"]), ("decided at", found["decided_at"])]
    show.record(lines)


def _grants(enrollment: EnrollmentInFull) -> list[tuple[str, str]]:
    """What its approval would give, in words."""
    grant = enrollment["will_grant"]
    if grant is None:
        return []
    systems = ["every system there is and will be"] if grant["all_systems"] else grant["systems"]
    found = [("permissions", ", ".join(grant["permissions"])), ("systems", ", ".join(systems))]
    if grant["access_days"]:
        found.append(("until", f"{grant['access_days']} days after"))
    return [(what, value) for what, value in found if value]


@enrollments.command("approve")
def approve(
    enrollment: Which,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Say yes to the stage that it waits for; after the last one the user is let in."""
    _decide("approve", enrollment, reason, ask=not yes, as_json=as_json)


@enrollments.command("reject")
def reject(enrollment: Which, reason: Reason = "", as_json: Json = False) -> None:
    """Say no; it gives no access."""
    _decide("reject", enrollment, reason, as_json=as_json)


def _decide(what: str, enrollment: str, reason: str, *, ask: bool = False, as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import enrollments as requests

    client = Client()
    which = id_of(client, "enrollment", enrollment)
    if ask and not as_json:
        _show(client.send(requests.get_enrollment(which)))
        if sys.stdin.isatty():
            typer.confirm("Approve exactly this?", abort=True)
    decide = requests.approve_enrollment if what == "approve" else requests.reject_enrollment
    answer = client.send(decide(which, reason=reason))
    if as_json:
        show.as_json(answer)
    else:
        waits = _waits_for(answer)
        show.say(f"Enrolment {answer['id']} is {answer['status']}{f', and waits for {waits}' if waits else ''}")


def _waits_for(enrollment: EnrollmentInfo | EnrollmentInFull) -> str:
    stages, stage = enrollment["stages"], enrollment["stage"]
    waits = enrollment["status"] == "pending_manual_review" and stage < len(stages)
    return str(stages[stage]["name"]).replace("_", " ") if waits else ""


def _say(user: UserInfo, *, as_json: bool) -> None:
    from opsteward.cli import show

    if as_json:
        show.as_json(user)
    else:
        show.say(f"User {user['id']} ({user['username']}) is {user['status']}")

"""`opsteward users list | show | register | deactivate` and `opsteward enrollments`: people one by one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from opsteward.cli.users import Json, app

enrollments = typer.Typer(help="Who waits to be let in, and with what.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Kept in the user's history.")]


@app.command("list")
def list_users(
    search: Annotated[str | None, typer.Option(help="A part of a username, an address or a full name.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, active, suspended, inactive or archived.")] = None,
    role: Annotated[str | None, typer.Option(help="Users of this role.")] = None,
    department: Annotated[str | None, typer.Option(help="Users of this department.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    after: Annotated[str | None, typer.Option(help="The last username of the page before.")] = None,
    as_json: Json = False,
) -> None:
    """Users by username."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client import people

    call = people.list_users(search=search, status=status, role=role, department=department, limit=limit, after=after)
    page = Client().send(call)
    if as_json:
        show.as_json(page)
        return
    columns = ("id", "username", "full_name", "email", "role", "department", "status")
    show.table(page["items"], columns, empty="No user is like that.", whole=("id",))


@app.command("show")
def show_user(user: Annotated[UUID, typer.Argument(help="Its id.")], as_json: Json = False) -> None:
    """One user with its access and what happened to it, the newest first."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client import people

    client = Client()
    found, history = client.get(f"{people.USERS}/{user}"), client.get(f"{people.USERS}/{user}/history")["items"]
    if as_json:
        show.as_json({**found, "history": history})
        return
    for name in ("username", "full_name", "email", "status", "role", "department", "expires_at"):
        show.say(f"{name:<14} {show.plain(found[name])}")
    for name in ("permissions", "system_access"):
        show.say(f"{name:<14} {show.plain(', '.join(found[name]) or '-')}")
    show.table(history, ("at", "actor", "what", "reason"), empty="Nothing happened yet.")


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
    from opsteward.client import people

    more = {"department": department} if department is not None else {}
    _tell(Client().send(people.register_user(username, email, full_name, role=role, **more)), as_json=as_json)


@app.command("deactivate")
def deactivate(
    user: Annotated[UUID, typer.Argument(help="Its id.")], reason: Reason = "", as_json: Json = False
) -> None:
    """Take all access of a user who leaves; its history stays."""
    from opsteward.cli.client import Client
    from opsteward.client import people

    _tell(Client().send(people.deactivate_user(user, reason=reason)), as_json=as_json)


@enrollments.command("list")
def list_enrollments(
    status: Annotated[str | None, typer.Option(help="Those of this status; empty for all.")] = "pending_manual_review",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: Json = False,
) -> None:
    """What waits for a decision, the newest first."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client import people

    page = Client().send(people.enrollment_requests(status=status or None, limit=limit))
    if as_json:
        show.as_json(page)
        return
    rows = [{**one, "waits for": _waits_for(one)} for one in page["items"]]
    columns = ("id", "waits for", "user_id")
    show.table(rows, columns, empty="Nobody waits to be let in.", whole=("id", "waits for"))


@enrollments.command("approve")
def approve(
    enrollment: Annotated[UUID, typer.Argument(help="Its id.")], reason: Reason = "", as_json: Json = False
) -> None:
    """Say yes to the stage that it waits for; after the last one the user is let in."""
    _decide("approve", enrollment, reason, as_json=as_json)


@enrollments.command("reject")
def reject(
    enrollment: Annotated[UUID, typer.Argument(help="Its id.")], reason: Reason = "", as_json: Json = False
) -> None:
    """Say no; it gives no access."""
    _decide("reject", enrollment, reason, as_json=as_json)


def _decide(what: str, enrollment: UUID, reason: str, *, as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client import people

    answer = Client().send(people.decide_enrollment(what, enrollment, approver=None, reason=reason))
    if as_json:
        show.as_json(answer)
    else:
        waits = _waits_for(answer)
        show.say(f"Enrolment {answer['id']} is {answer['status']}{f', and waits for {waits}' if waits else ''}")


def _waits_for(enrollment: dict[str, Any]) -> str:
    stages, stage = enrollment["stages"], enrollment["stage"]
    waits = enrollment["status"] == "pending_manual_review" and stage < len(stages)
    return str(stages[stage]["name"]).replace("_", " ") if waits else ""


def _tell(user: dict[str, Any], *, as_json: bool) -> None:
    from opsteward.cli import show

    if as_json:
        show.as_json(user)
    else:
        show.say(f"User {user['id']} ({show.plain(user['username'])}) is {user['status']}")

"""`opsteward users list | show | register | deactivate`: people one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit
from opsteward.cli.user_imports import app

if TYPE_CHECKING:
    from opsteward.client.types import UserInfo

__all__ = ["app"]  # to which the commands below are added

User = Annotated[str, typer.Argument(metavar="USER", help="The username, the address, or the id.")]
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


def _say(user: UserInfo, *, as_json: bool) -> None:
    from opsteward.cli import show

    if as_json:
        show.as_json(user)
    else:
        show.say(f"User {user['id']} ({user['username']}) is {user['status']}")

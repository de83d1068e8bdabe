"""`opsteward accounts excess` and what is done about it: access on a system that nobody gave here."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli import sync
from opsteward.cli.listing import Json

app = sync.accounts

Of = Annotated[str, typer.Argument(metavar="SYSTEM", help="Its name, or its id.")]
Why = Annotated[str, typer.Option(help="Why, for who reads it later.")]


@app.command("excess")
def excess(system: Of, as_json: Json = False) -> None:
    """Who has access by the system's access_role and not by enrolment or grant, as it says now."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import systems

    client = Client()
    found = client.send(systems.find_excess_access(id_of(client, "system", system)))
    if as_json:
        show.as_json(found)
        return
    rows = [{"login": one["login"], "user": one["status"] or "nobody"} for one in found["items"]]
    show.table(rows, ["login", "user"], empty="Nobody has access there that was not given here.", whole=("login",))


@app.command("remove-access")
def remove_access(
    system: Of,
    logins: Annotated[list[str], typer.Argument(help="Those that `accounts excess` shows.")],
    reason: Why = "",
    as_json: Json = False,
) -> None:
    """Ask for an approval to take access that is in excess."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.types import ActionView

    client = Client()
    path = f"/api/v1/systems/{id_of(client, 'system', system)}/excess-access/remove"
    asked = client.send(Call[ActionView]("POST", path, {"logins": logins, "reason": reason}))
    said = f"Asked to take the access of {len(logins)}. It waits for an approval: opsteward approvals list"
    show.done(asked, said, json_wanted=as_json)


@app.command("adopt-access")
def adopt_access(
    system: Of,
    login: Annotated[str, typer.Argument(help="One that `accounts excess` shows, and that is a user's name.")],
    reason: Why = "",
    as_json: Json = False,
) -> None:
    """Say that the access is right: the user of this name is given the system by a grant."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.types import GrantInfo

    client = Client()
    path = f"/api/v1/systems/{id_of(client, 'system', system)}/excess-access/adopt"
    given = client.send(Call[GrantInfo]("POST", path, {"login": login, "reason": reason}))
    show.done(given, f"{login} has {given['name']} by a grant now", json_wanted=as_json)

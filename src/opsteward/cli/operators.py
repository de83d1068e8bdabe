"""`opsteward tenants | operators | tokens`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit, Row

if TYPE_CHECKING:
    from opsteward.client.connection import Call

Created = TypeVar("Created", bound=Row)

tenants = typer.Typer(help="Tenants of this installation (platform operators).", no_args_is_help=True)
operators = typer.Typer(help="Who works with Opsteward in this tenant.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens.", no_args_is_help=True)

OperatorName = Annotated[str, typer.Argument(metavar="OPERATOR", help="The operator's name, or id.")]


@tenants.command("list")
def list_tenants(as_json: Json = False) -> None:
    """All tenants."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import administration

    client = Client()
    page = client.send(administration.list_tenants())
    if as_json:
        show.as_json(page)
    else:
        show.table(page["items"], ["name", "status", "created_at", "id"], empty="No tenant yet.")


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and -")],
    operator: Annotated[str, typer.Option(help="Name of its first operator, an owner.")] = "admin",
    as_json: Json = False,
) -> None:
    """Add a tenant with its first operator; the token is printed this once."""
    from opsteward.client.operations import administration

    _create(administration.create_tenant(name=name, operator=operator), as_json)


@operators.command("list")
def list_operators(
    role: Annotated[str | None, typer.Option(help="Only who has this role.")] = None,
    status: Annotated[str | None, typer.Option(help="active or inactive.")] = None,
    after: Annotated[str | None, typer.Option(help="Behind the operator of this name.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Operators of the tenant by name."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import administration

    show_pages(
        administration.list_operators,
        ["name", "roles", "status", "created_at", "id"],
        params={"role": role, "status": status, "after": after},
        empty="No operator is like that.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "name"),
        page_size=1000,
        whole=("status", "created_at"),
    )


@operators.command("create")
def create_operator(
    name: Annotated[str, typer.Argument(help="How the operator is called.")],
    role: Annotated[list[str], typer.Option(help="owner, admin, operator, approver, auditor, viewer; repeatable.")],
    as_json: Json = False,
) -> None:
    """Add an operator; then: opsteward operators password-link NAME, or tokens create --operator NAME."""
    from opsteward.client.operations import administration

    _create(administration.create_operator(name=name, roles=role), as_json)


@operators.command("set")
def change_operator(
    name: OperatorName,
    role: Annotated[list[str] | None, typer.Option(help="These roles instead; repeatable.")] = None,
    status: Annotated[str | None, typer.Option(help="inactive shuts out, active lets in again.")] = None,
    as_json: Json = False,
) -> None:
    """Other roles, or let in and out; ends their browser sessions."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.types import OperatorInfo

    client = Client()
    body = {"roles": role or None, "status": status}
    path = f"/api/v1/operators/{id_of(client, 'operator', name)}"
    changed = client.send(Call[OperatorInfo]("PUT", path, body))
    words = f"{changed['name']} is {changed['status']}, with {', '.join(changed['roles'])}"
    show.done(changed, words, json_wanted=as_json)


@operators.command("password-link")
def password_link(name: OperatorName, as_json: Json = False) -> None:
    """A link with which an operator sets a password, once, within an hour; printed this once."""
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import administration

    _create(administration.create_password_link(id_of(Client(), "operator", name)), as_json)


@operators.command("password")
def change_password() -> None:
    """Another password for yourself; asks for the old and the new one. Other browser sessions of yours end."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import administration

    old = typer.prompt("Old password", hide_input=True)
    new = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    Client().send(administration.change_password(old_password=old, new_password=new))
    show.say("Changed")


@tokens.command("list")
def list_tokens(
    before: Annotated[str | None, typer.Option(help="Older than the token of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """API tokens, newest first, without their secrets."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import administration

    show_pages(
        administration.list_tokens,
        ["id", "name", "operator", "created_at", "last_used_at", "expires_at", "revoked_at", "scopes", "issued_by"],
        params={"before": before},
        empty="No token yet: opsteward tokens create",
        limit=limit,
        every=every,
        as_json=as_json,
        page_size=1000,
        rows=lambda one: {**one, "issued_by": one["issuer"]["name"]},
    )


@tokens.command("create")
def create_token(
    operator: Annotated[str | None, typer.Option(help="For another operator, by name.")] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "api",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Limit it to a permission (users.read) or all of a room (users); repeatable."),
    ] = None,
    expires_in: Annotated[str | None, typer.Option(help="How long it is good: 90s, 30m, 12h or 7d.")] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires.")] = None,
    as_json: Json = False,
) -> None:
    """A new API token, printed this once."""
    from opsteward.cli.durations import seconds_of
    from opsteward.client.connection import Call
    from opsteward.client.types import IssuedToken

    seconds = None if expires_in is None else seconds_of(expires_in)
    body = {"operator": operator, "name": name, "scopes": scope or None, "expires_in": seconds, "days": days}
    given = {k: v for k, v in body.items() if v is not None}
    _create(Call[IssuedToken]("POST", "/api/v1/tokens", given), as_json)


@tokens.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its name, its id, or the end of it.")],
    as_json: Json = False,
) -> None:
    """End a token at once."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import administration

    client = Client()
    found = id_of(client, "token", token)
    client.send(administration.revoke_token(found))
    show.done({"id": found, "revoked": True}, "Revoked", json_wanted=as_json)


def _create(call: Call[Created], as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client

    answer = Client().send(call)
    if as_json:
        show.as_json(answer)
        return
    show.record(answer)

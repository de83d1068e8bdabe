"""`opsteward systems | tenants | operators | tokens | audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

systems = typer.Typer(help="The systems that are watched.", no_args_is_help=True)
tenants = typer.Typer(help="Tenants of this installation (platform operators).", no_args_is_help=True)
operators = typer.Typer(help="Who works with Opsteward in this tenant.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens.", no_args_is_help=True)
audit = typer.Typer(help="The audit log.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@systems.command("list")
def list_systems(as_json: Json = False) -> None:
    """All systems with their health."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    page = Client().get("/api/v1/systems")
    if as_json:
        show.as_json(page)
        return
    rows = [{**s, "health": s["health"]["status"], "checked_at": s["health"]["checked_at"]} for s in page["items"]]
    show.table(
        rows,
        ["name", "type", "health", "criticality", "endpoint", "checked_at", "id"],
        empty="No system is registered yet: opsteward systems register FILE",
    )


@systems.command("register")
def register_system(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A JSON file with one system or a list.")],
) -> None:
    """Register systems from a file; credentials stay out of the command line."""
    import json

    from opsteward.cli import show
    from opsteward.cli.client import Client

    found = json.loads(file.read_text(encoding="utf-8"))
    client = Client()
    for system in found if isinstance(found, list) else [found]:
        added = client.post("/api/v1/systems", system)
        show.say(f"Registered {added['name']} as {added['id']}")


@systems.command("remove")
def remove_system(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Forget a system and its credentials; its history stays."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    found = [s["id"] for s in client.get("/api/v1/systems")["items"] if s["name"].casefold() == name.casefold()]
    if not found:
        raise typer.BadParameter(f"no system is called {name}")
    client.delete(f"/api/v1/systems/{found[0]}")
    show.say(f"Removed {name}")


@tenants.command("list")
def list_tenants(as_json: Json = False) -> None:
    """All tenants."""
    _list("/api/v1/tenants", ["name", "status", "created_at", "id"], as_json)


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and -")],
    operator: Annotated[str, typer.Option(help="Name of its first operator, an owner.")] = "admin",
    as_json: Json = False,
) -> None:
    """Add a tenant with its first operator; the token is printed this once."""
    _create("/api/v1/tenants", {"name": name, "operator": operator}, as_json)


@operators.command("list")
def list_operators(as_json: Json = False) -> None:
    """All operators of the tenant."""
    _list("/api/v1/operators", ["name", "roles", "status", "created_at", "id"], as_json)


@operators.command("create")
def create_operator(
    name: Annotated[str, typer.Argument(help="How the operator is called.")],
    role: Annotated[list[str], typer.Option(help="owner, admin, operator, approver, auditor, viewer; repeatable.")],
    as_json: Json = False,
) -> None:
    """Add an operator; then: opsteward operators password-link NAME, or tokens create --operator NAME."""
    _create("/api/v1/operators", {"name": name, "roles": role}, as_json)


@operators.command("set")
def change_operator(
    name: Annotated[str, typer.Argument(help="How the operator is called.")],
    role: Annotated[list[str] | None, typer.Option(help="These roles instead; repeatable.")] = None,
    status: Annotated[str | None, typer.Option(help="inactive shuts out, active lets in again.")] = None,
) -> None:
    """Other roles, or let in and out; ends their browser sessions."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    client = Client()
    body = {"roles": role or None, "status": status}
    changed = client.put(f"/api/v1/operators/{_operator_id(client, name)}", body)
    show.say(f"{changed['name']} is {changed['status']}, with {', '.join(changed['roles'])}")


@operators.command("password-link")
def password_link(
    name: Annotated[str, typer.Argument(help="How the operator is called.")], as_json: Json = False
) -> None:
    """A link with which an operator sets a password, once, within an hour; printed this once."""
    from opsteward.cli.client import Client

    _create(f"/api/v1/operators/{_operator_id(Client(), name)}/password-link", {}, as_json)


@operators.command("password")
def change_password() -> None:
    """Another password for yourself; asks for the old and the new one. Other browser sessions of yours end."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    old = typer.prompt("Old password", hide_input=True)
    new = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    Client().put("/api/v1/me/password", {"old_password": old, "new_password": new})
    show.say("Changed")


@tokens.command("list")
def list_tokens(as_json: Json = False) -> None:
    """API tokens, without their secrets."""
    _list(
        "/api/v1/tokens",
        ["name", "operator_id", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at", "id"],
        as_json,
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
    seconds = None if expires_in is None else _seconds(expires_in)
    body = {"operator": operator, "name": name, "scopes": scope or None, "expires_in": seconds, "days": days}
    _create("/api/v1/tokens", {k: v for k, v in body.items() if v is not None}, as_json)


@tokens.command("revoke")
def revoke_token(token_id: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """End a token at once."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    Client().delete(f"/api/v1/tokens/{token_id}")
    show.say("Revoked")


@audit.command("list")
def list_audit(limit: Annotated[int, typer.Option(min=1, max=1000)] = 50, as_json: Json = False) -> None:
    """Newest first."""
    columns = ["seq", "at", "actor", "verb", "object_type", "object_id"]
    _list("/api/v1/audit", columns, as_json, limit=limit)


@audit.command("verify")
def verify_audit(as_json: Json = False) -> None:
    """Walk the whole chain, and what was seen of it outside the database; exit code 1 when an entry was altered, is
    missing or was added."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    verdict = Client(timeout=600).get("/api/v1/audit/verify")
    if as_json:
        show.as_json(verdict)
    else:
        for problem in verdict["problems"]:
            show.say(f"BROKEN  {show.plain(problem)}")
        word = "intact" if verdict["ok"] else "NOT intact"
        show.say(f"The audit log is {word}: {verdict['sealed']} sealed, {verdict['pending']} waiting for their seal")
        for one in verdict["witnesses"]:
            seen = f"it saw entry {one['newest']} last, at {one['newest_at']}" if one["newest"] else "it saw none yet"
            show.say(f"Witness {show.plain(one['name'])} agrees up to entry {one['agrees_to']}; {seen}")
    if not verdict["ok"]:
        raise typer.Exit(1)


def _operator_id(client: Any, name: str) -> str:
    found = [o["id"] for o in client.get("/api/v1/operators")["items"] if o["name"].casefold() == name.casefold()]
    if not found:
        raise typer.BadParameter(f"no operator is called {name}")
    return str(found[0])


def _seconds(text: str) -> int:
    number, unit = text[:-1], {"s": 1, "m": 60, "h": 3600, "d": 86_400}.get(text[-1:])
    if unit is None or not (number.isascii() and number.isdigit()):
        raise typer.BadParameter(f"{text} is no time: use 90s, 30m, 12h or 7d")
    return int(number) * unit


def _list(path: str, columns: list[str], as_json: bool, **params: Any) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client

    page = Client().get(path, **params)
    if as_json:
        show.as_json(page)
    else:
        show.table(page["items"], columns, empty="None yet.")


def _create(path: str, body: dict[str, Any], as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.client import Client

    answer = Client().post(path, body)
    if as_json:
        show.as_json(answer)
        return
    for key, value in answer.items():
        show.say(f"{key:14} {show.plain(value)}")

"""What a person calls a thing, to its id: its name, its id, or an end or a beginning of its id that is its alone.

One way for all commands; the instance looks, each of its lists by `ref`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from opsteward.cli.failures import Failure, joined

if TYPE_CHECKING:
    from opsteward.cli.client import Client
    from opsteward.client.connection import Page

_CANDIDATES = 10
Thing = Mapping[str, object]


@dataclass(frozen=True)
class Kind:
    """Where things of a kind are listed, how one differs from others, and the command that lists them."""

    path: str
    described: Callable[[Thing], str]
    command: str
    key: str = "id"


KINDS = {
    "user": Kind("/api/v1/users", lambda one: f"{one['username']} ({one['email'] or one['full_name']})", "users list"),
    "enrollment": Kind("/api/v1/enrollments", lambda one: f"{one['username']}, {one['status']}", "enrollments list"),
    "import": Kind("/api/v1/users/imports", lambda one: str(one["created_at"]), "users imports", key="job_id"),
    "task": Kind("/api/v1/tasks", lambda one: f"{one['name']}, {one['status']}", "tasks list"),
    "schedule": Kind("/api/v1/schedules", lambda one: str(one["name"]), "schedules list"),
    "system": Kind("/api/v1/systems", lambda one: str(one["name"]), "systems list"),
    "operator": Kind("/api/v1/operators", lambda one: str(one["name"]), "operators list"),
    "token": Kind("/api/v1/tokens", lambda one: f"{one['name']}, {_until(one)}", "tokens list"),
    "approval": Kind(
        "/api/v1/approvals", lambda one: f"{one['action']}, {one['status']}", "approvals list --status all"
    ),
    "freeze": Kind("/api/v1/freezes", lambda one: str(one["action"]), "freezes list"),
    "incident": Kind("/api/v1/incidents", lambda one: f"{one['number']} {one['title']}", "incidents list"),
    "sync mapping": Kind("/api/v1/sync-mappings", lambda one: str(one["name"]), "sync mappings"),
    "sync": Kind("/api/v1/sync-operations", lambda one: f"{one['status']}, {one['started_at']}", "sync status"),
    "saga": Kind("/api/v1/sagas", lambda one: f"{one['name']}, {one['status']}", "sagas list"),
    "agent": Kind("/api/v1/agents", lambda one: str(one["name"]), "agents list"),
}


def id_of(client: Client, kind: str, given: str) -> str:
    """The id of the one thing that is called so. Raises Failure for none, and for several with all of them."""
    try:
        return str(UUID(given))
    except ValueError:
        pass
    from opsteward.client.connection import Call

    of = KINDS[kind]
    params = {"status": "all"} if kind == "approval" else {}
    call: Call[Page[Thing]] = Call("GET", of.path, params={"ref": given, "limit": _CANDIDATES + 1, **params})
    found = client.items_of(client.send(call)) if given else []
    if len(found) == 1:
        return str(found[0][of.key])
    if not found:
        raise Failure(joined(f"{kind}: there is none called {given!r}", f"see 'opsteward {of.command}'"))
    some = "; ".join(f"{one[of.key]} is {of.described(one)}" for one in found[:_CANDIDATES])
    more = "; and more" if len(found) > _CANDIDATES else ""
    raise Failure(joined(f"{kind}: {given!r} may be several: {some}{more}", "give the id of one"))


def _until(token: Thing) -> str:
    return "revoked" if token["revoked_at"] else f"made {str(token['created_at'])[:10]}"


def one_of(things: Iterable[Mapping[str, object]], given: str, *, what: str, command: str) -> str:
    """The id of the one of these that is called so, by name or an end of its id. Raises Failure."""
    part = given.lower().lstrip(".")
    every = list(things)
    found = [one for one in every if one.get("name") == given] or [
        one for one in every if part and str(one["id"]).endswith(part)
    ]
    if len(found) != 1:
        problem = f"there is no such {what}" if not found else "several are called so"
        raise Failure(f"{given}: {problem}: opsteward {command}")
    return str(found[0]["id"])

"""`opsteward sources dsn`: DSNs for applications that report through a Sentry SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.cli.client import Client

app = typer.Typer(help="Applications that report through a Sentry SDK.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Its name, or its id.")]


@app.command("list")
def list_projects(limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """The applications with a DSN, newest first."""
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/sentry-projects",
        ["name", "number", "last_used_at", "previous_until", "created_at", "id"],
        empty="No application has a DSN yet: opsteward sources dsn create NAME",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("name", "last_used_at"),
    )


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The application: the source of its events, and its system's name.")],
    as_json: Json = False,
) -> None:
    """A DSN for an application; it is shown this once."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    made = Client().post("/api/v1/sentry-projects", {"name": name})
    show.done(made, f"{name} reports here once its DSN is:\n{made['dsn']}", json_wanted=as_json)


@app.command("rotate")
def rotate(
    project: Project,
    grace: Annotated[str, typer.Option(help="So long the old DSN is still taken: 0s, 2h, 7d.")] = "1d",
    as_json: Json = False,
) -> None:
    """A new DSN in the place of the old one."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.durations import seconds_of

    client = Client()
    path = f"/api/v1/sentry-projects/{_id_of(client, project)}/rotate"
    made = client.post(path, {"grace": int(seconds_of(grace))})
    show.done(
        made, f"The new DSN of {project}; the old one is taken for {grace} more:\n{made['dsn']}", json_wanted=as_json
    )


@app.command("remove")
def remove(project: Project, as_json: Json = False) -> None:
    """Take nothing by its DSN any more; what it reported stays."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import sources as requests

    client = Client()
    found = _id_of(client, project)
    client.send(requests.remove_sentry_project(found))
    show.done({"id": found, "removed": True}, "Removed", json_wanted=as_json)


def _id_of(client: Client, project: str) -> str:
    from opsteward.cli.failures import Failure

    items = client.get("/api/v1/sentry-projects")["items"]
    found = next((one["id"] for one in items if project in (one["name"], one["id"], str(one["number"]))), None)
    if found is None:
        raise Failure(f"there is no project {project[:40]!r}; see `opsteward sources dsn list`")
    return str(found)

"""`opsteward freezes`: what did not help and is not tried again for a while."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

app = typer.Typer(help="Actions that did not help, and are not tried again for a while.", no_args_is_help=True)


@app.command("list")
def list_freezes(
    over: Annotated[bool, typer.Option("--over", help="Instead those that ended or were lifted, and by whom.")] = False,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What is not tried at present, because it did not help."""
    from opsteward.cli.actors import told
    from opsteward.cli.listing import show_list

    show_list(
        "/api/v1/freezes",
        ["id", "action", "until", *(["lifted_at", "lifted_by"] if over else []), "asked_by", "reason"],
        params={"over": over or None},
        empty="No freeze is over yet." if over else "Nothing is frozen.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("until",),
        rows=lambda one: {**one, "asked_by": told(one["requester"]), "lifted_by": told(one["lifter"])},
    )


@app.command("lift")
def lift_freeze(
    freeze: Annotated[str, typer.Argument(help="Its id, or the end of it that the list shows.")],
    as_json: Json = False,
) -> None:
    """Allow the action on that target again."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    found = id_of(client, "freeze", freeze)
    client.post(f"/api/v1/freezes/{found}/lift")
    show.done({"id": found, "lifted": True}, "Lifted", json_wanted=as_json)

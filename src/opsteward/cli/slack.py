"""`opsteward slack`: the Slack app whose buttons act here, and whose presses are whose."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import Json

app = typer.Typer(help="Buttons in Slack: approve, refuse, acknowledge.", no_args_is_help=True)


@app.command("connect")
def connect(
    name: Annotated[str, typer.Argument(help="What the app is called here.")] = "slack",
    as_json: Json = False,
) -> None:
    """Believe presses that a Slack app signs. Its signing secret is asked for, or read from standard input."""
    import sys

    from opsteward.cli import show
    from opsteward.cli.client import Client

    ask = sys.stdin.isatty()
    secret = typer.prompt("Signing secret of the app", hide_input=True) if ask else sys.stdin.readline().strip()
    client = Client()
    made = client.post("/api/v1/webhooks", {"kind": "slack", "name": name, "secret": secret})
    told = (
        "Connected. In the app's page Interactivity, set the Request URL to the address of Opsteward and /webhook/slack"
    )
    show.done({"id": made["id"]}, told, json_wanted=as_json)


@app.command("link")
def link(
    user: Annotated[str, typer.Argument(help="The user's id in Slack, like U012AB3CD.")],
    team: Annotated[str, typer.Option(help="The workspace's id in Slack, like T012AB3CD.")],
    operator: Annotated[str | None, typer.Option(help="The operator who it is; oneself, if none.")] = None,
    as_json: Json = False,
) -> None:
    """Let what this user presses be done by an operator; `opsteward tokens revoke` ends it."""
    from opsteward.cli import show
    from opsteward.cli.client import Client

    made = Client().post("/api/v1/slack/people", {"user": user, "team": team, "operator": operator})
    show.done(made, f"Linked by the token {made['token_id']}", json_wanted=as_json)

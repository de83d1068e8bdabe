"""`opsteward open`: a way into the console of the running instance."""

from __future__ import annotations

from typing import Annotated

import typer

from opsteward.cli.listing import Json


def open_console(
    browser: Annotated[bool, typer.Option("--browser", help="Open it in a browser too.")] = False,
    as_json: Json = False,
) -> None:
    """Print a link that signs you in to the console: it works once, within 15 minutes, as who your token is."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import administration

    made = Client().send(administration.create_sign_in_link())
    show.done(made, made["url"], json_wanted=as_json)
    if browser and not _opened(made["url"]):
        show.note("no browser could be opened here: follow the link in one that reaches this address")


def _opened(url: str) -> bool:
    """Whether a browser of a desktop took it; none of a terminal, which would take this one over."""
    import os
    import sys
    import webbrowser

    desktop = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not (desktop and sys.stdout.isatty()):
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False

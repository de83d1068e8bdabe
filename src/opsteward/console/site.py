"""The application that serves the pages. Importing this imports NiceGUI."""

from __future__ import annotations

from contextlib import suppress

from fastapi import FastAPI
from nicegui import Client, ui

from opsteward.console import frame
from opsteward.console.gate import IDENTITY
from opsteward.console.pages import (
    imports,
    review,
    reviews,
    user,
)
from opsteward.console.services import ConsoleServices

_RECONNECT = 20.0  # seconds that a page whose connection broke (a phone asleep) may take to come back as it was


def operators_of_live_pages() -> list[str]:
    """The id of the operator of each page that is open, or was a moment ago."""
    found = []
    for client in Client.instances.values():
        with suppress(RuntimeError):  # one of the library's own, that nobody asked for
            if identity := client.request.scope.get(IDENTITY):
                found.append(str(identity.operator_id))
    return found


def build(services: ConsoleServices) -> FastAPI:
    """The application with all pages, to be run within its own lifespan. Once in a process: NiceGUI is global."""
    frame.share_style()
    imports.install(services)  # before the page of one user, whose address holds any word
    user.install(services)
    reviews.install(services)
    review.install(services)
    host = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    ui.run_with(
        host,
        title="Opsteward",
        favicon=frame.FAVICON,
        dark=None,  # as the system says
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,  # we bind nothing that would have to be polled
        reconnect_timeout=_RECONNECT,
        show_welcome_message=False,
    )
    return host

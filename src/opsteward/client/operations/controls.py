"""What each route about controls is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call

if TYPE_CHECKING:
    from typing import Unpack

    from opsteward.client import types


def list_pauses() -> Call[types.Pauses]:
    """The pauses in force for this tenant."""
    return Call("GET", "/api/v1/controls")


def pause_part(**fields: Unpack[types.ControlIn]) -> Call[types.PauseInfo]:
    """Begin nothing new of this from now on; what runs waits before its next step."""
    return Call("POST", "/api/v1/controls/pause", fields)


def resume_part(**fields: Unpack[types.ControlIn]) -> Call[None]:
    """Go on where it was paused."""
    return Call("POST", "/api/v1/controls/resume", fields)


def pause_everything(**fields: Unpack[types.EverythingIn]) -> Call[types.PauseInfo]:
    """Stop the whole installation, all tenants: for platform operators."""
    return Call("POST", "/api/v1/controls/everything/pause", fields)


def resume_everything(**fields: Unpack[types.EverythingIn]) -> Call[None]:
    """The whole installation goes on, but for what is paused by itself."""
    return Call("POST", "/api/v1/controls/everything/resume", fields)

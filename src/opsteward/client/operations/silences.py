"""What each route about silences is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types


def create_silence(**fields: Unpack[types.SilenceIn]) -> Call[types.SilenceView]:
    """Keep what matches quiet until an instant: it is recorded and shown, nothing is done and nobody told."""
    return Call("POST", "/api/v1/silences", fields)


def list_silences(
    *, status: Literal["pending", "active", "expired"] | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.SilenceView]]:
    """Newest first, with those that are over."""
    return Call("GET", "/api/v1/silences", params={"status": status, "after": after, "limit": limit})


def preview_silence(**fields: Unpack[types.SilencesPreviewIn]) -> Call[types.SilencePreview]:
    """How many open incidents it would keep quiet."""
    return Call("POST", "/api/v1/silences/preview", fields)


def end_silence(silence_id: str | UUID) -> Call[types.SilenceView]:
    """End it now: what it kept quiet and is open still is done and told."""
    return Call("POST", f"/api/v1/silences/{path_id(silence_id)}/end")


def create_inhibition(**fields: Unpack[types.InhibitionIn]) -> Call[types.InhibitionView]:
    """A rule by which one trouble keeps what follows from it quiet."""
    return Call("POST", "/api/v1/inhibitions", fields)


def list_inhibitions(*, removed: bool | None = None) -> Call[Page[types.InhibitionView]]:
    """Newest first."""
    return Call("GET", "/api/v1/inhibitions", params={"removed": removed})


def remove_inhibition(inhibition_id: str | UUID) -> Call[types.InhibitionView]:
    """It keeps nothing quiet any more."""
    return Call("POST", f"/api/v1/inhibitions/{path_id(inhibition_id)}/remove")

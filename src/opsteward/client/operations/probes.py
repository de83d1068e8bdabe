"""What each route about probes is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call
from opsteward.core.json_types import Json

if TYPE_CHECKING:
    pass


def livez() -> Call[dict[str, str]]:
    """The process runs"""
    return Call("GET", "/livez")


def readyz() -> Call[Json]:
    """All parts are up"""
    return Call("GET", "/readyz")

"""What each route about metrics is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call

if TYPE_CHECKING:
    pass


def metrics() -> Call[str]:
    """The metrics of this process and of the installation's database, in Prometheus' text format."""
    return Call("GET", "/metrics", text=True)

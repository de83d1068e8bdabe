"""What each route about sagas is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def start_saga(**fields: Unpack[types.SagaIn]) -> Call[types.Saga]:
    """Ask for the approval of these changes; once approved they are made, all of them or none."""
    return Call("POST", "/api/v1/sagas", fields)


def list_sagas(
    *, ref: str | None = None, before: str | None = None, limit: int | None = None
) -> Call[Page[types.Saga]]:
    """Newest first; `before`: `next` of the page before."""
    return Call("GET", "/api/v1/sagas", params={"ref": ref, "before": before, "limit": limit})


def get_saga(saga_id: str | UUID) -> Call[types.Saga]:
    """One saga: its steps, the records before them, and what came of each."""
    return Call("GET", f"/api/v1/sagas/{path_id(saga_id)}")

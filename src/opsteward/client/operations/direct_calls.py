"""What each route about direct calls is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def list_direct_calls() -> Call[types.DirectCallsOut]:
    """The calls that there are. Their systems are looked for by name, when they are run."""
    return Call("GET", "/api/v1/direct-calls")


def run_direct_call(call_name: str | UUID, **fields: Unpack[types.CallIn]) -> Call[types.CallRows]:
    """The rows of one call on the tenant's own system. Nothing is changed there."""
    return Call("POST", f"/api/v1/direct-calls/{path_id(call_name)}", fields)

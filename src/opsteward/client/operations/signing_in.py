"""What each route about signing in is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call

if TYPE_CHECKING:
    from typing import Unpack

    from opsteward.client import types


def sign_in(**fields: Unpack[types.SignInIn]) -> Call[types.SignedIn]:
    """Gives a browser session as a cookie. The same 401 for a wrong password and an unknown operator; 429 with
    `Retry-After` after some failures of that name, or from that address."""
    return Call("POST", "/api/v1/sign-in", fields)

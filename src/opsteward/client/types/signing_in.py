"""What the API takes and answers about signing in, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class SignInIn(TypedDict):
    """An operator's name, whatever its case, and password."""

    name: str
    password: str
    tenant: NotRequired[str]


class SignedIn(TypedDict):
    """Who has signed in, and until when; the session itself is in the cookie."""

    operator: str
    operator_id: str
    tenant: str
    roles: list[str]
    expires_at: str | None

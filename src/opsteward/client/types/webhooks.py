"""What the API takes and answers about webhooks, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class NewWebhook(TypedDict):
    """The only time the secret is seen."""

    id: str
    secret: str


class WebhookIn(TypedDict):
    """A sender to come."""

    kind: str
    name: str
    secret: NotRequired[str | None]


class WebhookInfo(TypedDict):
    """A sender without its secret."""

    id: str
    kind: str
    name: str
    created_by: str
    created_at: str
    revoked_at: str | None

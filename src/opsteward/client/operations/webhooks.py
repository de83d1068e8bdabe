"""What each route about webhooks is asked, written from the OpenAPI document by
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


def list_webhooks() -> Call[Page[types.WebhookInfo]]:
    """The senders, newest first, without their secrets."""
    return Call("GET", "/api/v1/webhooks")


def create_webhook(**fields: Unpack[types.WebhookIn]) -> Call[types.NewWebhook]:
    """A new sender; its secret is seen this once."""
    return Call("POST", "/api/v1/webhooks", fields)


def revoke_webhook(webhook_id: str | UUID) -> Call[None]:
    """Take nothing from a sender any more."""
    return Call("DELETE", f"/api/v1/webhooks/{path_id(webhook_id)}")

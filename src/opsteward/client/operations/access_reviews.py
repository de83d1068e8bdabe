"""What each route about access reviews is asked, written from the OpenAPI document by
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


def start_review(**fields: Unpack[types.ReviewIn]) -> Call[types.ReviewInfo]:
    """Begin a campaign: it lists what everybody has now."""
    return Call("POST", "/api/v1/access-reviews", fields)


def list_reviews(*, before: str | None = None, limit: int | None = None) -> Call[Page[types.ReviewInfo]]:
    """Newest first."""
    return Call("GET", "/api/v1/access-reviews", params={"before": before, "limit": limit})


def get_review(review_id: str | UUID) -> Call[types.ReviewInfo]:
    """One campaign with its counts."""
    return Call("GET", f"/api/v1/access-reviews/{path_id(review_id)}")


def list_review_items(
    review_id: str | UUID,
    *,
    search: str | None = None,
    kind: Literal["permission", "system"] | None = None,
    name: str | None = None,
    decision: Literal["open", "keep", "revoke"] | None = None,
    undecided: bool | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.ReviewItemInfo]]:
    """Who has what. `search`: a part of a username, an address or a full name; `name`: of a permission or a system;
    `decision`: what is `open`, or decided so (`undecided=true` is `open` too)."""
    return Call(
        "GET",
        f"/api/v1/access-reviews/{path_id(review_id)}/items",
        params={
            "search": search,
            "kind": kind,
            "name": name,
            "decision": decision,
            "undecided": undecided,
            "after": after,
            "limit": limit,
        },
    )


def decide_review_items(review_id: str | UUID, **fields: Unpack[types.DecisionsIn]) -> Call[types.ReviewInfo]:
    """Keep or revoke; what is revoked is taken at once, from this user alone, and given back when it is kept after
    all (`instead_of`)."""
    return Call("POST", f"/api/v1/access-reviews/{path_id(review_id)}/decisions", fields)


def close_review(review_id: str | UUID) -> Call[types.ReviewInfo]:
    """End it; what is undecided is kept, and says so."""
    return Call("POST", f"/api/v1/access-reviews/{path_id(review_id)}/close")

"""What each route about syncs is asked, written from the OpenAPI document by
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


def sync_system(system_id: str | UUID, **fields: Unpack[types.SyncBetween]) -> Call[types.SyncOperation]:
    """Bring another system in step with this one, by the mapping from this one to it."""
    return Call("POST", f"/api/v1/systems/{path_id(system_id)}/sync", fields)


def keep_sync_mapping(**fields: Unpack[types.MappingIn]) -> Call[types.MappingView]:
    """Add a mapping, or change the one of this name."""
    return Call("POST", "/api/v1/sync-mappings", fields)


def list_sync_mappings(
    *, ref: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.MappingView]]:
    """By name; `after`: `next` of the page before."""
    return Call("GET", "/api/v1/sync-mappings", params={"ref": ref, "after": after, "limit": limit})


def get_sync_mapping(mapping_id: str | UUID) -> Call[types.MappingView]:
    """One mapping."""
    return Call("GET", f"/api/v1/sync-mappings/{path_id(mapping_id)}")


def remove_sync_mapping(mapping_id: str | UUID) -> Call[None]:
    """Forget a mapping; both systems stay as they are."""
    return Call("DELETE", f"/api/v1/sync-mappings/{path_id(mapping_id)}")


def run_sync_mapping(mapping_id: str | UUID, **fields: Unpack[types.SyncOptions]) -> Call[types.SyncOperation]:
    """Begin a sync of this mapping."""
    return Call("POST", f"/api/v1/sync-mappings/{path_id(mapping_id)}/run", fields)


def list_sync_orphans(
    mapping_id: str | UUID, *, after: str | None = None, limit: int | None = None
) -> Call[Page[types.Orphan]]:
    """Accounts of the target that nobody in the source stands for, as last read."""
    return Call("GET", f"/api/v1/sync-mappings/{path_id(mapping_id)}/orphans", params={"after": after, "limit": limit})


def list_dormant_accounts(
    mapping_id: str | UUID, *, after: str | None = None, limit: int | None = None
) -> Call[Page[types.DormantAccount]]:
    """Accounts of the target that are switched on and were not used for `dormant_days`, as last read."""
    return Call(
        "GET", f"/api/v1/sync-mappings/{path_id(mapping_id)}/dormant-accounts", params={"after": after, "limit": limit}
    )


def remove_sync_orphans(mapping_id: str | UUID, **fields: Unpack[types.OrphansIn]) -> Call[types.SyncOperation]:
    """Ask for an approval to disable or delete orphan accounts, or to disable dormant ones."""
    return Call("POST", f"/api/v1/sync-mappings/{path_id(mapping_id)}/orphans/remove", fields)


def adopt_sync_orphan(mapping_id: str | UUID, **fields: Unpack[types.Adoption]) -> Call[None]:
    """Say whose account an orphan is; the next sync keeps the two in step."""
    return Call("POST", f"/api/v1/sync-mappings/{path_id(mapping_id)}/orphans/adopt", fields)


def list_sync_operations(
    *, mapping_id: str | None = None, ref: str | None = None, before: str | None = None, limit: int | None = None
) -> Call[Page[types.SyncOperation]]:
    """Newest first; `before`: `next` of the page before."""
    return Call(
        "GET",
        "/api/v1/sync-operations",
        params={"mapping_id": mapping_id, "ref": ref, "before": before, "limit": limit},
    )


def get_sync_operation(operation_id: str | UUID) -> Call[types.SyncOperation]:
    """One sync: its plan in numbers, and what came of it."""
    return Call("GET", f"/api/v1/sync-operations/{path_id(operation_id)}")


def list_sync_changes(
    operation_id: str | UUID, *, outcome: str | None = None, after: int | None = None, limit: int | None = None
) -> Call[Page[types.SyncChange]]:
    """Record by record, before and after; `after`: `next` of the page before."""
    return Call(
        "GET",
        f"/api/v1/sync-operations/{path_id(operation_id)}/changes",
        params={"outcome": outcome, "after": after, "limit": limit},
    )


def undo_sync(operation_id: str | UUID) -> Call[types.SyncOperation]:
    """Ask for an approval to take back all that a sync wrote. The schedule of its mapping stops."""
    return Call("POST", f"/api/v1/sync-operations/{path_id(operation_id)}/undo")


def list_sync_conflicts(
    *, mapping_id: str | None = None, decided: bool | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.SyncConflict]]:
    """What a person has to decide."""
    return Call(
        "GET",
        "/api/v1/sync-conflicts",
        params={"mapping_id": mapping_id, "decided": decided, "after": after, "limit": limit},
    )


def decide_sync_conflict(conflict_id: str | UUID, **fields: Unpack[types.ConflictDecision]) -> Call[types.SyncConflict]:
    """Decide one; the next sync does as decided."""
    return Call("POST", f"/api/v1/sync-conflicts/{path_id(conflict_id)}/decide", fields)

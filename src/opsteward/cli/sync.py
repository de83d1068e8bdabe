"""`opsteward sync` and `opsteward accounts`: records of two systems kept in step, and orphan accounts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.cli.client import Client
    from opsteward.client.types import SyncOperation

app = typer.Typer(help="Records of two systems kept in step.", no_args_is_help=True)
accounts = typer.Typer(help="Accounts of systems that nobody in the source stands for.", no_args_is_help=True)

Mapped = Annotated[str, typer.Argument(metavar="MAPPING", help="Its name, or its id.")]
Which = Annotated[str, typer.Argument(metavar="SYNC", help="Its id, or the end of it that the list shows.")]
Full = Annotated[bool, typer.Option("--full", help="Read both sides whole, not only what changed.")]
MaxDeletions = Annotated[
    int | None, typer.Option(min=0, help="So many records may be removed this time; all are never removed.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Don't wait for the plan.")]
_ENDS_WAIT = frozenset({"planning", "applying"})
_LOOK_EVERY = 0.5  # seconds


@app.command("mappings")
def list_mappings(limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """Which lists are kept in step, by name."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import syncs

    show_pages(
        syncs.list_sync_mappings,
        ["name", "from", "to", "policy", "missing", "next_at", "id"],
        empty="There is no sync mapping yet: opsteward sync apply FILE",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "name"),
        rows=lambda one: {
            **one,
            "from": one["definition"]["source_resource"],
            "to": one["definition"]["target_resource"],
            "policy": one["definition"].get("policy", "source"),
            "missing": one["definition"].get("missing", "disable"),
        },
    )


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="JSON with one mapping or a list; source and target by their names.")],
    as_json: Json = False,
) -> None:
    """Add mappings, or change those of the same names."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.input_files import read_objects
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.types import MappingView

    client, kept = Client(), list[MappingView]()
    for _, given in read_objects(file):
        body = dict(given)
        for side in ("source", "target"):
            if side in body:
                body[f"{side}_id"] = id_of(client, "system", str(body.pop(side)))
        kept.append(client.send(Call[MappingView]("POST", "/api/v1/sync-mappings", body)))
    show.done(kept, "\n".join(f"Keeps {one['name']} ({one['id']})" for one in kept), json_wanted=as_json)


@app.command("remove")
def remove(mapping: Mapped, as_json: Json = False) -> None:
    """Forget a mapping; both systems stay as they are."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import syncs

    client = Client()
    found = id_of(client, "sync mapping", mapping)
    client.send(syncs.remove_sync_mapping(found))
    show.done({"id": found, "removed": True}, "Removed", json_wanted=as_json)


@app.command("plan")
def plan(mapping: Mapped, full: Full = False, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Show what a sync would change, and change nothing."""
    _begin(mapping, {"dry_run": True, "sync_type": _kind(full)}, wait=not no_wait, as_json=as_json)


@app.command("run")
def run(
    mapping: Mapped,
    full: Full = False,
    max_deletions: MaxDeletions = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Plan a sync and, approved, carry it out."""
    options: dict[str, object] = {"sync_type": _kind(full)}
    if max_deletions is not None:
        options["max_deletions"] = max_deletions
    _begin(mapping, options, wait=not no_wait, as_json=as_json)


def _kind(full: bool) -> str:
    return "full" if full else "incremental"


def _begin(mapping: str, options: Mapping[str, object], *, wait: bool, as_json: bool) -> None:
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.types import SyncOperation

    client = Client()
    path = f"/api/v1/sync-mappings/{id_of(client, 'sync mapping', mapping)}/run"
    begun = client.send(Call[SyncOperation]("POST", path, options))
    _show(client, _ended(client, begun) if wait else begun, as_json=as_json)


def _ended(client: Client, operation: SyncOperation) -> SyncOperation:
    """Once it is neither planned nor written, nor about to be written without anybody's approval."""
    import time

    from opsteward.client.operations import syncs

    while operation["status"] in _ENDS_WAIT or _is_on_its_way(client, operation):
        time.sleep(_LOOK_EVERY)
        operation = client.send(syncs.get_sync_operation(operation["id"]))
    return operation


def _is_on_its_way(client: Client, operation: SyncOperation) -> bool:
    """Whether its action has not come to a person yet: by `approval: auto` it never does."""
    from opsteward.client.operations import actions

    if operation["status"] != "awaiting_approval" or operation["action_id"] is None:
        return False
    return client.send(actions.get_action(operation["action_id"]))["status"] != "awaiting_approval"


def _show(client: Client, operation: SyncOperation, *, as_json: bool) -> None:
    from opsteward.cli import show

    if as_json:
        show.as_json(operation)
        return
    show.record({key: value for key, value in operation.items() if key not in ("counts", "samples", "notes")})
    counts = {name: count for name, count in operation["counts"].items() if not name.startswith("field:")}
    if counts:
        show.say("")
        show.record(counts)
    rows = [
        {"field": name, "changes": operation["counts"].get(f"field:{name}"), **sample}
        for name, samples in operation["samples"].items()
        for sample in samples
    ]
    if rows:
        show.say("")
        show.table(rows, ["field", "changes", "key", "before", "after"], empty="")
    for note in operation["notes"]:
        show.note(note)
    if operation["status"] == "awaiting_approval":
        show.note("It waits for an approval: opsteward approvals list")


@app.command("status")
def status(
    sync: Annotated[str | None, typer.Argument(metavar="SYNC", help="One sync, by its id.")] = None,
    mapping: Annotated[str | None, typer.Option(help="Only of this mapping.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """The last syncs, or one of them with its plan."""
    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import syncs

    client = Client()
    if sync is not None:
        found = client.send(syncs.get_sync_operation(id_of(client, "sync", sync)))
        _show(client, found, as_json=as_json)
        return
    show_pages(
        syncs.list_sync_operations,
        ["id", "status", "sync_type", "dry_run", "started_at", "ended_at", "error"],
        params={"mapping_id": id_of(client, "sync mapping", mapping)} if mapping else None,
        empty="Nothing was synced yet: opsteward sync run MAPPING",
        limit=limit,
        every=every,
        as_json=as_json,
        whole=("status",),
    )


@app.command("changes")
def changes(
    sync: Which,
    outcome: Annotated[str | None, typer.Option(help="Only those: done, refused, failed, conflict, ...")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Record by record, before and after."""
    from functools import partial

    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import syncs

    show_pages(
        partial(syncs.list_sync_changes, id_of(Client(), "sync", sync)),
        ["number", "side", "operation", "key", "before", "after", "outcome", "problem"],
        params={"outcome": outcome},
        empty="This sync changes nothing.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "number"),
        whole=("outcome",),
    )


@app.command("undo")
def undo(sync: Which, as_json: Json = False) -> None:
    """Take back all that a sync wrote, once it is approved. The schedule of its mapping stops."""
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import syncs

    client = Client()
    _show(client, client.send(syncs.undo_sync(id_of(client, "sync", sync))), as_json=as_json)


@app.command("conflicts")
def conflicts(
    mapping: Annotated[str | None, typer.Option(help="Only of this mapping.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What a person has to decide: opsteward sync decide CONFLICT source|target."""
    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import syncs

    show_pages(
        syncs.list_sync_conflicts,
        ["id", "kind", "source_native_id", "target_native_id", "field", "source_value", "target_value"],
        params={"mapping_id": id_of(Client(), "sync mapping", mapping)} if mapping else None,
        empty="Nothing waits for a decision.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("id",),
    )


@app.command("decide")
def decide(
    conflict: Annotated[str, typer.Argument(help="Its whole id.")],
    choice: Annotated[str, typer.Argument(help="source or target; of a match: same or separate.")],
    as_json: Json = False,
) -> None:
    """Decide a conflict; the next sync does as decided."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.failures import Failure
    from opsteward.client.connection import Call, path_id
    from opsteward.client.types import SyncConflict

    try:
        path = f"/api/v1/sync-conflicts/{path_id(conflict)}/decide"
    except ValueError as error:
        raise Failure(f"conflict: {error}") from None
    decided = Client().send(Call[SyncConflict]("POST", path, {"choice": choice}))
    show.done(decided, f"Decided: {choice}", json_wanted=as_json)


@accounts.command("orphans")
def orphans(mapping: Mapped, limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """Accounts of the target that nobody in the source stands for, as last read."""
    from functools import partial

    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import syncs

    show_pages(
        partial(syncs.list_sync_orphans, id_of(Client(), "sync mapping", mapping)),
        ["native_id", "key", "active", "changed_at", "fields"],
        empty="Everybody there is known.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "native_id"),
        whole=("native_id",),
    )


@accounts.command("dormant")
def dormant(mapping: Mapped, limit: Limit = LIMIT, every: All = False, as_json: Json = False) -> None:
    """Accounts of the target that were not used for long, as last read, by `last_used` of the mapping."""
    from functools import partial

    from opsteward.cli.client import Client
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import syncs

    show_pages(
        partial(syncs.list_dormant_accounts, id_of(Client(), "sync mapping", mapping)),
        ["native_id", "key", "used_at", "is_owned", "active", "fields"],
        empty="Nobody there is known to have been away for long.",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "native_id"),
        whole=("native_id", "used_at"),
    )


@accounts.command("remove")
def remove_orphans(
    mapping: Mapped,
    native_ids: Annotated[list[str], typer.Argument(help="By the ids that the lists of them show.")],
    delete: Annotated[bool, typer.Option("--delete", help="Delete them, instead of disabling them.")] = False,
    as_json: Json = False,
) -> None:
    """Ask for an approval to disable or delete orphans, or to disable dormant accounts."""
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.connection import Call
    from opsteward.client.types import SyncOperation

    client = Client()
    path = f"/api/v1/sync-mappings/{id_of(client, 'sync mapping', mapping)}/orphans/remove"
    body = {"native_ids": native_ids, "how": "delete" if delete else "disable"}
    _show(client, client.send(Call[SyncOperation]("POST", path, body)), as_json=as_json)


@accounts.command("adopt")
def adopt(
    mapping: Mapped,
    target: Annotated[str, typer.Argument(help="The orphan, by its id.")],
    source: Annotated[str, typer.Argument(help="Whose account it is: the id in the source.")],
    as_json: Json = False,
) -> None:
    """Say whose account an orphan is; the next sync keeps the two in step."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of

    client = Client()
    path = f"/api/v1/sync-mappings/{id_of(client, 'sync mapping', mapping)}/orphans/adopt"
    body = {"source_native_id": source, "target_native_id": target}
    client.post(path, body)
    show.done(body, "Adopted", json_wanted=as_json)

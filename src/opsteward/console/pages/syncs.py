"""Syncs: which lists are kept in step, what waits for a decision, orphan accounts; one sync with its plan as a diff."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import N_, _, ngettext
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.console.sync_rows import OperationRow, diff_of, in_words, mapping_rows
from opsteward.console.vocabulary import spoken
from opsteward.console.wording import SYNC_CHANGE, look_of
from opsteward.core.errors import Invalid
from opsteward.provisioning.sync import queries, summaries
from opsteward.provisioning.sync.types import SYNC_CHANGED, MappingView, SyncOperation

_PAGE = 50
_LATELY = 20
_NATIVE_ID_LIMIT = 2000
_ORPHAN = "orphan_"  # a ticked box of the form; the number follows
_GONE = N_("a mapping that is gone")
_HOW = ("disable", "delete")


async def syncs(visit: Visit, session: AsyncSession) -> Page:
    """All mappings by name, and the last syncs of any."""
    after, before, order = visit.cursor("after"), visit.cursor("before"), sorting(visit, {"name": False, "next": False})
    found = await queries.list_mappings(
        session, after=after, limit=_PAGE + 1, by=order.column, descending=order.descending
    )
    operations = await queries.list_operations(session, before=before, limit=_LATELY + 1)
    names = await _names(visit, session, operations)
    titles = await summaries.mapping_names(session, {one.mapping_id for one in operations})
    return Page(
        template="syncs.html",
        title=_("Syncs"),
        about=(SYNC_CHANGED,),
        values={
            "mappings": await mapping_rows(session, visit.services.inventory, found[:_PAGE]),
            "operations": [
                OperationRow.of(one, names, titles.get(one.mapping_id, _(_GONE))) for one in operations[:_LATELY]
            ],
            "by": order.heads,
            "sorting": order,
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after or before else "",
            "older": visit.address(before=str(operations[_LATELY - 1].id)) if len(operations) > _LATELY else "",
        },
    )


async def one_mapping(visit: Visit, session: AsyncSession) -> Page:
    """One mapping: to run it, to decide its conflicts, its orphans and its syncs."""
    mapping_id = visit.id("mapping_id", "sync mapping")
    mapping = queries.view_of_mapping(await queries.mapping(session, mapping_id))
    names = await _names(visit, session, [mapping])
    after, orphan = visit.cursor("after"), visit.query("orphan", limit=_NATIVE_ID_LIMIT)
    conflicts = await queries.list_conflicts(session, mapping_id=mapping_id, after=after, limit=_PAGE + 1)
    orphans = await queries.list_orphans(session, mapping_id=mapping_id, after=orphan or None, limit=_PAGE + 1)
    operations = await queries.list_operations(session, mapping_id=mapping_id, limit=_LATELY)
    running = await queries.running(session, mapping_id)
    return Page(
        template="sync_mapping.html",
        title=mapping.name,
        about=(SYNC_CHANGED,),
        values={
            "row": (await mapping_rows(session, visit.services.inventory, [mapping]))[0],
            "conflicts": conflicts[:_PAGE],
            "orphans": orphans[:_PAGE],
            "dormant": await queries.list_dormant(session, mapping_id=mapping_id, limit=_PAGE),
            "operations": [OperationRow.of(one, names, mapping.name) for one in operations],
            "running": running is not None,
            "in_words": in_words,
            "may_write": visit.identity.may("systems.write"),
            "next_conflicts": visit.address(after=str(conflicts[_PAGE - 1].id)) if len(conflicts) > _PAGE else "",
            "next_orphans": visit.address(orphan=orphans[_PAGE - 1].native_id) if len(orphans) > _PAGE else "",
            "first": visit.request.url.path if after or orphan else "",
        },
    )


async def one_sync(visit: Visit, session: AsyncSession) -> Page:
    """One sync: its plan by field, how far it is, and its changes record by record."""
    operation = await queries.operation(session, visit.id("operation_id", "sync"))
    outcome, after = visit.choice("outcome", SYNC_CHANGE), _number(visit, "after")
    titles = await summaries.mapping_names(session, [operation.mapping_id])
    names = await _names(visit, session, [operation])
    row = OperationRow.of(operation, names, titles.get(operation.mapping_id, _(_GONE)))
    changes = await queries.list_changes(
        session, operation_id=operation.id, outcome=outcome or None, after=after, limit=_PAGE + 1
    )
    approval = None
    if operation.action_id and operation.status == "awaiting_approval" and visit.identity.may("approvals.read"):
        approval = await visit.services.action_service.approval_of(session, run_id=operation.action_id)
    first = await summaries.first_unwritten(session, operation.id) if operation.status == "applying" else None
    return Page(
        template="sync.html",
        title=_("Sync %(mapping)s", mapping=row.mapping),
        about=(f"{SYNC_CHANGED}:{operation.id}",),
        values={
            "row": row,
            "written": row.total if first is None else first - 1,
            "approval": approval,
            "changes": [(one, *diff_of(one)) for one in changes[:_PAGE]],
            "outcome": outcome,
            "shown": _outcome_tabs(visit, row, outcome),
            "may_undo": visit.identity.may("systems.write") and row.may_be_undone(),
            "next": visit.address(after=str(changes[_PAGE - 1].number)) if len(changes) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


def _outcome_tabs(visit: Visit, row: OperationRow, chosen: str) -> list[tuple[str, str, bool]]:
    """Words, address and whether it is the present one; none before there are outcomes."""
    tabs = [
        (f"{look_of(SYNC_CHANGE, name).word}: {number}", visit.address(outcome=name), name == chosen)
        for name, number in row.outcomes
    ]
    return [(_("all"), visit.address(outcome=""), not chosen), *tabs] if tabs else []


async def _run(visit: Visit, session: AsyncSession) -> Done:
    most = visit.text("max_deletions", limit=10)
    if most and not (most.isascii() and most.isdigit() and int(most) <= 1_000_000_000):
        raise Invalid.field("max_deletions", "is no usable number", "give a number from 0 to 1000000000, or nothing")
    begun = await visit.services.syncs.start(
        session,
        mapping_id=visit.id("mapping_id", "sync mapping"),
        sync_type="full" if visit.form.get("full") else "incremental",
        dry_run=visit.form.get("what") != "sync",
        actor=visit.identity.actor,
        max_deletions=int(most) if most else None,
    )
    words = _("The plan is made; nothing is written") if begun.dry_run else _("Both sides are read and a plan is made")
    return Done(to=f"/syncs/operations/{begun.id}", words=words)


async def _decide(visit: Visit, session: AsyncSession) -> Done:
    decided = await visit.services.syncs.decide(
        session,
        conflict_id=visit.id("conflict_id", "conflict"),
        choice=visit.text("choice", limit=20, required=True),
        actor=visit.identity.actor,
    )
    return Done(
        to=f"/syncs/{decided.mapping_id}",
        words=_("Decided: %(choice)s. The next sync does so", choice=spoken(decided.choice or "")),
    )


async def _remove_orphans(visit: Visit, session: AsyncSession) -> Done:
    how = visit.text("how", limit=20, required=True)
    if how not in _HOW:
        raise Invalid.field("how", f"{how!r} is none", "use disable or delete")
    chosen = [visit.text(name, limit=_NATIVE_ID_LIMIT) for name in visit.form if name.startswith(_ORPHAN)]
    if not chosen:
        raise Invalid.field("orphans", "none was chosen", "tick the accounts first")
    asked = await visit.services.syncs.remove_orphans(
        session,
        mapping_id=visit.id("mapping_id", "sync mapping"),
        native_ids=chosen,
        how=how,
        actor=visit.identity.actor,
    )
    if how == "disable":
        words = ngettext(
            "Once it is approved, %(num)s account will be disabled",
            "Once it is approved, %(num)s accounts will be disabled",
            len(chosen),
        )
    else:
        words = ngettext(
            "Once it is approved, %(num)s account will be deleted",
            "Once it is approved, %(num)s accounts will be deleted",
            len(chosen),
        )
    return Done(to=f"/syncs/operations/{asked.id}", words=words)


async def _adopt(visit: Visit, session: AsyncSession) -> Done:
    mapping_id = visit.id("mapping_id", "sync mapping")
    await visit.services.syncs.adopt(
        session,
        mapping_id=mapping_id,
        source_native_id=visit.text("source_native_id", limit=_NATIVE_ID_LIMIT, required=True),
        target_native_id=visit.text("target_native_id", limit=_NATIVE_ID_LIMIT, required=True),
        actor=visit.identity.actor,
    )
    return Done(to=f"/syncs/{mapping_id}", words=_("Adopted: the next sync keeps the two in step"))


async def _undo(visit: Visit, session: AsyncSession) -> Done:
    asked = await visit.services.syncs.undo(
        session, operation_id=visit.id("operation_id", "sync"), actor=visit.identity.actor
    )
    return Done(to=f"/syncs/operations/{asked.id}", words=_("It is undone once that is approved"))


async def _names(visit: Visit, session: AsyncSession, found: Sequence[MappingView | SyncOperation]) -> Names:
    ids = [system for one in found for system in (one.source_id, one.target_id)]
    return await Names.read(session, visit.services.inventory, ids)


def _number(visit: Visit, name: str) -> int:
    given = visit.query(name, limit=10) or "0"
    if not (given.isascii() and given.isdigit() and int(given) <= 2_147_483_647):
        raise Invalid.field(name, "is no number of a change", "follow the links of the page")
    return int(given)


ROUTES: tuple[Route, ...] = (
    shows("/syncs", syncs, "systems.read"),
    shows("/syncs/{mapping_id}", one_mapping, "systems.read"),
    shows("/syncs/operations/{operation_id}", one_sync, "systems.read"),
    does("/syncs/{mapping_id}/run", _run, "systems.write"),
    does("/syncs/{mapping_id}/orphans", _remove_orphans, "systems.write"),
    does("/syncs/{mapping_id}/adopt", _adopt, "systems.write"),
    does("/syncs/conflicts/{conflict_id}/decide", _decide, "systems.write"),
    does("/syncs/operations/{operation_id}/undo", _undo, "systems.write"),
)

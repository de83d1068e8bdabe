"""Sagas: changes over several systems, made as a whole or taken back; one of them, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _, ngettext, said
from opsteward.console.names import Names
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.sorting import sorting
from opsteward.console.sync_rows import Diff, in_words
from opsteward.console.wording import SAGA
from opsteward.provisioning.sagas import queries
from opsteward.provisioning.sagas.types import (
    SAGA_CHANGED,
    Saga,
    SagaHead,
    SagaStatus,
    SagaStep,
    StepStatus,
    stuck_key,
)

_PAGE = 50
_FIELDS_SHOWN = 12  # of one step
_MADE = (StepStatus.DONE, StepStatus.UNCHANGED)
_STATUSES = {status.value: SAGA[status].word for status in SagaStatus}


@dataclass(frozen=True, kw_only=True)
class HeadRow:
    """One line of the list."""

    saga: SagaHead
    systems: str
    progress: str
    by: str


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One step: where, and what it sets or sends, by attribute. `more`: attributes that are not shown."""

    step: SagaStep
    system: str
    fields: Sequence[Diff]
    more: int


async def sagas(visit: Visit, session: AsyncSession) -> Page:
    """All of them, newest first."""
    status = visit.choice("status", _STATUSES)
    order = sorting(visit, {"asked": True, "name": False, "state": False})
    found = await queries.list_heads(
        session,
        status=status or None,
        before=visit.cursor("before"),
        limit=_PAGE + 1,
        by=order.column,
        descending=order.descending,
    )
    ids = [system for one in found for system in one.system_ids]
    names = await Names.read(session, visit.services.inventory, ids)
    return Page(
        template="sagas.html",
        title=_("Sagas"),
        about=(SAGA_CHANGED,),
        values={
            "rows": [
                HeadRow(
                    saga=one,
                    systems=", ".join(sorted(names.system(each) for each in one.system_ids)),
                    progress=progress_of(one.status, one.steps),
                    by=names.actor(one.requested_by),
                )
                for one in found[:_PAGE]
            ],
            "filters": [("status", _("State"), said(_STATUSES), status)],
            "filtered": bool(status),
            "by": order.heads,
            "sorting": order,
            "next": visit.address(before=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if visit.query("before") else "",
        },
    )


async def one(visit: Visit, session: AsyncSession) -> Page:
    """Its steps as they stand, what was before, and where a person has to go on."""
    saga = await queries.get(session, visit.id("saga_id", "saga"))
    names = await Names.read(session, visit.services.inventory, [step.system_id for step in saga.steps])
    approval, incident = None, None
    if saga.action_id and saga.status == SagaStatus.AWAITING_APPROVAL and visit.identity.may("approvals.read"):
        approval = await visit.services.action_service.approval_of(session, run_id=saga.action_id)
    if saga.status == SagaStatus.STUCK and visit.identity.may("incidents.read"):
        incident = await visit.services.incidents.grouped_as(session, stuck_key(saga.id))
    return Page(
        template="saga.html",
        title=saga.name[:80],
        about=(f"{SAGA_CHANGED}:{saga.id}",),
        values={
            "saga": saga,
            "by": names.actor(saga.requested_by),
            "progress": progress_of(saga.status, Counter(step.status for step in saga.steps)),
            "made": _made(saga),
            "rows": [_step_row(step, names) for step in saga.steps],
            "approval": approval,
            "incident": incident,
        },
    )


def progress_of(status: str, steps: Mapping[str, int]) -> str:
    """How far it is, in words."""
    total = sum(steps.values())
    made, back, stuck = sum(steps.get(each, 0) for each in _MADE), steps.get("compensated", 0), steps.get("stuck", 0)
    if status in (SagaStatus.COMPENSATING, SagaStatus.COMPENSATED, SagaStatus.STUCK):
        of = back + stuck + steps.get("done", 0)
        if stuck:
            return _("%(back)s of %(of)s taken back, %(stuck)s could not be", back=back, of=of, stuck=stuck)
        return _("%(back)s of %(of)s taken back", back=back, of=of)
    return ngettext("%(made)s of %(num)s step made", "%(made)s of %(num)s steps made", total, made=made)


def _made(saga: Saga) -> int:
    return sum(step.status in _MADE for step in saga.steps)


def _step_row(step: SagaStep, names: Names) -> StepRow:
    before, after = step.before or {}, step.values
    told = [name for name, value in before.items() if value] if step.operation == "delete" else list(after)
    fields = [
        Diff(
            name=name,
            was=in_words(before.get(name)) if step.operation != "create" and step.before is not None else "",
            becomes=in_words(after.get(name)) if name in after else "",
        )
        for name in told[:_FIELDS_SHOWN]
    ]
    return StepRow(
        step=step, system=names.system(step.system_id), fields=fields, more=max(len(told) - _FIELDS_SHOWN, 0)
    )


ROUTES: tuple[Route, ...] = (
    shows("/sagas", sagas, "systems.read"),
    shows("/sagas/{saga_id}", one, "systems.read"),
)

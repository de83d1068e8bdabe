"""Changes of the matrix: asked for by an action that a person approves, versioned, taken back by the same way."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.actions.service import ActionService
from opsteward.actions.types import ActionChanged, NewAction, RunStatus
from opsteward.core.clock import now
from opsteward.core.crypto import canonical_json
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.ids import derived_id, uuid7
from opsteward.core.log import get_logger
from opsteward.crew.delegation.matrix import SHIPPED, Matrix
from opsteward.crew.delegation.memory import matrix_in_force
from opsteward.crew.delegation.proposals import Proposal
from opsteward.crew.models import CrewMatrixVersion
from opsteward.telemetry import audit

log = get_logger(__name__)

ACTION = "crew.change_matrix"
_VERSIONS_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class MatrixVersion:
    """A version of the matrix, and why it came to be."""

    version: int
    reason: str
    action_id: UUID | None
    changed_by: str
    changed_at: datetime | None


class MatrixChanges:
    """Asks for changes, and hears when one was approved and done."""

    def __init__(self, action_service: ActionService) -> None:
        self._action_service = action_service

    async def ask(self, session: AsyncSession, *, proposal: Proposal, version: int, by: Identity) -> UUID:
        """Put a proposal before a person; the same proposal again is the same request. Returns the action's id."""
        figures = {
            "row": proposal.row,
            "type": proposal.task_type,
            "present": asdict(proposal.present),
            "proposed": asdict(proposal.proposed),
            "saved_per_task": proposal.saved_per_task,
            "saved_in_past": proposal.saved_in_past,
        }
        # once a week: what was refused or has expired is put before a person again when the figures still speak for it
        key = f"crew matrix {version} {proposal.row} {proposal.task_type} {proposal.proposed.strategy} {now():%G-%V}"
        asked = await self._action_service.id_of(session, idempotency_key=key)
        if asked is not None:  # its figures have grown since: what was asked for stands
            return asked
        return await self._request(
            session, proposal.matrix, version, proposal.summary, canonical_json(figures), by=by, key=key
        )

    async def ask_back(self, session: AsyncSession, *, to_version: int, by: Identity) -> UUID:
        """Ask for the rows of an earlier version (0: as shipped) to decide again. Raises NotFound."""
        version, _ = await matrix_in_force(session)
        matrix = await matrix_of(session, to_version)
        summary = f"Back to version {to_version} of the delegation matrix"
        return await self._request(session, matrix, version, summary, "{}", by=by, key=f"crew matrix back {uuid7()}")

    async def action_changed(self, session: AsyncSession, message: ActionChanged) -> None:
        """What was approved and has succeeded is in force with this transaction, if the version that it replaces still
        is."""
        run = message.run
        if run.action != ACTION or run.status != RunStatus.SUCCEEDED:
            return
        version, _ = await matrix_in_force(session)
        try:
            matrix = Matrix.model_validate({"rows": json.loads(str(run.params["rows"]))})
        except (ValueError, RecursionError):
            log.error("crew.matrix.unreadable", action_id=str(run.id))
            return
        if version != run.params["replaces"]:
            log.warning("crew.matrix.outdated", action_id=str(run.id), version=version)
            return
        added = await session.scalar(
            insert(CrewMatrixVersion)
            .values(
                id=derived_id(run.id, "matrix"),
                tenant_id=tenant_of(session),
                version=version + 1,
                matrix=matrix.model_dump(mode="json"),
                reason=str(run.params["summary"]),
                action_id=run.id,
                changed_by=run.requested_by,
                created_at=now(),
            )
            .on_conflict_do_nothing()
            .returning(CrewMatrixVersion.id)
        )
        if added is not None:
            await audit.record(
                session,
                actor=message.actor,
                verb="crew.matrix.changed",
                object_type="crew_matrix",
                object_id=str(version + 1),
                detail={"replaces": version, "action_id": str(run.id), "summary": str(run.params["summary"])},
            )

    async def _request(
        self, session: AsyncSession, matrix: Matrix, version: int, summary: str, figures: str, *, by: Identity, key: str
    ) -> UUID:
        rows = canonical_json(matrix.model_dump(mode="json")["rows"])
        params = {"replaces": version, "summary": summary, "rows": rows, "figures": figures}
        asked = await self._action_service.request(
            session,
            new=NewAction(
                action=ACTION,
                params=params,
                reason=summary,
                requested_by=by.actor,
                idempotency_key=key,
                approval="required",
            ),
        )
        return asked.id


async def matrix_of(session: AsyncSession, version: int) -> Matrix:
    """The rows of a version; 0 are those that ship. Raises NotFound."""
    if version == 0:
        return SHIPPED
    row = await session.scalar(
        sa.select(CrewMatrixVersion).where(
            CrewMatrixVersion.tenant_id == tenant_of(session), CrewMatrixVersion.version == version
        )
    )
    if row is None:
        raise NotFound(f"there is no version {version} of the matrix", remedy="see GET /api/crew/matrix")
    return Matrix.model_validate(row.matrix)


async def versions(session: AsyncSession) -> list[MatrixVersion]:
    """Those that were in force, the newest first; the one that ships at the end."""
    query = sa.select(CrewMatrixVersion).where(CrewMatrixVersion.tenant_id == tenant_of(session))
    rows = await session.scalars(query.order_by(CrewMatrixVersion.version.desc()).limit(_VERSIONS_SHOWN))
    return [
        MatrixVersion(
            version=row.version,
            reason=row.reason,
            action_id=row.action_id,
            changed_by=row.changed_by,
            changed_at=row.created_at,
        )
        for row in rows
    ] + [MatrixVersion(version=0, reason="as shipped", action_id=None, changed_by="system:shipped", changed_at=None)]

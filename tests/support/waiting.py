"""Actions that wait for an approval, as a worker would leave them, on an instance without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from opsteward.actions.models import ActionRun, Approval
from opsteward.actions.queries import plan_hash
from opsteward.actions.types import NewAction, RunStatus, approval_id_of
from opsteward.core.clock import now
from support.instance import Tenant

TERMINATE = "postgresql.terminate_session"


async def register_shop_database(tenant: Tenant, name: str = "shop-db") -> UUID:
    """A system on which sessions could be ended; nobody connects to it."""
    system = {
        "name": name,
        "type": "database",
        "endpoint": "postgresql://127.0.0.1:9/shop",
        "credentials": {"username": "watcher"},
    }
    answer = await tenant.http.post("/api/v1/systems", json=system)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def sessions(first_pid: int, number: int = 1) -> dict[str, Any]:
    """The parameters of the action that ends so many sessions."""
    started = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    many = [{"pid": first_pid + offset, "backend_start": started} for offset in range(number)]
    return {"sessions": many, "reason": "they hold everybody up"}


async def wait_for_approval(
    tenant: Tenant,
    *,
    system_id: UUID,
    pid: int = 4711,
    objects: int = 1,
    requested_by: str | None = None,
    incident_id: UUID | None = None,
    reason: str = "the pool is full",
    expires_in: timedelta = timedelta(hours=1),
    requested_at: datetime | None = None,
) -> dict[str, Any]:
    """Its approval, as the API shows it."""
    async with tenant.instance.services.app.unit_of_work(tenant.id) as session:
        run = await tenant.instance.services.action_service.request(
            session,
            new=NewAction(
                action=TERMINATE,
                params=sessions(pid, objects),
                reason=reason,
                requested_by=requested_by or tenant.owner.actor,
                idempotency_key=str(uuid4()),
                system_id=system_id,
                incident_id=incident_id,
            ),
        )
        row = await session.get_one(ActionRun, run.id)
        things = [f"session {pid + offset}" for offset in range(objects)]
        row.plan = {"needed": True, "summary": f"end {', '.join(things[:3])}", "steps": ["end it"], "objects": things,
                    "risk": "medium", "undo": "can't be undone", "evidence": {}}  # fmt: skip
        row.plan_hash, row.status = plan_hash(row), RunStatus.AWAITING_APPROVAL
        at = requested_at or now()
        approval = Approval(
            id=approval_id_of(run.id), tenant_id=tenant.id, action_run_id=row.id, plan_hash=row.plan_hash,
            status="pending",
            requested_by=row.requested_by, requested_at=at, expires_at=now() + expires_in,
        )  # fmt: skip
        session.add(approval)
    return dict((await tenant.http.get(f"/api/v1/approvals/{approval.id}")).raise_for_status().json())

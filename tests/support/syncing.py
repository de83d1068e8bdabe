"""Syncs of an instance on real systems, step by step: no worker runs, so a test says when each task does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from opsteward.actions.service import ActionService
from opsteward.actions.types import ActionChanged, RunStatus
from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.contracts.task import TaskContext
from opsteward.core.bus import Bus
from opsteward.core.errors import OpsError
from opsteward.integrations.sync import INTEGRATION as SYNC
from opsteward.provisioning.sync import queries
from opsteward.provisioning.sync.operations import OfOperation, SyncRelease, SyncTasks
from opsteward.provisioning.sync.service import Syncs
from opsteward.provisioning.sync.types import Orphan, SyncChange, SyncConflict, SyncOperation
from opsteward.systems.record_connections import RecordConnections
from opsteward.systems.registration import NewSystem
from opsteward.systems.service import Inventory
from support.instance import Instance


@dataclass
class Syncing:
    """Systems and syncs of one tenant."""

    instance: Instance
    tenant_id: UUID
    integrations: Sequence[Integration]

    def __post_init__(self) -> None:
        services = self.instance.services
        self.db = services.app
        registry = Registry([*self.integrations, SYNC])
        self.inventory = Inventory(registry, services.box, Bus())
        self.actions = ActionService(registry, self.inventory, Bus())
        self.tasks = SyncTasks(self.db, RecordConnections(self.db, self.inventory, registry), self.actions)
        self.syncs = Syncs(self.inventory, registry, services.submission, self.actions)
        self.release = SyncRelease(services.submission)

    async def system(self, name: str, kind: str, endpoint: str, credentials: Any = None, **settings: Any) -> UUID:
        new = NewSystem(name=name, type=kind, endpoint=endpoint, credentials=credentials or {}, settings=settings)
        async with self.db.unit_of_work(self.tenant_id) as session:
            return (await self.inventory.register(session, new=new, actor="system:test")).id

    async def mapping(self, source: UUID, target: UUID, definition: Mapping[str, object], name: str = "people") -> UUID:
        async with self.db.unit_of_work(self.tenant_id) as session:
            kept = await self.syncs.keep_mapping(
                session, name=name, source_id=source, target_id=target, definition=definition, actor="system:test"
            )
        return kept.id

    def context(self, attempt: int = 0) -> TaskContext:
        async def step(name: str, function: Any) -> Any:
            return await function()

        return TaskContext(
            task_id=uuid4(), tenant_id=self.tenant_id, attempt=attempt, progress=lambda done, words: None, step=step
        )

    async def begun(self, mapping: UUID, *, full: bool = True, dry_run: bool = False, **more: Any) -> UUID:
        """A sync that is to be planned; its id."""
        async with self.db.unit_of_work(self.tenant_id) as session:
            begun = await self.syncs.start(
                session, mapping_id=mapping, sync_type="full" if full else "incremental", dry_run=dry_run,
                actor="system:test", **more,
            )  # fmt: skip
        return begun.id

    async def plan(self, mapping: UUID, **options: Any) -> SyncOperation:
        """A sync as far as its plan."""
        begun = await self.begun(mapping, **options)
        with suppress(OpsError):
            await self.tasks.plan(self.context(), OfOperation(operation_id=begun))
        return await self.operation(begun)

    async def approve(self, operation: SyncOperation, status: RunStatus = RunStatus.SUCCEEDED) -> None:
        """The action of this sync has ended so."""
        assert operation.action_id is not None, operation
        async with self.db.unit_of_work(self.tenant_id) as session:
            run = replace(await self.actions.get(session, run_id=operation.action_id), status=status.value)
            changed = ActionChanged(run=run, key="test", reply_to=None, actor="system:test")
            await self.release.action_changed(session, changed)

    async def apply(self, operation: SyncOperation) -> SyncOperation:
        """Write it, as its task does."""
        await self.tasks.apply(self.context(), OfOperation(operation_id=operation.id))
        return await self.operation(operation.id)

    async def run(self, mapping: UUID, **options: Any) -> SyncOperation:
        """A whole sync, approved where it has to be."""
        planned = await self.plan(mapping, **options)
        if planned.status != "awaiting_approval":
            return planned
        await self.approve(planned)
        return await self.apply(planned)

    async def undo(self, operation: SyncOperation) -> SyncOperation:
        async with self.db.unit_of_work(self.tenant_id) as session:
            planned = await self.syncs.undo(session, operation_id=operation.id, actor="system:test")
        await self.approve(planned)
        return await self.apply(planned)

    async def operation(self, operation_id: UUID) -> SyncOperation:
        async with self.db.unit_of_work(self.tenant_id) as session:
            return await queries.operation(session, operation_id)

    async def changes(self, operation: SyncOperation) -> list[SyncChange]:
        async with self.db.unit_of_work(self.tenant_id) as session:
            return await queries.list_changes(session, operation_id=operation.id, limit=5000)

    async def conflicts(self, mapping: UUID) -> list[SyncConflict]:
        async with self.db.unit_of_work(self.tenant_id) as session:
            return await queries.list_conflicts(session, mapping_id=mapping)

    async def orphans(self, mapping: UUID) -> list[Orphan]:
        async with self.db.unit_of_work(self.tenant_id) as session:
            return await queries.list_orphans(session, mapping_id=mapping)

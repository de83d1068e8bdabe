"""Makes the reasoning of a run: the models in use, the ledger of its tenant, and what its tools may reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from opsteward.actions.service import ActionService
from opsteward.actions.types import NewAction
from opsteward.core.db import Database
from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json, JsonObject
from opsteward.crew.event_analysis import Opinion, UnsureEvent
from opsteward.crew.execution import notes
from opsteward.crew.execution.types import TriedModel
from opsteward.crew.language_models.breaker import Breakers
from opsteward.crew.language_models.calls import ModelsInUse
from opsteward.crew.language_models.event_opinions import ask_about
from opsteward.crew.language_models.ledger import Ledger
from opsteward.crew.language_models.providers import Providers
from opsteward.crew.language_models.reasoner import Reasoner
from opsteward.crew.language_models.tools import Abilities
from opsteward.crew.language_models.trying import try_model
from opsteward.crew.settings import CrewSettings, ModelSettings
from opsteward.systems.service import Inventory

_SYSTEMS_SHOWN = 50


class Reasoners:
    """Makes them; one per process."""

    def __init__(
        self,
        db: Database,
        *,
        settings: CrewSettings,
        models: ModelSettings,
        inventory: Inventory,
        action_service: ActionService,
    ) -> None:
        self._db, self._settings = db, settings
        self._inventory, self._action_service = inventory, action_service
        breakers = Breakers(failures=models.model_breaker_failures, seconds=models.model_breaker_seconds)
        self._shared = ModelsInUse(settings=models, providers=Providers(models), breakers=breakers)

    def make(self, tenant_id: UUID, run_id: UUID, *, description: str, requested_by: str) -> Reasoner:
        """That of one run."""
        remember: Callable[[str, str], Awaitable[None]] | None = None
        recall: Callable[[str], Awaitable[list[str]]] | None = None
        if self._settings.crew_agent_memory:

            async def keep(agent: str, text: str) -> None:
                await notes.keep(self._db, tenant_id, agent=agent, text=text, run_id=run_id)

            async def read(agent: str) -> list[str]:
                return await notes.recall(self._db, tenant_id, agent=agent)

            remember, recall = keep, read
        return Reasoner(
            shared=self._shared,
            ledger=Ledger(self._db, tenant_id),
            run_id=run_id,
            description=description,
            seconds=self._settings.crew_agent_timeout,
            abilities=Abilities(
                read_systems=partial(self._systems, tenant_id),
                request_action=partial(self._request, tenant_id, requested_by),
                remember=remember,
                recall=recall,
            ),
        )

    async def try_models(self, tenant_id: UUID) -> list[TriedModel]:
        """Ask each configured model a smallest question."""
        settings = self._shared.settings
        names = [settings.model, *settings.model_fallbacks] if settings.model else []
        ledger = Ledger(self._db, tenant_id)
        return [await try_model(name, self._shared, ledger) for name in dict.fromkeys(names) if name]

    async def opinion(self, tenant_id: UUID, run_id: UUID, event: UnsureEvent) -> Opinion:
        """What a model makes of an event. Raises StepFailed in words."""
        return await ask_about(event, shared=self._shared, ledger=Ledger(self._db, tenant_id), run_id=run_id)

    async def _systems(self, tenant_id: UUID) -> JsonObject:
        async with self._db.unit_of_work(tenant_id) as session:
            found = await self._inventory.page(session, limit=_SYSTEMS_SHOWN)
        systems: list[Json] = [{"name": one.name, "type": one.type, "health": one.health.status} for one in found]
        return {"systems": systems}

    async def _request(
        self, tenant_id: UUID, requested_by: str, action: str, system: str, params: JsonObject, reason: str, key: str
    ) -> JsonObject:
        """Who asked for the work asked for this, so that they can't approve it themselves."""
        async with self._db.unit_of_work(tenant_id) as session:
            target = await self._inventory.find(session, name=system) if system else None
            if system and target is None:
                raise Invalid.field("system", "is no registered system", "leave it out, or name one that is")
            asked = await self._action_service.request(
                session,
                new=NewAction(
                    action=action,
                    params=params,
                    reason=f"asked for by the crew: {reason}",
                    requested_by=requested_by,
                    idempotency_key=key,
                    system_id=target.id if target else None,
                    approval="required",
                ),
            )
        return {"action_id": str(asked.id), "action": action, "status": "waits for a person's approval"}

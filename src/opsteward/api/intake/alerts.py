"""What the protocols of alerts have in common: an alert is raised, ended or acknowledged by its key."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from fastapi import Request

from opsteward.accounts.types import Identity
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.middleware.json_limits import check_json
from opsteward.api.services import ApiServices
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Conflict, Invalid
from opsteward.core.json_types import JsonObject
from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.mapping import read
from opsteward.events.types import NewEvent


async def object_in(request: Request, services: ApiServices) -> JsonObject:
    """The JSON object that the body is; an empty body is an empty one. Raises Malformed, Invalid."""
    body = await request.body()
    if not body.strip():
        return {}
    found = await in_thread(check_json, body, max_depth=services.settings.api.max_json_depth)
    if not isinstance(found, dict):
        raise Invalid.field("body", "is no JSON object", "send one")
    return found


async def event_of(source: str, alert: JsonObject) -> NewEvent:
    """The event that an alert is by the mapping of a source that ships."""
    reading = await in_thread(read, source_named(source), alert, {}, limit=1)
    return reading.events[0]


async def take(request: Request, services: ApiServices, identity: Identity, event: NewEvent, *, source: str) -> None:
    """Store an event of a source. Raises what the intake raises."""
    size = len(await request.body())
    give_up_turn(request)
    await services.intake_queue.take(tenant_id=identity.tenant_id, events=[event], actor=identity.actor, size=size)
    services.source_tallies.note_taken(identity.tenant_id, source, bodies=1, events=1)


async def home_of(services: ApiServices, identity: Identity, event: NewEvent) -> UUID | None:
    """The incident that takes events of this one's group now."""
    async with services.db.unit_of_work(identity.tenant_id) as session:
        return await services.intake.incident_of(session, fingerprint=str(event.group_key))


async def acknowledge(services: ApiServices, identity: Identity, event: NewEvent, reason: str = "") -> None:
    """Acknowledge the incident of the event's group, if there is one."""
    async with services.db.unit_of_work(identity.tenant_id) as session:
        home = await services.intake.incident_of(session, fingerprint=str(event.group_key))
        if home is not None:
            with suppress(Conflict):  # it is over meanwhile
                await services.incidents.acknowledge(session, incident_id=home, by=identity, reason=reason)

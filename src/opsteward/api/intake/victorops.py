"""`/integrations/generic/20131114/alert/{key}/{routing_key}`: the REST endpoint of Splunk On-Call (VictorOps). The key
is a token of ours, and stands in the path no more when it gets here.

What an alert says is read by the mapping of the source `victorops`, as at `/api/v1/intake/victorops`.
"""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Path, Request
from pydantic import BaseModel

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.intake import alerts
from opsteward.api.routes import Routes
from opsteward.core.errors import FieldProblem, Invalid

router = Routes(tags=["sources"])

_SOURCE = "victorops"
MESSAGE_TYPES = ("CRITICAL", "WARNING", "ACKNOWLEDGEMENT", "INFO", "RECOVERY")
_KEY_LIMIT = 512  # characters


class VictorOpsAnswer(BaseModel):
    """What its clients expect."""

    result: str = "success"
    entity_id: str


@router.post("/integrations/generic/{version}/alert/{routing_key:path}", include_in_schema=False)
async def take_alert(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
    version: Annotated[str, Path(pattern=r"^[0-9]{8}$")],
    routing_key: Annotated[str, Path(max_length=200)],
) -> VictorOpsAnswer:
    """Opens an alert or joins the open one of its `entity_id`, acknowledges it or ends it, by `message_type`."""
    body = await alerts.object_in(request, services)
    kind, key = str(body.get("message_type", "")).upper(), body.get("entity_id")
    if kind not in MESSAGE_TYPES:
        problem = f"is none of {', '.join(MESSAGE_TYPES)}"
        raise Invalid(problems=[FieldProblem(field="message_type", problem=problem, remedy="send one of them")])
    if not isinstance(key, str) or not key.strip():
        key = str(key) if isinstance(key, int) and not isinstance(key, bool) else str(uuid4())
    alert = {**body, "message_type": kind, "entity_id": key[:_KEY_LIMIT]}
    event = await alerts.event_of(_SOURCE, alert | ({"routing_key": routing_key} if routing_key else {}))
    if kind == "ACKNOWLEDGEMENT":
        await alerts.acknowledge(services, identity, event)
    else:
        await alerts.take(request, services, identity, event, source=_SOURCE)
    return VictorOpsAnswer(entity_id=key[:_KEY_LIMIT])

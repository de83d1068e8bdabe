"""`/api/v1/troubleshooting/diagnoses`: the diagnosers by themselves, on one system, now."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.rest.schemas.base import Input
from opsteward.api.routes import Routes
from opsteward.contracts.check import Domain
from opsteward.core.errors import Invalid
from opsteward.troubleshooting.diagnose import DOMAINS, diagnose
from opsteward.troubleshooting.types import SystemDiagnosis

router = Routes(prefix="/api/v1/troubleshooting/diagnoses", tags=["troubleshooting"])
_TIMEOUT = 15.0  # seconds, for each check


class DiagnosisIn(Input):
    """Which system, by its name, and which diagnosers; all of them when none is named."""

    system: Annotated[str, Field(min_length=1, max_length=100)]
    domains: Annotated[list[Domain], Field(max_length=len(DOMAINS))] = []


@router.post("")
async def diagnose_system(
    request: Request,
    body: DiagnosisIn,
    services: ServicesDep,
    identity: Annotated[Identity, needs("troubleshooting.run")],
) -> SystemDiagnosis:
    """Look at a system now and say what is wrong, the likeliest causes first; changes nothing and opens nothing."""
    async with services.db.unit_of_work(identity.tenant_id) as session:
        found = await services.inventory.find(session, name=body.system)
        if found is None:
            raise Invalid.field("system", "is no registered system", "see GET /api/v1/systems")
        target, secret = await services.inventory.ref_with_secret(session, system_id=found.id)
    give_up_turn(request)  # a system that hangs keeps no other request from the database
    domains = tuple(dict.fromkeys(body.domains)) or DOMAINS
    return await diagnose(services.registry, target, await secret.followed(), domains=domains, timeout=_TIMEOUT)

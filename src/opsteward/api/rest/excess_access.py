"""`/api/v1/systems/{id}/excess-access`: who has access to a system that nobody gave them here."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.actions.types import ActionView
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.rest.schemas.base import Input, Page
from opsteward.api.routes import Routes
from opsteward.contracts.access import MAX_PEOPLE
from opsteward.directory.types import GrantInfo
from opsteward.provisioning.excess_access import ExcessAccess

router = Routes(prefix="/api/v1/systems/{system_id}/excess-access", tags=["systems"])

Login = Annotated[str, Field(min_length=1, max_length=255)]
Reason = Annotated[str, Field(max_length=1000)]


class ExcessRemoval(Input):
    """Whose access is to be taken, once that is approved."""

    logins: Annotated[list[Login], Field(min_length=1, max_length=MAX_PEOPLE)]
    reason: Reason = ""


class ExcessAdoption(Input):
    """Whose access is right as it is: the user of this name is given the system by a grant."""

    login: Login
    reason: Reason = ""


@router.post("")
async def find_excess_access(
    system_id: UUID, services: ServicesDep, identity: Annotated[Identity, needs("systems.write")]
) -> Page[ExcessAccess]:
    """Look now who has access by the system's `access_role`, and not by enrolment or grant."""
    return Page(items=await services.excess_access.found(identity.tenant_id, system_id=system_id))


@router.post("/remove", status_code=202)
async def remove_excess_access(
    system_id: UUID,
    body: ExcessRemoval,
    services: ServicesDep,
    identity: Annotated[Identity, needs("systems.write")],
) -> ActionView:
    """Ask for the approval to take their access."""
    return await services.excess_access.remove(
        identity.tenant_id, system_id=system_id, logins=body.logins, reason=body.reason, actor=identity.actor
    )


@router.post("/adopt", status_code=201)
async def adopt_excess_access(
    system_id: UUID,
    body: ExcessAdoption,
    services: ServicesDep,
    identity: Annotated[Identity, needs("users.write")],
) -> GrantInfo:
    """Give the user of this name the system by a grant: what it has there is right."""
    return await services.excess_access.adopt(
        identity.tenant_id, system_id=system_id, login=body.login, reason=body.reason, actor=identity.actor
    )

"""`/api/v1/users`: people from joining to leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field, create_model

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, Page, Ref, page_of
from opsteward.api.routes import Routes
from opsteward.core.json_types import JsonObject
from opsteward.directory.entitlements import service as entitlements
from opsteward.directory.types import GrantInfo, NewUser, UserAnalytics, UserChangeInfo, UserInfo, UserStatus
from opsteward.directory.user_fields import TEXTS
from opsteward.directory.users import queries as user_queries
from opsteward.directory.users.service import get_user as user_of

router = Routes(prefix="/api/v1", tags=["users"])

Text = Annotated[str, Field(max_length=2000)]
Tags = Annotated[list[Text], Field(max_length=1000)]
Version = Annotated[int | None, Field(strict=True, ge=1, le=2_147_483_647, description="only change this version")]


if TYPE_CHECKING:
    _PlainTexts = Input
else:  # one optional text for each of the table's
    _PlainTexts = create_model("PlainTexts", __base__=Input, **{text.name: (Text | None, None) for text in TEXTS})


class UserIn(_PlainTexts):
    """A user to register; the role decides how it is enrolled, if `enrollment_type` does not."""

    username: Text
    email: Text
    full_name: Text
    role: Text = "standard_user"
    manager_id: UUID | None = None
    profile_data: JsonObject = {}
    tags: Tags = []
    enrollment_type: Text | None = None
    expires_at: Instant | None = None


class UserChanges(_PlainTexts):
    """What to change; a field that is left out stays as it is."""

    username: Text | None = None
    email: Text | None = None
    full_name: Text | None = None
    role: Text | None = None
    manager_id: UUID | None = None
    profile_data: JsonObject | None = None
    tags: Tags | None = None
    enrollment_type: Text | None = None
    expires_at: Instant | None = None
    status: Literal["active", "suspended", "inactive", "archived"] | None = None
    reason: Text = ""
    version: Version = None


class GrantIn(Input):
    """A permission or a system for one user; `expires_at`: when it ends by itself."""

    kind: Literal["permission", "system"]
    name: Text
    reason: Text = ""
    expires_at: Instant | None = None


#: Fields in which null means "none", not "as it is".
_MAY_BE_NONE = frozenset({"manager_id", "expires_at", *(field.name for field in TEXTS)})


@router.post("/users", status_code=201)
async def register_user(
    body: UserIn, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("users.write")]
) -> UserInfo:
    """Register a user; it is enrolled and given its access, or waits for a person, in the same transaction."""
    return await services.users.register(session, new=NewUser(**body.model_dump()), actor=identity.actor)


@router.get("/users")
async def list_users(
    session: TenantSession,
    identity: Annotated[Identity, needs("users.read")],
    search: Annotated[str | None, Query(max_length=200)] = None,
    status: UserStatus | None = None,
    role: Annotated[str | None, Query(max_length=100)] = None,
    department: Annotated[str | None, Query(max_length=200)] = None,
    after: Annotated[str | None, Query(max_length=255)] = None,
    ref: Ref = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[UserInfo]:
    """By username. `search`: a part of a username, an address or a full name; `after`: `next` of the page before."""
    found = await user_queries.page(
        session, search=search, status=status, role=role, department=department, after=after, ref=ref, limit=limit
    )
    return page_of(found, limit=limit, cursor="username")


@router.get("/users/{user_id}")
async def get_user(
    user_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("users.read")]
) -> UserInfo:
    """One user."""
    return await user_of(session, user_id=user_id)


@router.get("/users/{user_id}/history")
async def user_history(
    user_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("users.read")]
) -> Page[UserChangeInfo]:
    """Every change of a user, newest first: who, when, what and why."""
    await user_of(session, user_id=user_id)
    return Page(items=list(await user_queries.history(session, user_id=user_id)))


@router.put("/users/{user_id}")
async def update_user(
    user_id: UUID,
    body: UserChanges,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("users.write")],
) -> UserInfo:
    """Change a user. A new role is a new enrolment: what it does not give is taken at once."""
    given = body.model_dump(exclude_unset=True, exclude={"reason", "version"})
    fields = {name: value for name, value in given.items() if value is not None or name in _MAY_BE_NONE}
    return await services.users.update(
        session,
        user_id=user_id,
        fields=fields,
        actor=identity.actor,
        reason=body.reason,
        version=body.version,
    )


@router.delete("/users/{user_id}")
async def deactivate_user(
    user_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("users.write")],
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> UserInfo:
    """Deactivate a user: every access is taken, nothing is erased. Already inactive is no error."""
    return await services.users.set_status(
        session, user_id=user_id, status=UserStatus.INACTIVE, actor=identity.actor, reason=reason
    )


@router.get("/users/{user_id}/grants")
async def list_grants(
    user_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("users.read")]
) -> Page[GrantInfo]:
    """What a user has beside its enrolment."""
    await user_of(session, user_id=user_id)
    return Page(items=list(await entitlements.grants_of(session, user_id=user_id)))


@router.post("/users/{user_id}/grants", status_code=201)
async def grant_access(
    user_id: UUID, body: GrantIn, session: TenantSession, identity: Annotated[Identity, needs("users.write")]
) -> GrantInfo:
    """Give an active user a permission or a system beside its enrolment, until `expires_at` if that is given."""
    return await entitlements.grant(session, user_id=user_id, actor=identity.actor, **body.model_dump())


@router.delete("/users/{user_id}/grants/{grant_id}", status_code=204)
async def revoke_access(
    user_id: UUID, grant_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("users.write")]
) -> Response:
    """Take a grant back; what the enrolment gives stays."""
    await entitlements.revoke(session, user_id=user_id, grant_id=grant_id, actor=identity.actor)
    return Response(status_code=204)


@router.get("/analytics/users")
async def user_analytics(
    session: TenantSession,
    identity: Annotated[Identity, needs("users.read")],
    days: Annotated[int, Query(ge=1, le=366)] = 30,
) -> UserAnalytics:
    """Figures of users and enrolments. Rates are 0-100."""
    return await user_queries.analytics(session, days=days)

"""`/webhook/...`: signed requests from other systems; and `/api/v1/webhooks`: the secrets that they sign with."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsteward.accounts.types import Identity
from opsteward.accounts.webhooks import NewWebhook, WebhookInfo, read_signature
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Page
from opsteward.api.rest.schemas.users import SignedUp
from opsteward.api.routes import Routes
from opsteward.core.error_words import problems_of
from opsteward.core.errors import Invalid
from opsteward.core.json_types import JsonObject
from opsteward.directory.types import NewUser

router = Routes(tags=["webhooks"])

Text = Annotated[str, Field(max_length=2000)]


class WebhookIn(Input):
    """A sender to come."""

    kind: Annotated[str, Field(max_length=40)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    secret: Annotated[str | None, Field(max_length=200, description="Slack's signing secret; for no other kind")] = None


class SignUp(BaseModel):
    """What a sign-up form sends; what it sends besides is kept in the profile."""

    model_config = ConfigDict(extra="allow")

    username: Text
    email: Text
    full_name: Text
    role: Text = "standard_user"
    profile: JsonObject = {}


@router.post("/webhook/user-signup", openapi_extra={
    "requestBody": {"required": True, "content": {"application/json": {"schema": SignUp.model_json_schema()}}}
})  # fmt: skip
async def user_signup(request: Request, services: ServicesDep) -> SignedUp:
    """Register a user, for a sender that signs: HMAC-SHA256 of `<timestamp>.<raw body>` in `X-Opsteward-Signature:
    t=<timestamp>,v1=<hex>`. A signature is good for 300 seconds, and once."""
    raw = await request.body()
    sender = await services.webhooks.sender_of(
        services.db, kind="user-signup", signature=read_signature(request.headers), body=raw
    )
    try:
        body = SignUp.model_validate_json(raw)
    except ValidationError as error:
        raise Invalid(problems=problems_of(error.errors(include_url=False))) from None
    new = NewUser(
        username=body.username,
        email=body.email,
        full_name=body.full_name,
        role=body.role,
        profile_data={**(body.model_extra or {}), **body.profile},
        source="webhook",
    )
    async with services.db.unit_of_work(sender.tenant_id) as session:
        await services.webhooks.use_up(session, sender=sender)
        user = await services.users.register(session, new=new, actor=sender.actor)
    return SignedUp(status="success", user_id=user.id)


@router.post("/api/v1/webhooks", status_code=201)
async def create_webhook(
    body: WebhookIn, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("tokens.write")]
) -> NewWebhook:
    """A new sender; its secret is seen this once."""
    return await services.webhooks.create(
        session, kind=body.kind, name=body.name, actor=identity.actor, secret=body.secret
    )


@router.get("/api/v1/webhooks")
async def list_webhooks(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("operators.read")]
) -> Page[WebhookInfo]:
    """The senders, newest first, without their secrets."""
    return Page(items=list(await services.webhooks.all(session)))


@router.delete("/api/v1/webhooks/{webhook_id}", status_code=204)
async def revoke_webhook(
    webhook_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("tokens.write")],
) -> Response:
    """Take nothing from a sender any more."""
    await services.webhooks.revoke(session, webhook_id=webhook_id, actor=identity.actor)
    return Response(status_code=204)

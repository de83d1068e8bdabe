"""`/webhook/slack`: buttons that were pressed in Slack's messages; `/api/v1/slack/people`: whose presses they are.

A press is signed by Slack and is taken once. It is the deed of the operator to whom the user of Slack is linked,
through the same services, checks and records as by the API.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import BackgroundTasks, Request
from pydantic import BaseModel, Field

from opsteward.accounts import slack_people, tokens
from opsteward.accounts.permissions import SIGNED_IN
from opsteward.accounts.types import Identity
from opsteward.accounts.webhooks import SLACK, read_signature
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.operators import other_operator
from opsteward.api.rest.schemas.base import Input
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.core.errors import Invalid, Malformed, OpsError, Unauthenticated
from opsteward.core.json_types import Json

router = Routes(tags=["notifications"])

_FIELDS_LIMIT = 10


class PersonIn(Input):
    """A user of Slack, by the ids of Slack, and the operator who they are; oneself when none is named."""

    team: Annotated[str, Field(max_length=40, examples=["T012AB3CD"])]
    user: Annotated[str, Field(max_length=40, examples=["U012AB3CD"])]
    operator: Annotated[str | None, Field(max_length=100)] = None


class LinkedPerson(BaseModel):
    """`token_id`: whoever revokes this token ends the link."""

    token_id: UUID
    user: str
    scopes: list[str]


class PressTaken(BaseModel):
    """Slack wants no more; what became of it is said in Slack."""

    ok: bool = True


@dataclass(frozen=True, kw_only=True)
class _Press:
    """Which button who pressed, and where the answer goes. `value`: what the button is about."""

    team: str
    user: str
    action: str
    value: str
    answer_to: str


@router.post("/api/v1/slack/people", status_code=201)
async def link_slack_person(
    body: PersonIn, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs(SIGNED_IN)]
) -> LinkedPerson:
    """Let what a user presses in Slack be done by an operator: by a token that may do nothing but what buttons do."""
    operator_id = identity.operator_id
    if body.operator is not None:
        operator_id = await other_operator(session, identity, body.operator)
    token = await slack_people.link(
        session, services.webhooks, operator_id=operator_id, team=body.team, user=body.user, by=identity
    )
    return LinkedPerson(token_id=token.id, user=body.user, scopes=list(token.scopes or ()))


@router.post("/webhook/slack", include_in_schema=False)
async def take_press(request: Request, services: ServicesDep, answers: BackgroundTasks) -> PressTaken:
    """Do what the button says, as who pressed it."""
    raw = await request.body()
    signature = read_signature(request.headers, slack=True)
    sender = await services.webhooks.sender_of(services.db, kind=SLACK, signature=signature, body=raw)
    async with services.db.unit_of_work(sender.tenant_id) as session:
        await services.webhooks.use_up(session, sender=sender)
        secret = (await services.webhooks.slack_app(session)).secret
    press = _press(raw)
    if press is None:
        return PressTaken()
    done, text = await _done(services, press, sender.tenant_id, secret)
    answers.add_task(services.slack_replies.send, press.answer_to, text, to_all=done)
    return PressTaken()


async def _done(services: ApiServices, press: _Press, tenant_id: UUID, secret: str) -> tuple[bool, str]:
    """Whether it was done, and what to say."""
    try:
        credential = slack_people.credential_of(secret, team=press.team, user=press.user)
        identity = await tokens.authenticate(services.db, secret=credential)
        if identity.tenant_id != tenant_id:  # two tenants have connected the same app
            raise Unauthenticated("linked in another tenant")
    except Unauthenticated:
        told = f"opsteward slack link {press.user} --team {press.team}"
        return False, f"Nobody here knows you: an operator of Opsteward links you with: {told}"
    except OpsError as error:
        return False, _told(error)
    try:
        async with services.db.unit_of_work(tenant_id) as session:
            await tokens.note_use(session, token_id=identity.token_id)
            if press.action == "acknowledge":
                identity.require("incidents.write")
                incident = await services.incidents.acknowledge(
                    session, incident_id=_id(press.value), by=identity, reason="in Slack"
                )
                return True, f"{identity.operator_name} is on incident {incident.number}: {incident.title}"
            identity.require("approvals.decide")
            approval, _, plan_hash = press.value.partition(":")
            decide = services.action_service.approve if press.action == "approve" else services.action_service.refuse
            view = await decide(session, approval_id=_id(approval), plan_hash=plan_hash, by=identity, reason="in Slack")
            return True, f"{identity.operator_name}: {view.status} {view.action}"
    except OpsError as error:
        return False, _told(error)


def _told(error: OpsError) -> str:
    return f"{error.detail}: {error.remedy}" if error.remedy else error.detail


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid.field("value", "is no id", "press a button of a message of Opsteward") from None


def _press(raw: bytes) -> _Press | None:
    """The button of ours that was pressed; None for all else that Slack tells an app. Raises Malformed."""
    try:
        fields = parse_qs(raw.decode(), max_num_fields=_FIELDS_LIMIT)
        payload = json.loads(fields["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise Malformed.field("payload", "is no JSON", "send what Slack sends") from None
    if not isinstance(payload, dict) or payload.get("type") != "block_actions":
        return None
    actions = payload.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else None
    action = _text(first, "action_id").removeprefix("opsteward.")
    if action not in ("approve", "refuse", "acknowledge"):
        return None
    return _Press(
        team=_text(payload.get("team"), "id") or _text(payload.get("user"), "team_id"),
        user=_text(payload.get("user"), "id"),
        action=action,
        value=_text(first, "value"),
        answer_to=_text(payload, "response_url"),
    )


def _text(holder: Json, name: str) -> str:
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, str) else ""

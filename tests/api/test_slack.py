"""Buttons in Slack: a signed press is the deed of the operator who is linked, once, through the same door."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest

from opsteward.actions.types import ActionChanged
from opsteward.integrations.apprise.client import send_by_apprise
from opsteward.integrations.apprise.slack_buttons import Button
from opsteward.integrations.apprise.slack_replies import SlackReplies
from support.instance import Operator, Tenant
from support.problems import problem_of
from support.receivers import HttpReceiver, http_receiver
from support.waiting import register_shop_database, wait_for_approval

TEAM, USER = "T012AB3CD", "U012AB3CD"


@pytest.fixture(scope="module")
def slack() -> Any:
    with http_receiver() as one:
        one.answer = b"ok"
        yield one


class App:
    """A Slack app that is connected to a tenant."""

    def __init__(self, tenant: Tenant, receiver: HttpReceiver, secret: str) -> None:
        self.tenant, self.receiver, self.secret = tenant, receiver, secret

    async def press(self, action: str, value: str, *, user: str = USER, **more: Any) -> tuple[httpx.Response, Any]:
        """The answer to the press, and what is said of it in Slack."""
        path = uuid4().hex
        payload = {
            "type": "block_actions",
            "team": {"id": TEAM, "domain": "shop"},
            "user": {"id": user, "username": "whoever", "team_id": TEAM},
            "response_url": self.receiver.url(path).replace("json://", "http://"),
            "actions": [{"action_id": f"opsteward.{action}", "block_id": "b", "type": "button", "value": value}],
        }
        answer = await self.send(urlencode({"payload": json.dumps(payload)}).encode(), **more)
        said = self.receiver.sent_to(path)
        return answer, said[0] if said else None

    async def send(self, raw: bytes, *, at: float | None = None, secret: str | None = None) -> httpx.Response:
        moment = str(int(time.time() if at is None else at))
        signed = hmac.new((secret or self.secret).encode(), f"v0:{moment}:".encode() + raw, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": moment,
            "X-Slack-Signature": f"v0={signed}",
        }
        return await self.tenant.instance.client().post("/webhook/slack", content=raw, headers=headers)

    async def link(self, operator: Operator, *, user: str = USER) -> str:
        made = await operator.http.post("/api/v1/slack/people", json={"team": TEAM, "user": user})
        assert made.status_code == 201, made.text
        return str(made.json()["token_id"])


@pytest.fixture
async def app(tenant: Tenant, slack: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    origin = slack.url("").replace("json://", "http://").rstrip("/")
    monkeypatch.setattr(tenant.instance.app.state.services, "slack_replies", SlackReplies([origin]))
    secret = uuid4().hex
    made = await tenant.http.post("/api/v1/webhooks", json={"kind": "slack", "name": "slack", "secret": secret})
    assert made.status_code == 201, made.text
    yield App(tenant, slack, secret)


async def incident(tenant: Tenant) -> str:
    event = {"message": "db1 lost", "source": "db1", "error_type": "OperationalError", "severity": "high"}
    taken = (await tenant.http.post("/api/v1/events", json=event)).raise_for_status().json()
    return str(taken["events"][0]["incident_id"])


async def test_a_press_acknowledges_as_the_operator_who_is_linked(app: App) -> None:
    about, person = await incident(app.tenant), await app.tenant.operator("operator", name="bert")
    await app.link(person)
    answer, said = await app.press("acknowledge", about)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert said["response_type"] == "in_channel" and said["text"].startswith("bert is on incident 1: ")
    found = (await app.tenant.http.get(f"/api/v1/incidents/{about}")).json()
    assert (found["status"], found["acknowledged_by"]["name"]) == ("acknowledged", "bert")
    assert found["acknowledged_by"]["id"] == str(person.id)


async def test_who_is_not_linked_or_may_not_does_nothing_and_is_told_why(app: App) -> None:
    about = await incident(app.tenant)
    answer, said = await app.press("acknowledge", about)
    assert answer.status_code == 200 and said["response_type"] == "ephemeral"
    assert f"opsteward slack link {USER} --team {TEAM}" in said["text"]
    viewer = await app.tenant.operator("viewer", name="vic")
    await app.link(viewer, user="U0VIEWER")
    _, said = await app.press("acknowledge", about, user="U0VIEWER")
    assert "incidents.write" in said["text"]
    _, said = await app.press("approve", f"{uuid4()}:{'0' * 64}", user="U0VIEWER")
    assert "approvals.decide" in said["text"]
    token = await app.link(app.tenant.owner)
    for value in ("", "x", str(uuid4())):
        assert (await app.press("acknowledge", value))[1]["response_type"] == "ephemeral"
    assert (await app.tenant.http.delete(f"/api/v1/tokens/{token}")).status_code == 204
    _, said = await app.press("acknowledge", about)
    assert "opsteward slack link" in said["text"], "the link has ended with its token"
    assert (await app.tenant.http.get(f"/api/v1/incidents/{about}")).json()["status"] == "open"
    await app.link(app.tenant.owner)
    assert (await app.press("acknowledge", about))[1]["response_type"] == "in_channel"


async def test_a_link_is_made_once_and_for_nobody_with_more_power(app: App, other_tenant: Tenant) -> None:
    path, person = "/api/v1/slack/people", {"team": TEAM, "user": USER}
    await app.link(app.tenant.owner)
    problem_of(await app.tenant.http.post(path, json=person), 409)
    problem_of(await other_tenant.http.post(path, json=person), 409)  # which has no app
    for wrong in ({"team": "x"}, {"user": "u012ab3cd"}, {"user": ""}):
        problem_of(await app.tenant.http.post(path, json=person | wrong), 422)
    admin = await app.tenant.operator("operator", name="carl")
    problem_of(await admin.http.post(path, json={"team": TEAM, "user": "U0OTHER", "operator": "ada"}), 403)
    made = await app.tenant.http.post(path, json={"team": TEAM, "user": "U0CARL", "operator": "carl"})
    assert made.status_code == 201
    assert set(made.json()) == {"token_id", "user", "scopes"}, "the credential itself is shown to nobody"
    problem_of(
        await app.tenant.http.post("/api/v1/webhooks", json={"kind": "slack", "name": "b", "secret": "0" * 32}), 409
    )


async def test_who_connected_the_app_has_a_hand_in_every_link(app: App) -> None:
    """They know the secret that signs presses, so could make up a second person's approval of what they requested."""
    tenant = app.tenant
    second = await tenant.operator("approver", "operator", name="grace")
    for statement in (
        "update opsteward.operators set created_at = created_at - interval '25 hours' where id = %s",
        "update opsteward.tokens set issued_by = 'operator:' || operator_id where operator_id = %s",
    ):
        tenant.instance.sql(statement, second.id)
    await app.link(second, user="U0GRACE")
    issued = tenant.instance.sql(
        "select issued_by from opsteward.tokens where operator_id = %s and name = 'Slack U0GRACE'", second.id
    )
    assert issued == [(f"operator:{tenant.owner.id}",)]
    waiting = await wait_for_approval(tenant, system_id=await register_shop_database(tenant))
    _, said = await app.press("approve", f"{waiting['id']}:{waiting['plan_hash']}", user="U0GRACE")
    assert said["response_type"] == "ephemeral" and "issued a token by" in said["text"]
    left = tenant.instance.sql("select status from opsteward.approvals where id = %s", waiting["id"])
    assert left == [("pending",)]


async def test_a_link_of_the_making_of_two_others_is_refused(app: App) -> None:
    other_admin = await app.tenant.operator("admin", name="oscar")
    await app.tenant.operator("operator", name="bert")
    body = {"team": TEAM, "user": "U0BERT", "operator": "bert"}
    said = problem_of(await other_admin.http.post("/api/v1/slack/people", json=body), 403)
    assert "connected the Slack app" in said["detail"]
    assert (await app.tenant.http.post("/api/v1/slack/people", json=body)).status_code == 201


async def test_a_link_holds_in_its_own_tenant_alone(app: App, other_tenant: Tenant) -> None:
    """Two tenants have connected the same app: a press speaks for one of them, not for the other's operators."""
    made = await other_tenant.http.post(
        "/api/v1/webhooks", json={"kind": "slack", "name": "slack", "secret": app.secret}
    )
    about = await incident(app.tenant)
    await App(other_tenant, app.receiver, app.secret).link(other_tenant.owner)
    await app.press("acknowledge", about)
    assert made.status_code == 201
    assert (await app.tenant.http.get(f"/api/v1/incidents/{about}")).json()["status"] == "open"


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda: {"secret": "0" * 32},
        lambda: {"at": time.time() - 400},
        lambda: {"at": time.time() + 400},
    ],
)
async def test_what_slack_has_not_signed_now_is_refused(app: App, spoiled: Callable[[], dict[str, Any]]) -> None:
    await app.link(app.tenant.owner)
    about = await incident(app.tenant)
    answer, said = await app.press("acknowledge", about, **spoiled())
    problem_of(answer, 401)
    assert said is None
    assert (await app.tenant.http.get(f"/api/v1/incidents/{about}")).json()["status"] == "open"


async def test_a_press_is_taken_once_and_what_is_none_does_nothing(app: App) -> None:
    raw = urlencode({"payload": json.dumps({"type": "view_submission"})}).encode()
    at = time.time()
    assert (await app.send(raw, at=at)).status_code == 200
    problem_of(await app.send(raw, at=at), 409)
    deep = "[" * 5000
    for place, body in enumerate((b"", b"payload", b"payload={", f"payload={deep}".encode(), b"\xff", b"payload=%ff")):
        problem_of(await app.send(body, at=at - 1 - place), 400)
    for place, harmless in enumerate(
        ({"type": "block_actions"}, {"type": "block_actions", "actions": [1]}, [], "x", None)
    ):
        raw = urlencode({"payload": json.dumps(harmless)}).encode()
        assert (await app.send(raw, at=at - 20 - place)).status_code == 200


async def test_a_plan_is_decided_by_its_hash_and_never_by_who_asked_for_it(app: App) -> None:
    requester = app.tenant.owner
    second = await app.tenant.operator("approver", "operator", name="grace")
    await app.link(requester)
    await app.link(second, user="U0GRACE")
    waiting = await wait_for_approval(app.tenant, system_id=await register_shop_database(app.tenant))
    value = f"{waiting['id']}:{waiting['plan_hash']}"
    _, said = await app.press("approve", value)
    assert said["response_type"] == "ephemeral" and "can't approve" in said["text"]
    _, said = await app.press("approve", f"{waiting['id']}:{'0' * 64}", user="U0GRACE")
    assert "changed" in said["text"]
    status = "select status, decided_by, reason from opsteward.approvals where id = %s"
    assert app.tenant.instance.sql(status, waiting["id"]) == [("pending", None, None)]
    _, said = await app.press("refuse", value, user="U0GRACE")
    assert said["response_type"] == "in_channel" and said["text"].startswith("grace: refused ")
    assert app.tenant.instance.sql(status, waiting["id"]) == [("refused", f"operator:{second.id}", "in Slack")]
    _, said = await app.press("approve", value, user="U0GRACE")
    assert said["response_type"] == "ephemeral"


async def test_a_route_tells_of_what_waits_with_a_button_for_each_answer(app: App) -> None:
    await notify(app.tenant, "slack", approvals=True)
    await notify(app.tenant, "quiet")
    system_id = await register_shop_database(app.tenant)
    waiting = [await wait_for_approval(app.tenant, system_id=system_id, pid=1000 + n) for n in range(2)]
    services = app.tenant.instance.services
    async with services.app.unit_of_work(app.tenant.id) as session:
        for one in waiting:
            run = await services.action_service.get(session, run_id=UUID(one["action_id"]))
            step = ActionChanged(run=run, key=f"planned {uuid4()}", reply_to=None, actor="system:test")
            await services.bus.publish(session, step)
    notices = app.tenant.instance.sql(
        "select kind, status, title, body, buttons from opsteward.notices where tenant_id = %s order by id",
        app.tenant.id,
    )
    assert [row[:2] for row in notices] == [("approval", "queued")] * 2
    for one, (_, _, title, body, buttons) in zip(waiting, notices, strict=True):
        assert title.startswith("Waits for your approval: ") and "end session" in body
        value = f"{one['id']}:{one['plan_hash']}"
        assert [(each["action"], each["value"]) for each in buttons] == [("approve", value), ("refuse", value)]


async def test_buttons_go_with_messages_to_slack_alone(slack: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    path = uuid4().hex
    monkeypatch.setattr("apprise.plugins.slack.NotifySlack.webhook_url", f"http://127.0.0.1:{slack.port}/{path}")
    tokens = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    urls = [f"slack://{tokens}/", f"slack://{tokens}/?blocks=yes", slack.url(path)]
    buttons = [
        Button(action="acknowledge", value="7", about="#7 a <b>"),
        Button(action="approve", value="8", about="c"),
    ]
    sent, failed = await send_by_apprise("r", urls, "Title", "Body", "high", buttons=buttons)
    assert (len(sent), failed) == (3, [])
    messages = slack.sent_to(f"{path}/{tokens}")
    assert len(messages) == 2
    for message in messages:
        assert "Body" in json.dumps(message["attachments"][0])
        about, press, *more = message["attachments"][-1]["blocks"]
        assert about["text"] == {"type": "plain_text", "text": "#7 a <b>", "emoji": False}
        (button,) = press["elements"]
        assert (button["action_id"], button["value"]) == ("opsteward.acknowledge", "7")
        assert more[1]["elements"][0]["style"] == "primary"
    (other,) = slack.sent_to(path)
    assert "buttons" not in json.dumps(other)


async def notify(tenant: Tenant, name: str, **more: Any) -> None:
    body = {"urls": ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"], "group_seconds": 0} | more
    (await tenant.http.put(f"/api/v1/notifications/routes/{name}", json=body)).raise_for_status()

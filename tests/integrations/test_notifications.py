"""The six decision actions: log, answer, and messages sent through Apprise to a real server on loopback."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError
from real_parts import closed_port
from structlog.testing import capture_logs

from opsteward.contracts.action import Action, ActionContext, Risk
from opsteward.contracts.integration import Integration
from opsteward.core.errors import ConnectorError, Invalid
from opsteward.integrations.apprise import build
from opsteward.integrations.apprise.client import ConsoleNotifier, inert
from opsteward.integrations.apprise.config import MessageParams, NoticeParams

CONTEXT: ActionContext[None] = ActionContext(via=None, target=None, idempotency_key="key-1")
PARAMS = NoticeParams(title="Login storm", body="300 failures", severity="high", event_id="e-1", incident_id="i-1")


def action(integration: Integration, slug: str) -> Action[Any, Any, Any]:
    return next(a for a in integration.actions if a.slug == slug)


@dataclass
class Inbox:
    url: str = ""
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    box = Inbox()

    async def take(request: web.Request) -> web.Response:
        box.messages.append(await request.json())
        box.paths.append(request.path)
        return web.Response(status=box.status)

    app = web.Application()
    app.router.add_post("/{tail:.*}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    box.url = f"json://127.0.0.1:{runner.addresses[0][1]}/s3cret-token"
    yield box
    await runner.cleanup()


async def test_a_message_goes_to_one_user_by_its_address(inbox: Inbox) -> None:
    message_user = action(build({}, to_users=[inbox.url + "/{email}?+to={email}"]), "message_user")
    params = MessageParams(email="o'hara&co@example.com", title="Welcome", body="Hello @here")
    result = await message_user.execute(CONTEXT, params)
    assert (await message_user.verify(CONTEXT, params, result)).ok
    assert inbox.messages[0]["title"] == "Welcome"
    assert inbox.paths[0].endswith("/o'hara&co@example.com")
    with pytest.raises(ConnectorError, match="No service reaches users"):
        await action(build({}), "message_user").execute(CONTEXT, params)
    with pytest.raises(Invalid, match="OPSTEWARD_NOTIFY_USERS"):
        build({}, to_users=["mailtos://user:secret@smtp.example.com"])


async def test_one_unusable_address_of_a_route_silences_no_other(inbox: Inbox) -> None:
    escalate = action(build({"oncall": ["nothing://s3cret", inbox.url, "json://"]}), "escalate")
    with capture_logs() as logs:
        result = await escalate.execute(CONTEXT, PARAMS)
    assert [m["title"] for m in inbox.messages] == [PARAMS.title]
    assert result.failed[0] == "URL 1 (none that Apprise can use)"
    assert [line["places"][0] for line in logs if line["event"] == "notices.urls.unusable"] == [1]
    assert "s3cret" not in str(logs) + str(result)
    with pytest.raises(ConnectorError, match="URL 1 of route oncall") as caught:
        await action(build({"oncall": ["nothing://s3cret"]}), "escalate").execute(CONTEXT, PARAMS)
    assert "s3cret" not in str(caught.value)


def test_the_actions_that_ship() -> None:
    actions = build({}).actions
    assert {a.slug for a in actions} == {
        "log_only",
        "log_and_monitor",
        "return_validation_error",
        "alert_security_team",
        "escalate",
        "notify_admin",
        "message_user",
        "send_notice",
    }
    assert all(a.risk is Risk.LOW and not a.undoable for a in actions)


@pytest.mark.parametrize(
    ("slug", "route"), [("alert_security_team", "security"), ("escalate", "oncall"), ("notify_admin", "admin")]
)
async def test_a_message_arrives_with_its_reference(inbox: Inbox, slug: str, route: str) -> None:
    notify = action(build({route: [inbox.url]}), slug)
    plan = await notify.plan(CONTEXT, PARAMS)
    assert plan.needed and not inbox.messages
    for _ in range(2):  # sent again after a crash, it can be recognised
        result = await notify.execute(CONTEXT, PARAMS)
    assert [m["title"] for m in inbox.messages] == ["Login storm"] * 2
    for message in inbox.messages:
        assert message["type"] == "failure"
        assert message["message"] == "300 failures\n\nIncident: i-1\nEvent: e-1\nReference: key-1"
    proof = await notify.verify(CONTEXT, PARAMS, result)
    assert proof.ok
    assert "s3cret" not in repr((plan, result, proof))


async def test_a_failing_service_is_an_error_without_its_url(inbox: Inbox) -> None:
    inbox.status = 500
    with closed_port() as port:
        for url in (inbox.url, f"json://127.0.0.1:{port}/s3cret-token", "slack://s3cret-token"):
            with pytest.raises(ConnectorError) as caught:
                await action(build({"security": [url]}), "alert_security_team").execute(CONTEXT, PARAMS)
            assert "s3cret" not in f"{caught.value!r} {caught.value.remedy}"


async def test_one_of_two_services_failing_is_said(inbox: Inbox) -> None:
    with closed_port() as port:
        routes = {"admin": [inbox.url, f"json://127.0.0.1:{port}/s3cret-token"]}
        notify = action(build(routes), "notify_admin")
        result = await notify.execute(CONTEXT, PARAMS)
    assert (len(result.channels), len(result.failed)) == (1, 1)
    proof = await notify.verify(CONTEXT, PARAMS, result)
    assert proof.ok and "refused by" in proof.summary


async def test_without_urls_it_goes_to_console_and_log() -> None:
    stream = io.StringIO()
    notify = action(build({}, ConsoleNotifier(stream)), "escalate")
    with capture_logs() as logs:
        result = await notify.execute(CONTEXT, PARAMS)
    assert stream.getvalue() == "[opsteward -> oncall] Login storm: 300 failures (reference key-1)\n"
    assert result.channels == ["console", "log"]
    assert [(line["event"], line["reference"]) for line in logs] == [("event.notice.sent_to_oncall", "key-1")]


async def test_a_closed_console_is_an_error() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(ConnectorError):
        await action(build({}, ConsoleNotifier(stream)), "escalate").execute(CONTEXT, PARAMS)


async def test_hostile_text_arrives_inert(inbox: Inbox) -> None:
    stream = io.StringIO()
    hostile = NoticeParams(
        title="@everyone\r\n\x1b[31mred \u202egnirts",
        body="<!channel> <@U1> @here [click](http://evil) a\x00b\\n ${HOME} {{7*7}} <script>",
        severity="low",
    )
    await action(build({"security": [inbox.url]}), "alert_security_team").execute(CONTEXT, hostile)
    await action(build({}, ConsoleNotifier(stream)), "escalate").execute(CONTEXT, hostile)
    (message,) = inbox.messages
    for text in (message["title"], message["message"], stream.getvalue()):
        for harm in ("@everyone", "@here", "<!", "<@", "](", "\x1b", "\x00", "\u202e", "\r"):
            assert harm not in text
    assert "${HOME} {{7*7}} <script>" in message["message"]
    assert stream.getvalue().count("\n") == 1


async def test_logging_actions_write_one_line() -> None:
    for slug in ("log_only", "log_and_monitor"):
        with capture_logs() as logs:
            log = action(build({}), slug)
            result = await log.execute(CONTEXT, PARAMS)
        (line,) = logs
        assert (line["event"], line["action"], line["reference"]) == ("event.notice.logged", slug, "key-1")
        assert line["title"] == PARAMS.title
        assert (await log.verify(CONTEXT, PARAMS, result)).ok


async def test_the_validation_error_is_built_for_the_caller() -> None:
    answer = action(build({}), "return_validation_error")
    params = NoticeParams(title="ValidationError", body="Invalid email format", severity="low", field="email")
    result = await answer.execute(CONTEXT, params)
    assert result.model_dump()["errors"] == [{"field": "email", "problem": "Invalid email format"}]
    assert (await answer.verify(CONTEXT, params, result)).ok


@pytest.mark.parametrize(
    "routes", [{"sales": ["json://x"]}, {"admin": "json://x"}, {"admin": ["s3cret"]}, {"admin": [7]}]
)
def test_wrong_routes_are_named(routes: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        build(routes)
    assert caught.value.problems[0].field == f"routes.{next(iter(routes))}"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"title": ""}, {"title": "x" * 201}, {"body": "x" * 4001}, {"severity": "extreme"}, {"to": "x"}],
)
def test_params_are_bounded(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NoticeParams.model_validate({"title": "t", "severity": "low", **change})


def test_inert_keeps_what_is_harmless() -> None:
    plain = "5 < 6, mail me at home, a[0] = (1)\n\tüñí – ok"
    assert inert(plain) == plain

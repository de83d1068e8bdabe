"""Sends a notice of the outbox by the URLs of its route: at most once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.core.errors import Conflict, ConnectorError
from opsteward.core.redact import redact_text
from opsteward.integrations.apprise.client import SEND_TIMEOUT, inert, send_by_apprise
from opsteward.integrations.apprise.config import NoticeResult
from opsteward.integrations.apprise.destinations import allowed
from opsteward.integrations.apprise.outbox import Delivery, NoticeOutbox
from opsteward.integrations.apprise.web_push import SCHEME, Pushed, PushKey, PushMessage, push


class SendNoticeParams(BaseModel):
    """Which notice; its text and its route lie in the outbox."""

    model_config = ConfigDict(extra="forbid")

    notice_id: str = Field(min_length=36, max_length=36)


class SendNotice(Action[None, SendNoticeParams, NoticeResult]):
    """Never repeated: a notice that was begun and not ended may have arrived."""

    slug: ClassVar[str] = "send_notice"
    title: ClassVar[str] = "Send a notice by its route"
    risk: ClassVar[Risk] = Risk.LOW
    params_model: ClassVar[type[BaseModel]] = SendNoticeParams
    result_model: ClassVar[type[BaseModel]] = NoticeResult
    timeout: ClassVar[float] = SEND_TIMEOUT + 5.0

    def __init__(self, outbox: NoticeOutbox, push_hosts: Sequence[str] = ()) -> None:
        """`push_hosts`: push services of browsers that may be on private addresses."""
        self._outbox = outbox
        self._push_hosts = push_hosts

    async def plan(self, ctx: ActionContext[None], params: SendNoticeParams) -> Plan:
        return Plan(
            needed=True,
            summary=f"Send the notice {params.notice_id} by its route",
            steps=["Send it once; it can't be taken back"],
        )

    async def execute(self, ctx: ActionContext[None], params: SendNoticeParams) -> NoticeResult:
        delivery = await self._outbox.begin(params.notice_id)
        if delivery is None:
            raise Conflict("it was begun before, and may have arrived: it is not sent again")
        title, body = inert(redact_text(delivery.title), one_line=True), inert(redact_text(delivery.body))
        try:
            sent, failed = await self._send(delivery, title, body)
        except ConnectorError as error:
            await self._outbox.note_failure(params.notice_id, error.detail)
            raise Conflict(error.detail, remedy=error.remedy) from error
        return NoticeResult(reference=params.notice_id, channels=sent, failed=failed)

    async def _send(self, delivery: Delivery, title: str, body: str) -> tuple[list[str], list[str]]:
        """To browsers, then by all other services. Raises ConnectorError when nobody took it."""
        browsers = [url for url in delivery.urls if url.startswith(f"{SCHEME}://")]
        others = [url for url in delivery.urls if url not in browsers]
        pushed = await self._push(delivery, browsers, title, body)
        if not others:
            if not pushed.sent:
                raise ConnectorError(_untaken(pushed), remedy="let them subscribe anew, on the page of their name")
            return pushed.sent, pushed.failed
        urls = await allowed(others)
        try:
            if not urls:
                raise ConnectorError("Its URLs lead to addresses that are refused here", remedy="use other addresses")
            buttons = [replace(one, about=inert(redact_text(one.about), one_line=True)) for one in delivery.buttons]
            sent, failed = await send_by_apprise(delivery.route, urls, title, body, delivery.severity, buttons=buttons)
        except ConnectorError as error:
            if not pushed.sent:
                raise
            sent, failed = [], [error.detail]
        return pushed.sent + sent, pushed.failed + failed

    async def _push(self, delivery: Delivery, browsers: Sequence[str], title: str, body: str) -> Pushed:
        if not browsers:
            return Pushed(sent=[], failed=[], gone=[])
        message = PushMessage(title=title, body=body, path=delivery.path)
        pushed = await push(browsers, message, PushKey(delivery.push_seed), self._push_hosts)
        if pushed.gone:
            await self._outbox.forget(delivery, pushed.gone)
        return pushed

    async def verify(self, ctx: ActionContext[None], params: SendNoticeParams, result: NoticeResult) -> Proof:
        """The services' own receipts: whether a person has read it can't be measured."""
        summary = f"Taken by {', '.join(result.channels)}"
        if result.failed:
            summary += f"; refused by {', '.join(result.failed)}"
        return Proof(
            ok=bool(result.channels),
            summary=summary,
            evidence={"channels": result.channels, "failed": result.failed, "measured": False},
        )


def _untaken(pushed: Pushed) -> str:
    if pushed.failed:
        return f"No browser took it: {'; '.join(pushed.failed)}"[:500]
    return "Its browsers do not want to be told any more, and were taken off the route"

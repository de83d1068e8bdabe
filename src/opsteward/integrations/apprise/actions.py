"""Log it, answer the caller, or notify people: the six actions that a decision can name.

They touch no registered system: `ctx.via` and `ctx.target` are None.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.integrations.apprise.client import SEND_TIMEOUT, RouteNotifier, UserMessenger, log_notice
from opsteward.integrations.apprise.config import (
    FieldError,
    MessageParams,
    NoticeParams,
    NoticeResult,
    Route,
    ValidationErrorResult,
)

# Nothing outside can be measured for a line in our own log or an answer to the caller.
_OWN_OUTPUT = {"measured": False, "why": "the output is our own; there is no target to look at"}


class LogNotice(Action[None, NoticeParams, NoticeResult]):
    """Writes one structured line `event.notice.logged`. Twice under one reference is one notice."""

    risk: ClassVar[Risk] = Risk.LOW
    params_model: ClassVar[type[BaseModel]] = NoticeParams
    result_model: ClassVar[type[BaseModel]] = NoticeResult
    timeout: ClassVar[float] = 5.0

    async def plan(self, ctx: ActionContext[None], params: NoticeParams) -> Plan:
        return Plan(needed=True, summary=f"Write to the log: {params.title}")

    async def execute(self, ctx: ActionContext[None], params: NoticeParams) -> NoticeResult:
        log_notice("event.notice.logged", params, level="info", action=self.slug, reference=ctx.idempotency_key)
        return NoticeResult(reference=ctx.idempotency_key, channels=["log"])

    async def verify(self, ctx: ActionContext[None], params: NoticeParams, result: NoticeResult) -> Proof:
        return Proof(ok=True, summary=f"Logged as {result.reference}", evidence=_OWN_OUTPUT)


class LogOnly(LogNotice):
    """For what can be ignored."""

    slug: ClassVar[str] = "log_only"
    title: ClassVar[str] = "Write it to the log"


class LogAndMonitor(LogNotice):
    """The line for what is to be watched; the watching itself is the system's health checks."""

    slug: ClassVar[str] = "log_and_monitor"
    title: ClassVar[str] = "Write it to the log and keep watching"


class ReturnValidationError(Action[None, NoticeParams, ValidationErrorResult]):
    """Builds the body that names to the caller which field is wrong; the API sends it."""

    slug: ClassVar[str] = "return_validation_error"
    title: ClassVar[str] = "Answer with the validation error"
    risk: ClassVar[Risk] = Risk.LOW
    params_model: ClassVar[type[BaseModel]] = NoticeParams
    result_model: ClassVar[type[BaseModel]] = ValidationErrorResult
    timeout: ClassVar[float] = 5.0

    async def plan(self, ctx: ActionContext[None], params: NoticeParams) -> Plan:
        about = f" about {params.field}" if params.field else ""
        return Plan(needed=True, summary=f"Answer the caller{about}: {params.title}")

    async def execute(self, ctx: ActionContext[None], params: NoticeParams) -> ValidationErrorResult:
        error = FieldError(field=params.field or "", problem=params.body or params.title)
        return ValidationErrorResult(reference=ctx.idempotency_key, errors=[error])

    async def verify(self, ctx: ActionContext[None], params: NoticeParams, result: ValidationErrorResult) -> Proof:
        return Proof(ok=True, summary="The caller's answer is built", evidence=_OWN_OUTPUT)


class NotifyPeople(Action[None, NoticeParams, NoticeResult]):
    """Sends a message by a route. Delivered at least once: a repeat bears the same reference."""

    risk: ClassVar[Risk] = Risk.LOW
    params_model: ClassVar[type[BaseModel]] = NoticeParams
    result_model: ClassVar[type[BaseModel]] = NoticeResult
    timeout: ClassVar[float] = SEND_TIMEOUT + 5.0

    route: ClassVar[Route]

    def __init__(self, notifier: RouteNotifier) -> None:
        self._notifier = notifier

    async def plan(self, ctx: ActionContext[None], params: NoticeParams) -> Plan:
        channels = self._notifier.channels(self.route)
        return Plan(
            needed=True,
            summary=f"Tell {self.route} through {channels}: {params.title}",
            steps=[f"Send one message with the reference {ctx.idempotency_key}; it can't be taken back"],
        )

    async def execute(self, ctx: ActionContext[None], params: NoticeParams) -> NoticeResult:
        return await self._notifier.send(self.route, params, ctx.idempotency_key)

    async def verify(self, ctx: ActionContext[None], params: NoticeParams, result: NoticeResult) -> Proof:
        """The services' own receipts: whether a person has read it can't be measured."""
        summary = f"Taken by {', '.join(result.channels)}"
        if result.failed:
            summary += f"; refused by {', '.join(result.failed)}"
        return Proof(
            ok=bool(result.channels),
            summary=summary,
            evidence={"channels": result.channels, "failed": result.failed, "measured": False},
        )


class AlertSecurityTeam(NotifyPeople):
    """By the route `security`."""

    slug: ClassVar[str] = "alert_security_team"
    title: ClassVar[str] = "Alert the security team"
    route: ClassVar[Route] = "security"


class Escalate(NotifyPeople):
    """By the route `oncall`."""

    slug: ClassVar[str] = "escalate"
    title: ClassVar[str] = "Escalate to the people on call"
    route: ClassVar[Route] = "oncall"


class NotifyAdmin(NotifyPeople):
    """By the route `admin`."""

    slug: ClassVar[str] = "notify_admin"
    title: ClassVar[str] = "Notify the administrators"
    route: ClassVar[Route] = "admin"


class MessageUser(Action[None, MessageParams, NoticeResult]):
    """Sends a message to one user. Delivered at least once: mail has no key that would keep a repeat away."""

    slug: ClassVar[str] = "message_user"
    title: ClassVar[str] = "Send a message to a user"
    risk: ClassVar[Risk] = Risk.LOW
    params_model: ClassVar[type[BaseModel]] = MessageParams
    result_model: ClassVar[type[BaseModel]] = NoticeResult
    timeout: ClassVar[float] = SEND_TIMEOUT + 5.0

    def __init__(self, messenger: UserMessenger) -> None:
        self._messenger = messenger

    async def plan(self, ctx: ActionContext[None], params: MessageParams) -> Plan:
        return Plan(
            needed=True,
            summary=f"Send a message to a user: {params.title}",
            steps=["Send one message; it can't be taken back"],
        )

    async def execute(self, ctx: ActionContext[None], params: MessageParams) -> NoticeResult:
        return await self._messenger.send(params, ctx.idempotency_key)

    async def verify(self, ctx: ActionContext[None], params: MessageParams, result: NoticeResult) -> Proof:
        """The services' own receipts: whether the user has read it can't be measured."""
        return Proof(
            ok=bool(result.channels),
            summary=f"Taken by {', '.join(result.channels)}",
            evidence={"channels": result.channels, "failed": result.failed, "measured": False},
        )

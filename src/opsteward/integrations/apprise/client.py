"""Sends messages to people through Apprise, or to the console and log where no service is configured."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TextIO
from urllib.parse import quote

from opsteward.core.errors import ConnectorError
from opsteward.core.redact import redact_text
from opsteward.integrations.apprise.config import MessageParams, NoticeParams, NoticeResult, Route
from opsteward.integrations.apprise.slack_buttons import Button, add_buttons

if TYPE_CHECKING:
    import apprise

SEND_TIMEOUT = 20.0  # seconds for all services of a route together
_ZERO_WIDTH_SPACE = "\u200b"
# C0 and C1 controls (but tab and newline) and the characters that reverse or hide text. The zero-width joiners
# stay: several scripts need them.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
# @name, Slack's <!here> <@U1> <#C1> and Discord's <@&1>, and [text](url) links.
_MENTION = re.compile(r"@(?=[\w&!*])|<(?=[!@#/:])|\](?=\()")


def inert(text: str, *, one_line: bool = False) -> str:
    """Text from outside, made harmless in chats: no control characters, no mentions, no hidden links.

    Readers see the same characters; a zero-width space after `@`, `<` or `]` takes away their power.
    """
    text = " ".join(text.split()) if one_line else text.replace("\r\n", "\n")
    return _MENTION.sub(lambda m: m.group(0) + _ZERO_WIDTH_SPACE, _CONTROLS.sub("\ufffd", text))


def log_notice(event: str, params: NoticeParams, *, level: Literal["info", "warning"], **extra: object) -> None:
    """One structured log line with the notice as it came; the log's renderer escapes it."""
    import structlog

    line = structlog.get_logger("opsteward.notices")
    write = line.warning if level == "warning" else line.info
    write(event, **params.model_dump(exclude_none=True), **extra)


class ConsoleNotifier:
    """Writes a message as one clear line to a stream, standard error unless another one is given."""

    name = "console"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, route: Route, title: str, body: str, reference: str) -> None:
        """Raises ConnectorError when the stream is closed."""
        text = " ".join(body.split())[:500]
        stream = self._stream or sys.stderr
        line = f"[opsteward -> {route}] {title}{': ' + text if text else ''} (reference {reference})\n"
        try:
            stream.write(line.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8"))
            stream.flush()
        except (OSError, ValueError) as exc:
            raise ConnectorError("The console can't be written to") from exc


class RouteNotifier:
    """Knows the services of each route."""

    def __init__(self, routes: Mapping[Route, Sequence[str]], console: ConsoleNotifier) -> None:
        self._routes = routes
        self._console = console

    def channels(self, route: Route) -> str:
        """Where a message of this route would go, for people, without a URL."""
        count = len(self._routes.get(route, ()))
        return f"{count} configured service(s)" if count else "the console and the log"

    async def send(self, route: Route, params: NoticeParams, reference: str) -> NoticeResult:
        """Send once. Some services failing is in the result; ConnectorError is raised when all fail."""
        title = inert(redact_text(params.title), one_line=True)
        log_notice(f"event.notice.sent_to_{route}", params, level="warning", reference=reference)
        urls = self._routes.get(route, ())
        if not urls:
            self._console.send(route, title, inert(redact_text(params.body)), reference)
            return NoticeResult(reference=reference, channels=[self._console.name, "log"])
        sent, failed = await send_by_apprise(route, urls, title, _body(params, reference), params.severity)
        return NoticeResult(reference=reference, channels=sent, failed=failed)


def _body(params: NoticeParams, reference: str) -> str:
    """The text, then what it is about. The same reference in two messages means: one message, sent again."""
    about = [("Incident", params.incident_id), ("Event", params.event_id), ("Reference", reference)]
    lines = [f"{name}: {inert(value, one_line=True)}" for name, value in about if value]
    return "\n".join([inert(redact_text(params.body)), "", *lines]).strip()


class UserMessenger:
    """Reaches single users: the URLs have `{email}` where the address goes."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls

    @property
    def configured(self) -> bool:
        """Whether any user can be reached."""
        return bool(self._urls)

    async def send(self, params: MessageParams, reference: str) -> NoticeResult:
        """Send once. Raises ConnectorError when no service is configured or none took it."""
        if not self._urls:
            raise ConnectorError("No service reaches users", remedy="set OPSTEWARD_NOTIFY_USERS")
        urls = [url.replace("{email}", quote(params.email, safe="")) for url in self._urls]
        title, body = inert(params.title, one_line=True), inert(params.body)
        sent, failed = await send_by_apprise("users", urls, title, body, "low")
        return NoticeResult(reference=reference, channels=sent, failed=failed)


async def send_by_apprise(
    route: str, urls: Sequence[str], title: str, body: str, severity: str, *, buttons: Sequence[Button] = ()
) -> tuple[list[str], list[str]]:
    """Names of the services that took the message and of those that did not. Raises when none did. `buttons`: for
    those that can have some."""
    import apprise

    notify_types = {"low": apprise.NotifyType.INFO, "medium": apprise.NotifyType.WARNING}
    services, failed = _services(route, urls)
    for service in services:
        add_buttons(service, buttons)
    outcome = await services.async_notify(
        body=body,
        title=title,
        notify_type=notify_types.get(severity, apprise.NotifyType.FAILURE),
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
        timeout=SEND_TIMEOUT,
    )
    sent: list[str] = []
    for result in outcome.results:
        taken = result.status == apprise.AppriseResultStatus.SUCCESS
        (sent if taken else failed).append(str(result.name))
    if not sent:
        raise ConnectorError(
            f"None of the {len(urls)} service(s) of route {route} took the message",
            remedy="Try the route's URLs with the apprise command",
        )
    return sent, failed


def _services(route: str, urls: Sequence[str]) -> tuple[apprise.Apprise, list[str]]:
    """The usable services, and the places of the URLs that are none; never the URLs, which hold tokens. Raises
    ConnectorError when none is usable."""
    import apprise
    import structlog

    services = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Opsteward", app_desc="Opsteward"))
    unusable: list[int] = []
    for place, url in enumerate(urls, start=1):
        service = apprise.Apprise.instantiate(url, asset=services.asset, suppress_exceptions=True)
        if service is None:
            unusable.append(place)
        else:
            service.redirects = False  # a server would lead us past the look at the host: see `destinations`
            services.add(service)
    if unusable:
        structlog.get_logger(__name__).error("notices.urls.unusable", route=route, places=unusable)
    if len(unusable) == len(urls):
        raise ConnectorError(
            f"URL {unusable[0]} of route {route} is none that Apprise can use",
            remedy="See the Apprise manual for the service's URL",
        )
    return services, [f"URL {place} (none that Apprise can use)" for place in unusable]

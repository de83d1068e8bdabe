"""A visit in several steps: sign in, then look. Ends with the first step that does not go as expected."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin, urlsplit

from opsteward.core.conditions import parse_condition
from opsteward.core.errors import BadReply, ConnectorError
from opsteward.core.http_client import REGISTERED_SYSTEMS, HttpClient, HttpReply, safe_url
from opsteward.core.http_client.visit import Visit
from opsteward.integrations.web.client import condition_values
from opsteward.integrations.web.config import WebConfig
from opsteward.integrations.web.page_parts import hidden_fields, taken
from opsteward.integrations.web.steps import Step, filled

_BYTES_LIMIT = 256 * 1024
_SECRET_FROM = 4  # characters; what is shorter would mask half of a message


@dataclass(frozen=True, kw_only=True)
class StepSeen:
    """How a step went: `problem` is empty where it went well, `error` is what kept the reply from us."""

    name: str
    url: str
    seconds: float
    status: int | None = None
    problem: str = ""
    error: ConnectorError | None = None


async def visit(config: WebConfig) -> list[StepSeen]:
    """The steps up to the first that fails; all of them together take at most `timeout_seconds`."""
    settings, credentials = config.settings, config.credentials
    client = HttpClient(
        REGISTERED_SYSTEMS,
        timeout=settings.timeout_seconds,
        max_bytes=_BYTES_LIMIT,
        authority=settings.certificate_authority,
    )
    walk = _Walk(config, Visit(client))
    walk.known = {
        "username": credentials.username,
        "password": credentials.password.get_secret_value(),
        "token": credentials.token.get_secret_value(),
    }
    seen: list[StepSeen] = []
    deadline = asyncio.get_running_loop().time() + settings.timeout_seconds
    for place, step in enumerate(settings.steps, start=1):
        seen.append(await walk.take(step, place, deadline))
        if seen[-1].problem:
            break
    return seen


class _Walk:
    def __init__(self, config: WebConfig, visit: Visit) -> None:
        self._config = config
        self._visit = visit
        self._page: HttpReply | None = None
        self.known: dict[str, str] = {}

    async def take(self, step: Step, place: int, deadline: float) -> StepSeen:
        url = urljoin(self._config.url, str(filled(step.url, self.known)))
        shown = safe_url(urljoin(self._config.url, step.url))  # with its ${names}: what they stand for may be secret
        name = step.name or f"step {place}: {step.sent_with} {urlsplit(step.url).path or '/'}"
        began = time.monotonic()
        try:
            async with asyncio.timeout_at(deadline):
                reply = await self._send(step, url)
        except TimeoutError:
            limit = self._config.settings.timeout_seconds
            problem = f"there was no answer before all steps had taken {limit:g} s"
            return StepSeen(name=name, url=shown, seconds=time.monotonic() - began, problem=problem)
        except ConnectorError as error:
            seconds = time.monotonic() - began
            return StepSeen(name=name, url=shown, seconds=seconds, problem=self._masked(error.detail), error=error)
        seconds, self._page = time.monotonic() - began, reply
        problem = self._masked(self._judge(step, reply))
        return StepSeen(name=name, url=shown, seconds=seconds, status=reply.status, problem=problem)

    def _masked(self, text: str) -> str:
        for secret in sorted(self.known.values(), key=len, reverse=True):
            if len(secret) >= _SECRET_FROM:
                text = text.replace(secret, "***")
        return text

    async def _send(self, step: Step, url: str) -> HttpReply:
        if urlsplit(url).scheme not in ("http", "https"):
            raise BadReply("it leads to no http or https address")
        elsewhere = urlsplit(url)[:2] != urlsplit(self._config.url)[:2]
        if elsewhere and any(self.known.get(name) for name in step.names & {"username", "password", "token"}):
            raise BadReply("it would send the credentials to another server than the endpoint's")
        headers = {key: _one_line(str(filled(value, self.known))) for key, value in step.headers.items()}
        body = None
        if step.form is not None:
            along = hidden_fields(self._page, step.form.keys()) if self._page is not None and not elsewhere else {}
            sent: Mapping[str, str] = along | {key: str(filled(value, self.known)) for key, value in step.form.items()}
            body = urlencode(sent).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        elif step.send_json is not None:
            body = json.dumps(filled(step.send_json, self.known)).encode()
            headers = {"Content-Type": "application/json"} | headers
        if step.sent_with not in ("GET", "HEAD"):  # what checks where a form comes from sees what a browser sends
            parts = urlsplit(url)
            headers = {"Origin": f"{parts.scheme}://{parts.netloc}", "Referer": safe_url(url)} | headers
        return await self._visit.fetch(url, method=step.sent_with, headers=headers, body=body)

    def _judge(self, step: Step, reply: HttpReply) -> str:
        """What is wrong with the reply, empty for nothing; takes from it what later steps need."""
        if step.expect:
            condition = parse_condition(step.expect)
            if not condition.holds(condition_values(reply)):
                return f"not as expected: {step.expect} (status {reply.status})"
        if not (step.expect and "status" in condition.names) and not 200 <= reply.status < 400:
            return f"status {reply.status}"
        for name, source in step.extract.items():
            kind, _, key = source.partition(":")
            found = taken(source, reply, self._visit.cookie(key) if kind == "cookie" else None)
            if found is None:
                return f"the page has no {source}"
            self.known[name] = found
        return ""


def _one_line(text: str) -> str:
    return "".join(char for char in text if char.isprintable())

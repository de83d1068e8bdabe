"""An API as its users meet it: are we let in, are we let through, and does it answer as it promises. And the operators'
own endpoints of an application, by a map."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urljoin

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding
from opsteward.contracts.connector import SystemRef
from opsteward.core.blocking_calls import in_thread
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import HttpReply, safe_url
from opsteward.core.json_types import Json, JsonObject
from opsteward.integrations.web.client import PAGE_BYTES_LIMIT, condition_values
from opsteward.integrations.web.connector import WebConnector
from opsteward.integrations.web.contract import broken_promises, promised_schema, schema_of
from opsteward.integrations.web.findings import found, judged

_EXPIRED = re.compile(r"\bexpired\b|token_expired|invalid_token.{0,200}expir|\bhas ended\b", re.IGNORECASE)
_EXCERPT = 300


class ApiCheck(Check[WebConnector]):
    """FAIL when our credential has expired, is refused or lacks a right, on an error, and for an answer that is not as
    promised; WARN when our requests are limited."""

    slug: ClassVar[str] = "web.api"
    title: ClassVar[str] = "Access to the API, and its promises"
    domain: ClassVar[Domain] = "network"
    health: ClassVar[bool] = True

    def fits(self, target: SystemRef) -> bool:
        return bool(target.settings.get("api"))

    async def run(self, via: WebConnector, target: SystemRef) -> CheckResult:
        api = via.config.settings.api
        document, why_none = await _document(via, api.openapi) if api.openapi else ({}, "")
        findings: list[Finding] = []
        seen: list[Json] = []
        for path in api.paths:
            url = urljoin(via.config.page_url, path)
            reply = await via.get(url)
            seen.append({"path": path, "status": reply.status, "seconds": round(reply.seconds, 4)})
            finding = _of_access(via, reply, path)
            if finding is None:  # large answers and documents take a while to compare
                finding = await in_thread(_of_promise, reply, path, document, api.recorded.get(path))
            if finding is not None:
                findings.append(finding)
        result = judged(findings, f"{len(seen)} path(s) answer as promised", {"paths": seen}, None)
        return replace(result, unseen=[f"{api.openapi}: {why_none}"]) if why_none else result


class OperatorCheck(Check[WebConnector]):
    """FAIL where an operators' endpoint of the map says that something is wrong."""

    slug: ClassVar[str] = "web.operator_endpoints"
    title: ClassVar[str] = "Operators' endpoints"
    domain: ClassVar[Domain] = "web"
    health: ClassVar[bool] = True

    def fits(self, target: SystemRef) -> bool:
        return bool(target.settings.get("operator"))

    async def run(self, via: WebConnector, target: SystemRef) -> CheckResult:
        findings: list[Finding] = []
        seen: JsonObject = {}
        unreached: ConnectorError | None = None
        for name, endpoint in via.config.settings.operator.items():
            url = urljoin(via.config.page_url, endpoint.url)
            try:
                reply = await via.get(url, as_operator=True)
            except ConnectorError as error:
                unreached = error
                seen[name] = {"url": safe_url(url), "problem": error.detail}
                continue
            told: JsonObject = {
                "url": safe_url(url),
                "status": reply.status,
                "seconds": round(reply.seconds, 4),
                "said": reply.text(_EXCERPT),
            }
            seen[name] = told
            if endpoint.expect:
                condition = parse_condition(endpoint.expect)
                well = condition.holds(condition_values(reply))
                words = f"{name}: {endpoint.expect} does not hold"
            else:
                well, words = reply.status < 400, f"{name} answers with status {reply.status}"
            if reply.status in (401, 403):  # we can't look: that says nothing about the application
                told["problem"] = "it does not let us look"
            elif not well:
                evidence = told | {"expected": endpoint.expect}
                findings.append(found("operator_check_failed", words, component=name, evidence=evidence))
        blind = [name for name, value in seen.items() if isinstance(value, dict) and "problem" in value]
        if blind and len(blind) == len(seen):
            if unreached is not None:
                raise unreached
            summary = f"could not look at {', '.join(blind)}"
            return CheckResult(status=CheckStatus.UNKNOWN, summary=summary, evidence=seen)
        return judged(findings, f"{len(seen)} operators' endpoint(s) say that all is well", seen, None)


async def _document(via: WebConnector, openapi: str) -> tuple[Mapping[str, Json], str]:
    """The document, and where there is none, why: then nothing can be held against it."""
    try:
        reply = await via.get(urljoin(via.config.page_url, openapi))
        if reply.truncated:
            return {}, "it is too large to be held against"
        document: Json = await in_thread(lambda: json.loads(reply.text(PAGE_BYTES_LIMIT)))
    except ConnectorError as error:
        return {}, error.detail
    except (ValueError, RecursionError):
        return {}, f"it is no OpenAPI document in JSON (status {reply.status})"
    if not isinstance(document, dict):
        return {}, f"it is no OpenAPI document in JSON (status {reply.status})"
    return document, ""


def _of_access(via: WebConnector, reply: HttpReply, path: str) -> Finding | None:
    url = safe_url(reply.url)
    told = " ".join((reply.headers.get("www-authenticate", ""), reply.text(2000)))
    evidence: JsonObject = {
        "url": url,
        "status": reply.status,
        "www_authenticate": reply.headers.get("www-authenticate", "")[:_EXCERPT],
        "excerpt": reply.text(_EXCERPT),
    }
    if reply.status == 401:
        ended = token_end(via.config.credentials.token.get_secret_value())
        over = ended is not None and ended < time.time()
        evidence["our_token_ended_seconds_ago"] = round(time.time() - ended) if ended is not None and over else None
        if over or _EXPIRED.search(told):
            words = f"{path} answers 401: our credential has expired; give the system a new one"
            return found("credential_expired", words, component=path, evidence=evidence)
        words = f"{path} answers 401: it does not accept our credential"
        return found("credential_refused", words, component=path, evidence=evidence)
    if reply.status == 403:
        words = f"{path} answers 403: our credential is known and lacks a right"
        return found("right_missing", words, component=path, evidence=evidence)
    if reply.status == 429:
        after = reply.headers.get("retry-after", "")[:40]
        words = f"{path} answers 429: too many requests" + (f", to be tried again after {after}" if after else "")
        return found("rate_limited", words, component=path, evidence=evidence | {"retry_after": after})
    if reply.status >= 400:
        return found("api_error", f"{path} answers with status {reply.status}", component=path, evidence=evidence)
    return None


def _of_promise(reply: HttpReply, path: str, document: Mapping[str, Json], recorded: Json) -> Finding | None:
    schema = promised_schema(document, path, reply.status) if document else None
    by = "its OpenAPI document"
    if recorded is not None:
        schema, by = schema_of(recorded), "the recorded answer"
    if schema is None:
        return None
    try:
        answer: Json = json.loads(reply.text(1_000_000))
        problems = broken_promises(answer, schema, document)
    except (ValueError, RecursionError):
        problems = ["the answer is no JSON"]
    if not problems:
        return None
    words = f"{path} does not answer as {by} says: {'; '.join(problems[:3])}"
    shown: list[Json] = [*problems]
    evidence: JsonObject = {"url": safe_url(reply.url), "held_against": by, "problems": shown}
    return found("api_contract_drift", words, component=path, evidence=evidence)


def token_end(token: str) -> float | None:
    """When a token says that it ends, epoch seconds; None for one that says nothing. Not verified: it is our own."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        ends = claims.get("exp") if isinstance(claims, dict) else None
        at = float(ends) if isinstance(ends, int | float) and not isinstance(ends, bool) else math.nan
    except (ValueError, binascii.Error, RecursionError, OverflowError):
        return None
    return at if math.isfinite(at) else None

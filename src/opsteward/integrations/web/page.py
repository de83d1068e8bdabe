"""What a visitor's browser gets: the page itself, the files that it loads, and what is said about security."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding
from opsteward.contracts.connector import SystemRef
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import BadReply, ConnectorError
from opsteward.core.http_client import HttpReply, failure_kind, safe_url
from opsteward.core.json_types import Json, JsonObject
from opsteward.integrations.web.client import page_title
from opsteward.integrations.web.connector import WebConnector
from opsteward.integrations.web.findings import found, judged
from opsteward.integrations.web.page_content import (
    TEXT_LIMIT,
    Asset,
    assets_of,
    default_shown,
    error_shown,
    imports_of,
    is_blank,
    is_page,
    same_origin,
    words_of,
)

_AT_ONCE = 6
_EXCERPT = 300
_AS_SLOW = 0.8  # of the threshold: what takes so long, though it is a plain file, waits on the way
_HEADERS = ("strict-transport-security", "content-security-policy", "x-content-type-options")


class PageCheck(Check[WebConnector]):
    """FAIL for an error page that answers 200, an empty or unconfigured page, files that are not there; WARN for parts
    over plain HTTP; UNKNOWN where there is no page to look at."""

    slug: ClassVar[str] = "web.page"
    title: ClassVar[str] = "The page and its files"
    domain: ClassVar[Domain] = "web"
    timeout: ClassVar[float] = 10.0

    def fits(self, target: SystemRef) -> bool:
        return not target.settings.get("watch_page")

    async def run(self, via: WebConnector, target: SystemRef) -> CheckResult:
        url = safe_url(via.config.page_url)
        try:
            reply = await via.get(via.config.page_url)
        except BadReply as wrong:
            if failure_kind(wrong) != "redirects" or _looked_at_anyway(via):
                raise
            circle = [
                found("redirect_loop", wrong.detail, component=url, evidence={"url": url, "detail": wrong.detail})
            ]
            return judged(circle, wrong.detail, {"url": url}, None)
        if reply.status >= 500 and not _looked_at_anyway(via):
            told = f"{url} answers with status {reply.status}"
            failed: JsonObject = {"url": url, "status": reply.status, "excerpt": reply.text(_EXCERPT)}
            return judged([found("http_error", told, component=url, evidence=failed)], told, failed, reply.seconds)
        if not is_page(reply) or not via.config.settings.expects(reply.status) or reply.status >= 400:
            return CheckResult(status=CheckStatus.UNKNOWN, summary=f"{url} answers no page (status {reply.status})")
        text = reply.text(TEXT_LIMIT)
        # a large page takes a while to read
        assets = await in_thread(assets_of, text, reply.url)
        missing, seconds = await _missing(via, reply.url, assets)
        findings = [
            *await in_thread(_of_content, via, reply, text),
            *_of_assets(reply.url, missing),
            *_of_speed(via, reply, seconds),
            *_of_security(via, reply, assets),
        ]
        evidence: JsonObject = {"url": url, "title": page_title(reply), "assets": len(assets), "bytes": len(reply.body)}
        return judged(findings, f"{url} shows a page with {len(assets)} files", evidence, reply.seconds)


class PageWatch(PageCheck):
    """The same on the interval of the system, where its setting `watch_page` asks for it."""

    slug: ClassVar[str] = "web.page_watch"
    title: ClassVar[str] = "The page and its files, at each check"
    health: ClassVar[bool] = True

    def fits(self, target: SystemRef) -> bool:
        return bool(target.settings.get("watch_page"))


def _looked_at_anyway(via: WebConnector) -> bool:
    """Whether the look at the status is a look at this page, and tells what is wrong with it."""
    return via.config.url == via.config.page_url


def _of_content(via: WebConnector, reply: HttpReply, text: str) -> list[Finding]:
    """At most one: what the page shows in the place of what it should."""
    url = safe_url(reply.url)
    evidence: JsonObject = {
        "url": url,
        "status": reply.status,
        "title": page_title(reply),
        "excerpt": words_of(text)[:_EXCERPT],
    }
    shown = (
        ("error_page", error_shown(text)),
        ("default_page", default_shown(text)),
        ("blank_page", "nothing" if is_blank(text) else ""),
    )
    for kind, words in shown:
        if words:
            told = f"{url} answers {reply.status} and shows {words}"
            return [found(kind, told, component=url, evidence=evidence)]
    wanted = [each for each in via.config.settings.page_contains if each not in text]
    if wanted:
        told = f"{url} does not show {', '.join(map(repr, wanted[:3]))}"
        missing: list[Json] = [*wanted]
        return [found("content_missing", told, component=url, evidence=evidence | {"missing": missing})]
    return []


async def _missing(
    via: WebConnector, page: str, assets: Sequence[Asset]
) -> tuple[list[tuple[Asset, str]], list[float]]:
    """The page's own files and those that its scripts import: which can't be had and why, how long the others took."""
    own = [asset for asset in assets if same_origin(asset.url, page)]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def look(asset: Asset) -> tuple[Asset, str, list[Asset], float]:
        async with gate:
            return (asset, *await _look_at(via, asset))

    seen = await asyncio.gather(*(look(asset) for asset in own))
    chunks = [chunk for _, _, imported, _ in seen for chunk in imported]
    known = {asset.url for asset in own}
    fresh = [chunk for chunk in dict.fromkeys(chunks) if chunk.url not in known and same_origin(chunk.url, page)]
    seen += await asyncio.gather(*(look(chunk) for chunk in fresh[:20]))
    missing = [(asset, problem) for asset, problem, _, _ in seen if problem]
    return missing, [seconds for _, problem, _, seconds in seen if not problem]


async def _look_at(via: WebConnector, asset: Asset) -> tuple[str, list[Asset], float]:
    """Why the file can't be had (empty: it can), what it imports where it is a script, and the seconds it took."""
    path = urlsplit(asset.url).path
    is_script = path.endswith((".js", ".mjs"))
    try:
        reply = await via.get(asset.url, method="GET" if is_script else "HEAD")
        if reply.status in (405, 501) and not is_script:  # some servers know no HEAD
            reply = await via.get(asset.url)
    except ConnectorError as error:
        return error.detail, [], 0.0
    if reply.status >= 400:
        return f"status {reply.status}", [], reply.seconds
    if path.endswith((".js", ".mjs", ".css")) and "html" in reply.headers.get("content-type", ""):
        # many servers answer the start page for what is not there
        return "it is answered with a page in its place", [], reply.seconds
    imported = await in_thread(imports_of, reply.text(TEXT_LIMIT), asset.url) if is_script else []
    return "", imported, reply.seconds


def _of_speed(via: WebConnector, reply: HttpReply, seconds: Sequence[float]) -> list[Finding]:
    """A page that is slow while its files are fast is slow itself; where all is slow, it is the way or the server."""
    limit = via.config.settings.response_time_seconds
    if reply.seconds <= limit or not seconds:
        return []
    url = safe_url(reply.url)
    evidence: JsonObject = {
        "url": url,
        "seconds": round(reply.seconds, 3),
        "fastest_file_seconds": round(min(seconds), 3),
        "threshold_seconds": limit,
    }
    if min(seconds) <= limit * _AS_SLOW:
        told = f"{url} takes {reply.seconds:.2f} s, its files only {min(seconds):.2f} s"
        return [found("page_slow", told, component=url, evidence=evidence)]
    told = f"all that {url} loads is slow: the page {reply.seconds:.2f} s, its fastest file {min(seconds):.2f} s"
    return [found("network_slow", told, component=url, evidence=evidence)]


def _of_assets(page: str, missing: Sequence[tuple[Asset, str]]) -> list[Finding]:
    needed = [(safe_url(asset.url), why) for asset, why in missing if asset.active]
    others = [(safe_url(asset.url), why) for asset, why in missing if not asset.active]
    url = safe_url(page)
    if not needed and not others:
        return []
    shown: list[Json] = [{"file": file, "problem": why} for file, why in (needed + others)[:20]]
    told = (
        f"{url} names {len(missing)} file(s) that can't be had: {(needed + others)[0][0]} ({(needed + others)[0][1]})"
    )
    evidence: JsonObject = {"url": url, "files": shown, "scripts_or_styles": len(needed)}
    return [found("asset_missing", told, component=url, evidence=evidence)]


def _of_security(via: WebConnector, reply: HttpReply, assets: Sequence[Asset]) -> list[Finding]:
    url = safe_url(reply.url)
    findings = []
    secure = urlsplit(via.config.page_url).scheme == "https"
    if secure and urlsplit(reply.url).scheme == "http":
        evidence: JsonObject = {"url": url, "redirects": list(reply.redirects)}
        findings.append(found("redirects_to_plain", f"it leads to {url}", component=url, evidence=evidence))
    plain = [asset for asset in assets if asset.active and asset.url.startswith("http:")]
    if secure and reply.url.startswith("https:") and plain:
        told = f"{url} loads {len(plain)} file(s) over plain HTTP, which browsers refuse: {safe_url(plain[0].url)}"
        files: list[Json] = [safe_url(asset.url) for asset in plain[:20]]
        findings.append(found("mixed_content", told, component=url, evidence={"url": url, "files": files}))
    lacking = [name for name in _HEADERS if name not in reply.headers and (secure or name != _HEADERS[0])]
    if lacking:
        told = f"{url} sends no {', '.join(lacking)}"
        names: list[Json] = [*lacking]
        findings.append(found("security_headers", told, component=url, evidence={"url": url, "missing": names}))
    return findings

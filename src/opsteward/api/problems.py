"""Errors to RFC 9457 problem+json, in one place. Nothing private leaves: an unexpected error says only its id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from opsteward.core.error_words import problems_of
from opsteward.core.errors import FieldProblem, Invalid, OpsError
from opsteward.core.log import correlated, correlation_id, get_logger
from opsteward.core.redact import redact_text
from opsteward.events.sources.catalogue import slug_of

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "2"  # seconds
_SOURCES = "/api/v1/intake/"


def problem(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    remedy: str = "",
    errors: Sequence[FieldProblem] = (),
    retry_after: str = RETRY_AFTER,
) -> JSONResponse:
    """One problem document; `retry_after` is in seconds, and told where trying again helps."""
    body: dict[str, object] = {
        "type": f"urn:opsteward:error:{code}",
        "title": title,
        "status": status,
        "detail": redact_text(detail),
        "code": code,
        "correlation_id": correlation_id.get(),
    }
    if remedy:
        body["remedy"] = remedy
    if errors:
        body["errors"] = [error.as_dict() for error in errors]
    headers = {"Retry-After": retry_after} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def of_error(error: OpsError, *, path: str = "") -> JSONResponse:
    """The problem document of one of our own errors, as the answer to a request for this path."""
    return problem(
        status=503 if error.http_status == 429 and _retries_after_5xx_alone(path) else error.http_status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        remedy=error.remedy,
        errors=error.problems,
        retry_after=str(error.extra.get("retry_after", RETRY_AFTER)),
    )


def _retries_after_5xx_alone(path: str) -> bool:
    """Alertmanager does, and drops what a 429 refuses."""
    return path.startswith(_SOURCES) and slug_of(path.removeprefix(_SOURCES).rstrip("/")) == "alertmanager"


def of_crash(error: Exception, *, path: str) -> JSONResponse:
    """What we did not foresee, while it is being handled: our log has all of it, the document only its id there."""
    log.exception("api.request.crashed", path=path, error=type(error).__name__)
    return problem(
        status=500,
        code="ops_error",
        title="Something went wrong here",
        detail="the error is in our log under this correlation id",
    )


def allowed_methods(request: Request) -> set[str]:
    """What may be asked of the request's path, by all routes that have it."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found |= route.methods or set()
    return found or {"GET", "HEAD"}  # in a mounted folder, which is only read


def _of_request(error: RequestValidationError) -> list[FieldProblem]:
    """What is wrong with a request's parts: only its body is at hand as it was given."""
    parts: dict[bool, list[Any]] = {True: [], False: []}
    for one in error.errors():
        parts[one["loc"][:1] == ("body",)].append(one)
    return [*problems_of(parts[False]), *problems_of(parts[True], given=error.body)]


def install(app: FastAPI) -> None:
    """Map every error of the app."""

    @app.exception_handler(OpsError)
    async def _ours(request: Request, error: OpsError) -> JSONResponse:
        return of_error(error, path=request.scope["path"])

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return of_error(Invalid(problems=_of_request(error)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        answer = problem(
            status=error.status_code,
            code=codes.get(error.status_code, "http_error"),
            title=str(error.detail),
            detail=str(error.detail),
        )
        if error.status_code == 405:
            answer.headers["Allow"] = ", ".join(sorted(allowed_methods(request)))
        return answer

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        # This runs outside of the guard, so the id that it gave the request comes by the scope.
        with correlated(request.scope.get("correlation_id", "")):
            return of_crash(error, path=request.url.path)

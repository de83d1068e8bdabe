"""`/api/v1/intake/{source}`: bodies as other products send them; `/api/v1/sources`: which are known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.middleware.request_body import check_json
from opsteward.api.rest.schemas.base import Input, Page
from opsteward.api.routes import Routes
from opsteward.contracts.source import Shape, SourceMapping
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.computing import compute
from opsteward.core.errors import Invalid, Malformed
from opsteward.core.json_types import Json, JsonObject
from opsteward.events.sources.catalogue import all_sources, source_named
from opsteward.events.sources.mapping import Reading, preview, read
from opsteward.events.sources.unwrapping import storable
from opsteward.events.sources.values import instant_of
from opsteward.events.types import TakenEvent

router = Routes(tags=["sources"])

_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_PREVIEW_SECONDS = 1.0  # of a processor
_FORM = "application/x-www-form-urlencoded"
#: Headers that tell what a body is; none that may hold a secret.
_TELLING = ("x-github-event", "x-gitlab-event", "sentry-hook-resource", "x-amz-sns-message-type", "x-event-key")
_ANY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {}},
            "text/plain": {"schema": {"type": "string"}},
            _FORM: {"schema": {"type": "object"}},
        },
    }
}


@dataclass(frozen=True, kw_only=True)
class TakenFromSource:
    """How many events of the body are committed, and what became of each.

    `mapped`: the body had a form that the source declares; otherwise its fields were found by their common names.
    `left_out`: events past the limit of one request, which were not taken.
    """

    accepted: int
    source: str
    mapped: bool
    left_out: int
    events: list[TakenEvent]


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """A source: bodies of `title` are taken at `path`, also under its other names."""

    slug: str
    title: str
    path: str
    aliases: list[str]
    documentation: str
    setup: str
    shapes: int


@dataclass(frozen=True, kw_only=True)
class ReadEvent:
    """An event as it would be taken."""

    message: str
    source: str
    severity: str | None
    occurred_at: datetime | None
    resolved: bool
    error_type: str | None
    stack_trace: str | None
    labels: JsonObject
    group_key: str | None


@dataclass(frozen=True, kw_only=True)
class MappingPreview:
    """What a body would become. `shape` is the place of the form that it has, from 0; null: by common names."""

    shape: int | None
    left_out: int
    events: list[ReadEvent]


class MappingSampleIn(Input):
    """A sample, and how to read it: a source's mapping, or forms that are tried out."""

    body: Json
    source: Annotated[str, Field(max_length=40)] = "generic"
    headers: Annotated[dict[str, str], Field(max_length=50)] = {}
    shapes: Annotated[list[Shape] | None, Field(max_length=50)] = None


@router.post(
    "/api/v1/intake/{source}",
    status_code=202,
    summary="Take a body as another product sends it",
    openapi_extra=_ANY_BODY,
)
async def take_from_source(
    source: str,
    request: Request,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("events.write")],
) -> TakenFromSource:
    """Read it by the source's mapping; what that does not find is found by the names of common fields. The whole body
    stays with the events. A token may also come as basic auth's password, `X-Opsteward-Token` or `?token=`."""
    mapping = source_named(source)
    body = await in_thread(_parsed, await request.body(), _kind(request), services.settings.api.max_json_depth)
    reading = await _read(mapping, body, request, services)
    taken = await services.intake.take(session, events=reading.events, actor=identity.actor)
    return TakenFromSource(
        accepted=len(taken),
        source=mapping.slug,
        mapped=reading.shape is not None,
        left_out=reading.left_out,
        events=taken,
    )


@router.post("/api/v2/alerts", summary="Alertmanager's own alert API", openapi_extra=_ANY_BODY)
async def take_alerts(
    request: Request,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("events.write")],
) -> Response:
    """What Prometheus sends to an Alertmanager: an array of alerts; one whose `endsAt` has passed is over."""
    body = await in_thread(_parsed, await request.body(), _kind(request), services.settings.api.max_json_depth)
    if not isinstance(body, list) or not all(isinstance(alert, dict) and "labels" in alert for alert in body):
        raise Malformed.field("body", "is no array of alerts with labels", "send what Prometheus sends")
    alerts: list[Json] = [{**alert, "status": _status(alert)} for alert in body if isinstance(alert, dict)]
    if alerts:
        reading = await _read(source_named("alertmanager"), {"alerts": alerts}, request, services)
        await services.intake.take(session, events=reading.events, actor=identity.actor)
    return Response(status_code=200)


def _status(alert: JsonObject) -> str:
    ends = instant_of(alert.get("endsAt"))
    return "resolved" if ends is not None and ends <= now() else "firing"


@router.get("/api/v1/sources")
async def list_sources(services: ServicesDep, identity: Annotated[Identity, needs("events.read")]) -> Page[SourceInfo]:
    """The products whose bodies are known, and where each is sent."""
    return Page(items=[_info(mapping) for mapping in (await in_thread(all_sources)).values()])


@router.post("/api/v1/sources/preview", summary="Try how a sample would be read")
async def preview_mapping(body: MappingSampleIn, identity: Annotated[Identity, needs("events.read")]) -> MappingPreview:
    """The first 20 events; nothing is stored. With `shapes` a mapping of one's own is tried, in JMESPath."""
    mapping = source_named(body.source)
    if body.shapes is not None:
        mapping = mapping.model_copy(update={"shapes": tuple(body.shapes)})
    reading = await compute(_PREVIEW_SECONDS, preview, mapping, body.body, body.headers)
    return MappingPreview(
        shape=reading.shape,
        left_out=reading.left_out,
        events=[
            ReadEvent(
                message=event.message,
                source=event.source,
                severity=event.severity,
                occurred_at=event.occurred_at,
                resolved=event.resolved,
                error_type=event.error_type,
                stack_trace=event.stack_trace,
                labels=labels if isinstance(labels := event.context.get("labels"), dict) else {},
                group_key=event.group_key,
            )
            for event in reading.events
        ],
    )


async def _read(mapping: SourceMapping, body: Json, request: Request, services: ServicesDep) -> Reading:
    headers = {name: request.headers[name] for name in _TELLING if name in request.headers}
    limit = services.settings.api.max_events_per_request
    return await in_thread(lambda: read(mapping, body, headers, limit=limit))


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "application/json").split(";")[0].strip().lower()


def _parsed(body: bytes, kind: str, max_depth: int) -> Json:
    """JSON whatever the content type says, lines of JSON, a form, or text."""
    if not body.strip():
        raise Invalid.field("body", "is empty", "send what the product sends")
    if kind in _NDJSON:
        return [check_json(line, max_depth=max_depth) for line in body.splitlines() if line.strip()]
    if kind == _FORM:
        return _form(body, max_depth)
    if kind == "application/json" or kind.endswith("+json") or body.lstrip()[:1] in (b"{", b"["):
        found: Json = check_json(body, max_depth=max_depth)
        return found
    return storable({"message": body.decode("utf-8", "replace")})


def _form(body: bytes, max_depth: int) -> Json:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Malformed.field("body", "holds more than 1000 fields", "send fewer") from error
    fields: JsonObject = dict(pairs)
    payload = fields.get("payload")
    if isinstance(payload, str) and payload.lstrip()[:1] in ("{", "["):
        found: Json = check_json(payload.encode("utf-8", "replace"), max_depth=max_depth)
        return found
    return storable(fields)


def _info(mapping: SourceMapping) -> SourceInfo:
    return SourceInfo(
        slug=mapping.slug,
        title=mapping.title,
        path=f"/api/v1/intake/{mapping.slug}",
        aliases=list(mapping.aliases),
        documentation=mapping.documentation,
        setup=mapping.setup,
        shapes=len(mapping.shapes),
    )
